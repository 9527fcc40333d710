//! How a process ended, and everything it said until then.

use std::fmt;
use std::time::{Duration, Instant};

use rustix::process::WaitIdStatus;

use super::Line;

/// A process that has ended and has been collected.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exit {
    /// Its exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// Everything it wrote to its standard output, if captured.
    pub stdout: String,
    /// Everything it wrote to its standard error, if captured.
    pub stderr: String,
    /// The lines of both outputs, in the order they arrived, with their instants.
    pub lines: Vec<Line>,
    /// From the first signal sent to it to its end; from its start if none was sent.
    pub took: Duration,
    /// When it ended.
    pub ended: Instant,
    /// The processes of its group that it left running; they are dead by now. Linux only.
    pub left_behind: Vec<u32>,
}

impl Exit {
    /// The first line, of either output, that satisfies `wanted`.
    pub fn line(&self, mut wanted: impl FnMut(&str) -> bool) -> Option<&Line> {
        self.lines.iter().find(|line| wanted(&line.text))
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It returned this exit code.
    Code(i32),
    /// The signal with this number ended it.
    Signal(i32),
    /// Somebody else reaped it: nobody can say.
    Unknown,
}

impl Ending {
    pub(super) fn of(status: Option<WaitIdStatus>) -> Self {
        let Some(status) = status else { return Self::Unknown };
        status
            .exit_status()
            .map(Self::Code)
            .or(status.terminating_signal().map(Self::Signal))
            .unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unknown => f.write_str("nobody knows how"),
        }
    }
}
