//! The end of a process: it is awaited, killed if need be, reaped, and leaves nobody behind.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::recording::deadline_after;
use super::{Error, Exit, Process, SETTLE};

/// A killed process gets this long to be gone.
const DEATH: Duration = Duration::from_secs(10);
/// How often the process group is looked at while it settles.
const LOOK: Duration = Duration::from_millis(5);

impl Process {
    /// Waits until the process has ended, and collects it: its status and everything it printed.
    ///
    /// Descendants that still run half a second later are listed in [`Exit::left_behind`], and
    /// killed.
    ///
    /// # Errors
    /// [`Error::Timeout`] when it did not end in time: it and its group are killed and reaped, and
    /// the error holds its output. [`Error::Collect`] when its status cannot be read.
    pub fn wait(mut self, timeout: Duration) -> Result<Exit, Error> {
        let deadline = deadline_after(timeout);
        let Some(ended) = self.recording.wait_until(deadline, |state| state.ended) else {
            self.collect()?;
            return Err(self.timed_out("end", timeout));
        };
        let left_behind = self.settle(ended);
        let status = self.collect()?;
        let mut state = self.recording.lock();
        Ok(Exit {
            code: status.code(),
            signal: status.signal(),
            stdout: std::mem::take(&mut state.stdout),
            stderr: std::mem::take(&mut state.stderr),
            lines: std::mem::take(&mut state.lines),
            took: ended.saturating_duration_since(self.signalled.unwrap_or(self.started)),
            ended,
            left_behind,
        })
    }

    /// Waits a moment until all output is read and no descendant is left; returns who is.
    fn settle(&self, ended: Instant) -> Vec<u32> {
        let until = ended + SETTLE;
        loop {
            let others = self.group.others();
            let closed = self.recording.lock().open_streams == 0;
            if (others.is_empty() && closed) || Instant::now() >= until {
                return others;
            }
            let look = until.min(Instant::now() + LOOK);
            self.recording
                .wait_until(look, |state| (!closed && state.open_streams == 0).then_some(()));
        }
    }

    /// Kills the group and reaps the process; a process that has ended keeps its status.
    fn collect(&mut self) -> Result<ExitStatus, Error> {
        self.kill_and_reap()
            .map_err(|source| Error::Collect { command: self.command.clone(), source })
    }

    fn kill_and_reap(&mut self) -> io::Result<ExitStatus> {
        self.collected = true;
        // Fails only if nobody is left in the group.
        let _ = self.group.signal_all(rustix::process::Signal::KILL);
        self.recording.wait_until(deadline_after(DEATH), |state| state.ended);
        // The guard goes before the process id is free to be given to somebody else.
        self.guard = None;
        let status = self.child.try_wait()?.ok_or_else(|| {
            io::Error::new(io::ErrorKind::TimedOut, format!("it survived SIGKILL for {DEATH:?}"))
        })?;
        self.recording
            .wait_until(deadline_after(SETTLE), |state| (state.open_streams == 0).then_some(()));
        Ok(status)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.collected {
            // A destructor has nobody to tell; the process is dead or beyond killing.
            let _ = self.kill_and_reap();
        }
    }
}
