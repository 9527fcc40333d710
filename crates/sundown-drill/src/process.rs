//! Drives a real child process: start, wait until ready, signal, kill -9, collect, leave nothing.

mod collect;
mod error;
mod exit;
mod group;
mod launch;
mod recording;
mod signal;

use std::ffi::OsStr;
use std::io;
use std::process::Child;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use group::{Group, Guard};
use launch::Started;
use recording::{Recording, deadline_after};

pub use error::Error;
pub use exit::{Ending, Exit};
pub use launch::{Launch, Output};
pub use recording::{Line, Stream};
pub use signal::Signal;

/// After the end of a process, its last output and its descendants get this long to be gone.
const SETTLE: Duration = Duration::from_millis(500);

/// A running child process, in a process group of its own.
///
/// It never outlives its test: dropped, its whole group is killed and it is reaped; and should
/// the test itself be killed, a guard kills the group. Only a descendant that leaves the group
/// (`setsid`) escapes.
#[derive(Debug)]
pub struct Process {
    command: String,
    child: Child,
    group: Group,
    recording: Arc<Recording>,
    started: Instant,
    signalled: Option<Instant>,
    collected: bool,
    guard: Option<Guard>,
    /// Readers of full pipes: open, and never read.
    _unread: Vec<io::PipeReader>,
}

impl Process {
    /// Prepares to start `program`, found on `PATH` unless it is a path.
    #[expect(clippy::new_ret_no_self, reason = "reads as `Command::new(…)…spawn()` does")]
    pub fn new(program: impl AsRef<OsStr>) -> Launch {
        Launch::new(program)
    }

    /// Takes over a child that has just been started.
    fn watch(command: String, mut started: Started) -> io::Result<Self> {
        let captured = started.captured();
        let recording = Arc::new(Recording::new(captured.len()));
        let group = Group::led_by(&started.child);
        // From here on the child is dropped, so killed and reaped, if anything fails.
        let mut process = Self {
            command,
            child: started.child,
            group,
            recording: Arc::clone(&recording),
            started: started.at,
            signalled: None,
            collected: false,
            guard: None,
            _unread: started.unread,
        };
        let end = Arc::clone(&recording);
        thread::Builder::new().name("drill-end".to_owned()).spawn(move || {
            group.wait_for_end();
            end.end(Instant::now());
        })?;
        for (stream, source) in captured {
            let recording = Arc::clone(&recording);
            thread::Builder::new()
                .name("drill-output".to_owned())
                .spawn(move || recording.read(stream, source))?;
        }
        process.guard = Some(Guard::watch(group)?);
        Ok(process)
    }

    /// Its process id, which is also that of its group.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet. A process frozen by [`Signal::Stop`] runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.group.ending().is_none()
    }

    /// The lines it has printed so far, in the order they arrived.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        self.recording.lock().lines.clone()
    }

    /// Waits for a line on either output, and returns it.
    ///
    /// All lines are looked at, from the first: one that was printed before is found too. `wanted`
    /// is called while the recording is held, so it must not ask this process for anything.
    ///
    /// # Errors
    /// [`Error::Timeout`] when no line came in time, [`Error::Ended`] when the process ended
    /// without it; both hold the output so far. The process is left as it is.
    pub fn wait_for_line(
        &self,
        mut wanted: impl FnMut(&str) -> bool,
        timeout: Duration,
    ) -> Result<Line, Error> {
        let mut next = 0;
        let mut look = |lines: &[Line]| {
            let found = lines[next..].iter().find(|line| wanted(&line.text)).cloned();
            next = lines.len();
            found
        };
        let deadline = deadline_after(timeout);
        let seen = self
            .recording
            .wait_until(deadline, |state| look(&state.lines).map(Ok).or(state.ended.map(Err)));
        let ended = match seen {
            Some(Ok(line)) => return Ok(line),
            Some(Err(ended)) => ended,
            None => return Err(self.timed_out("matching line", timeout)),
        };
        // Its last words may still be on their way.
        let last = self.recording.wait_until(deadline.min(ended + SETTLE), |state| {
            look(&state.lines).map(Some).or((state.open_streams == 0).then_some(None))
        });
        last.flatten().ok_or_else(|| Error::Ended {
            command: self.command.clone(),
            ending: Ending::of(self.group.ending()),
            output: self.output(),
        })
    }

    /// Sends a signal to the process alone, as Kubernetes and `kill` do; returns when it was sent.
    ///
    /// A process that has ended takes no notice.
    ///
    /// # Errors
    /// [`Error::Signal`] when the system refuses.
    pub fn signal(&mut self, signal: Signal) -> Result<Instant, Error> {
        self.send(signal, Group::signal_leader)
    }

    /// Sends a signal to the process and its descendants, as a terminal does on Ctrl-C.
    ///
    /// # Errors
    /// [`Error::Signal`] when the system refuses.
    pub fn signal_group(&mut self, signal: Signal) -> Result<Instant, Error> {
        self.send(signal, Group::signal_all)
    }

    fn send(
        &mut self,
        signal: Signal,
        send: impl FnOnce(Group, rustix::process::Signal) -> io::Result<()>,
    ) -> Result<Instant, Error> {
        let now = Instant::now();
        send(self.group, signal.to_system()).map_err(|source| Error::Signal {
            command: self.command.clone(),
            signal,
            source,
        })?;
        self.signalled.get_or_insert(now);
        Ok(now)
    }

    fn timed_out(&self, awaited: &'static str, timeout: Duration) -> Error {
        Error::Timeout { command: self.command.clone(), awaited, timeout, output: self.output() }
    }

    fn output(&self) -> String {
        self.recording.lock().render(self.started)
    }
}
