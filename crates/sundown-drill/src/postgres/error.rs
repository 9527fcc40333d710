//! Why there is no database server.

use std::{fmt, io};

use crate::process;

/// Why a server or a pooler could not be had.
///
/// `{:?}` prints the same text as `{}`: tests that return an error show it through `Debug`.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is not installed.
    #[error("{program} is not installed (run `{install}`)")]
    Missing {
        /// What is missing.
        program: &'static str,
        /// How to get it.
        install: &'static str,
    },
    /// A program ended, and should not have, or failed.
    #[error("{what} failed:\n{said}")]
    Failed {
        /// The program.
        what: String,
        /// What it printed.
        said: String,
    },
    /// It took for ever.
    #[error("the server was not ready in time (is the machine overloaded?)")]
    Late,
    /// A process could not be driven.
    #[error(transparent)]
    Process(#[from] process::Error),
    /// A file or a port could not be had.
    #[error("cannot prepare the server's directory or port: {0}")]
    Io(#[from] io::Error),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
