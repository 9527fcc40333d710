//! What can go wrong while a process is driven, told with all it printed until then.

use std::time::Duration;
use std::{fmt, io};

use super::{Ending, Signal};

/// Why a process could not be driven as the test wanted.
///
/// `{:?}` prints the same text as `{}`: tests that return an error show it through `Debug`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program, its pipes, or the threads that watch it could not be started.
    #[error(
        "cannot start `{command}`: {source} (check that the program exists and may be executed)"
    )]
    Start {
        /// The program and its arguments.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// A signal could not be sent.
    #[error("cannot send {signal} to `{command}`: {source} (does the program change its user?)")]
    Signal {
        /// The program and its arguments.
        command: String,
        /// The signal meant for it.
        signal: Signal,
        /// What the system said.
        source: io::Error,
    },
    /// The process ended while a line was awaited from it.
    #[error(
        "`{command}` ended ({ending}) before it printed the line awaited; its output should say why:\n{output}"
    )]
    Ended {
        /// The program and its arguments.
        command: String,
        /// How it ended.
        ending: Ending,
        /// Everything it printed, each line with its time since the start.
        output: String,
    },
    /// What was awaited did not happen in time.
    #[error(
        "`{command}`: no {awaited} within {timeout:?}; see where its output stops, or allow more time:\n{output}"
    )]
    Timeout {
        /// The program and its arguments.
        command: String,
        /// What the test was waiting for.
        awaited: &'static str,
        /// How long the test was ready to wait.
        timeout: Duration,
        /// Everything it printed, each line with its time since the start.
        output: String,
    },
    /// The process was killed and still did not end, or its status could not be read.
    #[error(
        "cannot collect `{command}`: {source} (is it stuck in the kernel, or reaped by someone else?)"
    )]
    Collect {
        /// The program and its arguments.
        command: String,
        /// What the system said.
        source: io::Error,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
