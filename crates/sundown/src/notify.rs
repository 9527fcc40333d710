//! Tells the service manager how the service stands, as `sd_notify` does: ready, stopping, who is
//! waited for, and how much longer it may take.
//!
//! Nothing here needs the runtime, and nothing blocks: a message that the manager has no room for
//! is dropped, and the next one says the same again.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use self::socket::Socket;
use crate::panics::quietly;
use crate::run::Stage;
use crate::run::member::{Kind, Member};
use crate::sync::{Mutex, locked};
use crate::{Cause, Coordinator, Exit, Shutdown};

const VARIABLE: &str = "NOTIFY_SOCKET";
/// How often the manager is told anew once the shutdown has begun.
const EVERY: Duration = Duration::from_secs(1);
/// How much time is asked for at once. The manager kills the process that long after the last
/// message, so one whose threads are all stuck is not waited for up to the cap.
const STEP: Duration = Duration::from_secs(10);
/// How long the only message that is not repeated, `READY=1`, is tried.
const READY_TRIES: u32 = 20;
const READY_PAUSE: Duration = Duration::from_millis(5);
/// The longest status, in characters.
const STATUS: usize = 200;

/// The service manager that started this process.
pub(crate) struct Manager {
    socket: Socket,
    /// Held while a message is sent, so that `READY=1` never follows `STOPPING=1`.
    is_stopping: Mutex<bool>,
}

impl Manager {
    /// The one that `NOTIFY_SOCKET` names, if there is one.
    pub(crate) fn from_env() -> Option<Self> {
        let name = env::var_os(VARIABLE).filter(|name| !name.is_empty())?;
        match Manager::at(&name) {
            Ok(manager) => Some(manager),
            Err(error) => {
                let name = name.display();
                quietly(|| {
                    tracing::warn!(%error, "cannot notify the service manager at {VARIABLE}={name}");
                });
                None
            }
        }
    }

    fn at(name: &OsStr) -> io::Result<Self> {
        Ok(Manager { socket: Socket::open(name)?, is_stopping: Mutex::new(false) })
    }

    /// The service is up, unless it is stopping already.
    pub(crate) fn ready(&self) {
        for _ in 0..READY_TRIES {
            let is_stopping = locked(&self.is_stopping);
            if *is_stopping || self.socket.send(b"READY=1\nSTATUS=serving").is_ok() {
                return;
            }
            drop(is_stopping);
            thread::park_timeout(READY_PAUSE);
        }
        quietly(|| tracing::warn!("the service manager does not take READY=1"));
    }

    /// The shutdown has begun. `STOPPING=1` alone starts the manager's own stop timeout, even if
    /// the manager did not ask for the stop, so the first extension comes with it.
    pub(crate) fn stopping(&self, cause: &Cause, left: Duration) {
        let mut is_stopping = locked(&self.is_stopping);
        if !std::mem::replace(&mut *is_stopping, true) {
            let message =
                format!("STOPPING=1\n{}", still_stopping(left, &format!("stopping: {cause}")));
            let _ = self.socket.send(message.as_bytes());
        }
    }

    /// The plan has ended.
    pub(crate) fn stopped(&self, exit: Exit) {
        let _ = self.socket.send(format!("STATUS=stopped, exit code {}", exit.code()).as_bytes());
    }
}

/// Asks for more time, but for none beyond the cap, and says why.
fn still_stopping(left: Duration, status: &str) -> String {
    let status: String =
        status.chars().take(STATUS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    format!("EXTEND_TIMEOUT_USEC={}\nSTATUS={status}", left.min(STEP).as_micros())
}

/// Starts the thread that tells the manager, from the cause to the end.
pub(crate) fn keep_telling(
    coordinator: Weak<Coordinator>,
    shutdown: Shutdown,
    manager: Arc<Manager>,
) -> io::Result<()> {
    let tell = move || {
        while !shutdown.wait_timeout(STEP) {
            if coordinator.strong_count() == 0 {
                return;
            }
        }
        loop {
            sleep(EVERY);
            let Some(coordinator) = coordinator.upgrade() else { return };
            let left = coordinator.time_left();
            if left.is_zero() || coordinator.trail.borrow().ended {
                return;
            }
            let status = coordinator.status();
            let _ = manager.socket.send(still_stopping(left, &status).as_bytes());
        }
    };
    crate::watchdog::spawn("sundown-notify", tell)
}

/// Sleeps no less than that: a wake-up left over from the wait for the cause would end a park early.
fn sleep(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|l| !l.is_zero()) {
        thread::park_timeout(left);
    }
}

impl Coordinator {
    /// What is left of the cap.
    pub(crate) fn time_left(&self) -> Duration {
        let end = self.shutdown.began().map(|began| began.at.into_std() + self.cap());
        end.map_or(self.cap(), |end| end.saturating_duration_since(Instant::now()))
    }

    /// Who is waited for, in one line.
    fn status(&self) -> String {
        let Ok(run) = self.run.try_lock() else { return "stopping".to_owned() };
        let Stage::In(active) = &run.stage else {
            return "stopping: the first phase has not begun".to_owned();
        };
        let is_awaited = |member: &&Member| {
            member.state.since().is_some() && (member.kind != Kind::Work || !self.work.is_empty())
        };
        let names: Vec<&str> =
            run.members.values().filter(is_awaited).map(|member| &*member.name).collect();
        let phase = &run.plan.phases[active.phase].phase;
        format!("stopping, {phase}: waiting for {}", names.join(", "))
    }
}

#[cfg(unix)]
mod socket {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    pub(super) struct Socket {
        socket: UnixDatagram,
        manager: SocketAddr,
    }

    impl Socket {
        pub(super) fn open(name: &OsStr) -> io::Result<Self> {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            Ok(Socket { socket, manager: address(name)? })
        }

        /// Sends it, unless that would block.
        pub(super) fn send(&self, message: &[u8]) -> io::Result<()> {
            self.socket.send_to_addr(message, &self.manager).map(drop)
        }
    }

    /// A path, or a name in the abstract namespace, which is written with `@` in front.
    fn address(name: &OsStr) -> io::Result<SocketAddr> {
        #[cfg(target_os = "linux")]
        {
            use std::os::linux::net::SocketAddrExt as _;
            use std::os::unix::ffi::OsStrExt as _;
            if let Some(name) = name.as_bytes().strip_prefix(b"@") {
                return SocketAddr::from_abstract_name(name);
            }
        }
        SocketAddr::from_pathname(name)
    }
}

#[cfg(not(unix))]
mod socket {
    use std::ffi::OsStr;
    use std::io;

    pub(super) struct Socket;

    impl Socket {
        pub(super) fn open(_name: &OsStr) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(super) fn send(&self, _message: &[u8]) -> io::Result<()> {
            Ok(())
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    use super::*;

    /// A manager with an abstract name, and the other end of its socket.
    fn manager(test: &str) -> (Manager, UnixDatagram) {
        let name = format!("sundown-notify-{}-{test}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a short name");
        let listener = UnixDatagram::bind_addr(&address).expect("a name of its own");
        listener.set_nonblocking(true).expect("it is a socket");
        (Manager::at(OsStr::new(&format!("@{name}"))).expect("it listens"), listener)
    }

    fn next(listener: &UnixDatagram) -> Option<String> {
        let mut message = [0; 4096];
        let length = listener.recv(&mut message).ok()?;
        Some(String::from_utf8_lossy(&message[..length]).into_owned())
    }

    #[test]
    fn ready_never_follows_stopping_and_stopping_is_said_once() {
        let (manager, listener) = manager("order");
        let cause = Cause::requested("new version");
        manager.ready();
        manager.stopping(&cause, Duration::from_secs(3));
        manager.stopping(&cause, Duration::from_secs(3));
        manager.ready();
        assert_eq!(next(&listener).as_deref(), Some("READY=1\nSTATUS=serving"));
        let stopping = next(&listener).expect("it is stopping");
        assert!(stopping.starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC=3000000\n"), "{stopping}");
        assert!(stopping.contains("\nSTATUS=stopping: "), "{stopping}");
        assert_eq!(next(&listener), None);
    }

    #[test]
    fn a_status_is_one_line_and_no_extension_is_longer_than_a_step() {
        let message = still_stopping(Duration::from_secs(600), "web\nREADY=1\u{1b}[2J");
        assert_eq!(message, "EXTEND_TIMEOUT_USEC=10000000\nSTATUS=web READY=1 [2J");
        let long = still_stopping(Duration::from_millis(1500), &"x".repeat(5000));
        assert_eq!(long, format!("EXTEND_TIMEOUT_USEC=1500000\nSTATUS={}", "x".repeat(STATUS)));
    }

    #[test]
    fn a_manager_that_reads_nothing_holds_nobody() {
        let (manager, _listener) = manager("full");
        let began = Instant::now();
        for _ in 0..10_000 {
            manager.stopped(Exit::Clean);
        }
        manager.ready();
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
