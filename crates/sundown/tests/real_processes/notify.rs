//! What the service manager is told, seen from the other end of its socket.

use std::os::unix::net::UnixDatagram;
use std::time::Instant;

use super::*;

/// The socket of a service manager.
struct Manager(UnixDatagram);

impl Manager {
    fn new(scratch: &Scratch) -> (Self, String) {
        let path = scratch.0.join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        (Manager(socket), path.display().to_string())
    }

    fn next(&self) -> String {
        let mut message = [0; 4096];
        let length = self.0.recv(&mut message).unwrap();
        String::from_utf8(message[..length].to_vec()).unwrap()
    }

    /// All that comes up to the last word.
    fn rest(&self) -> Vec<String> {
        let mut all = Vec::new();
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            all.push(self.next());
            if all.last().unwrap().starts_with("STATUS=stopped") {
                return all;
            }
        }
        panic!("no last word: {all:?}");
    }
}

fn extension(message: &str) -> Duration {
    let line = message.lines().find_map(|line| line.strip_prefix("EXTEND_TIMEOUT_USEC="));
    Duration::from_micros(line.unwrap_or_else(|| panic!("{message}")).parse().unwrap())
}

#[test]
fn the_service_manager_is_told_ready_stopping_who_blocks_and_no_time_beyond_the_cap() {
    let scratch = Scratch::new("notify");
    let (manager, path) = Manager::new(&scratch);
    let launch = scratch.misbehave("hang-drain cap=3000").env("NOTIFY_SOCKET", &path);
    let process = start(launch);
    assert_eq!(manager.next(), "READY=1\nSTATUS=serving");
    let exit = stop(process, Signal::Term);
    assert_eq!(exit.code, Some(3), "{}", exit.stderr);

    let told = manager.rest();
    assert!(told[0].starts_with("STOPPING=1\nEXTEND_TIMEOUT_USEC="), "{told:?}");
    assert!(told[0].contains("\nSTATUS=stopping: SIGTERM"), "{told:?}");
    assert!(told[1].contains("STATUS=stopping, drain: waiting for hangs"), "{told:?}");
    assert_eq!(told.last().unwrap(), "STATUS=stopped, exit code 3");
    // One a second, so the n-th is sent no sooner than n seconds after the cause.
    for (seconds, message) in (0..).zip(&told[..told.len() - 1]) {
        let longest = 3000_u64.saturating_sub(1000 * seconds);
        assert!(extension(message) <= Duration::from_millis(longest), "{seconds} s: {message}");
    }
}

#[test]
fn it_is_told_with_every_runtime_thread_blocked() {
    let scratch = Scratch::new("notify-blocked");
    let (manager, path) = Manager::new(&scratch);
    let launch = scratch.misbehave("block-runtime cap=3000").env("NOTIFY_SOCKET", &path);
    let mut process = launch.spawn().unwrap();
    eventually(|| catches_sigterm(process.id()));
    process.signal(Signal::Term).unwrap();
    let mut message = manager.next();
    if message.starts_with("READY=1") {
        message = manager.next();
    }
    assert!(message.starts_with("STOPPING=1\n"), "{message}");
    assert!(extension(&manager.next()) <= Duration::from_secs(2));
    assert_eq!(process.wait(PATIENCE).unwrap().code, Some(1));
}

#[test]
fn a_socket_that_is_not_there_changes_nothing() {
    let scratch = Scratch::new("notify-nobody");
    let launch = scratch.misbehave("").env("NOTIFY_SOCKET", "/no/such/socket");
    let exit = stop(start(launch), Signal::Term);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
}
