//! What can go wrong, in types that callers can branch on.

use std::fmt;
use std::io;
use std::path::PathBuf;

use sundown::PlanError;
use thiserror::Error;

pub use crate::name::NameError;

/// Why temporary files could not be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The root is not safe to use.
    #[error("cannot keep temporary files in {}: {why} ({advice})", path.display())]
    Root {
        /// Where.
        path: PathBuf,
        /// What speaks against it.
        why: &'static str,
        /// What to do.
        advice: &'static str,
    },
    /// The root cannot be used.
    #[error("cannot keep temporary files in {}: {doing} failed: {source} (choose another `root`)", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// A setting that cannot work.
    #[error("the {setting} of temporary files is zero (leave it out, or give it a value)")]
    Zero {
        /// Its name.
        setting: &'static str,
    },
    /// The coordinator refused the registration.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// Why a temporary file could not be had, or not be moved.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The name leads somewhere else, or nowhere.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is no room under the quota.
    #[error(transparent)]
    Quota(#[from] QuotaExceeded),
    /// The shutdown has removed everything; there is nothing to be had any more.
    #[error("cannot create `{name}`: temporary files are closed, the shutdown has released them")]
    Closed {
        /// What was to be created.
        name: String,
    },
    /// Something else still works in this directory.
    #[error("cannot {doing} `{name}`: files in it are still open (drop their handles first)")]
    InUse {
        /// The directory.
        name: String,
        /// What was to be done.
        doing: &'static str,
    },
    /// Somebody has put something else in the file's place.
    #[error("cannot persist `{name}`: its place in the directory holds something else by now")]
    Replaced {
        /// The file.
        name: String,
    },
    /// A directory cannot be moved to another file system in one step.
    #[error(
        "cannot persist the directory `{name}` to {}: it is on another file system (put the root \
         of temporary files on the same one)", to.display()
    )]
    CrossDevice {
        /// The directory.
        name: String,
        /// Where to.
        to: PathBuf,
    },
    /// The system refused.
    #[error("cannot {doing} `{name}`: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        name: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn io<E: Into<io::Error>>(doing: &'static str, name: &str) -> impl Fn(E) -> Self {
        move |source| Error::Io { doing, name: name.to_owned(), source: source.into() }
    }

    /// The runtime ended first.
    pub(crate) fn stopping(doing: &'static str, name: &str) -> Self {
        Error::io(doing, name)(io::Error::other("the runtime is stopping"))
    }
}

/// There was no room left under the quota. Writing through a handle fails with an
/// [`io::Error`] of the kind `QuotaExceeded` that holds this; [`QuotaExceeded::of`] finds it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "cannot write {wanted} more bytes to `{name}`: {used} of {limit} bytes for temporary files are \
     in use (drop or persist some, or raise the quota)"
)]
pub struct QuotaExceeded {
    /// The file that was to grow.
    pub name: String,
    /// By how many bytes.
    pub wanted: u64,
    /// The bytes in use.
    pub used: u64,
    /// The bytes allowed.
    pub limit: u64,
}

impl QuotaExceeded {
    /// The details in an error of a read or write, if it was about the quota.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<QuotaExceeded> for io::Error {
    fn from(error: QuotaExceeded) -> Self {
        io::Error::new(io::ErrorKind::QuotaExceeded, error)
    }
}

/// A failed [`persist`](crate::TempFile::persist). The file is given back, so that nothing is lost:
/// try another place. Dropped, it takes the file with it.
#[derive(Error)]
#[error("{error}")]
pub struct PersistError<T> {
    /// What was to be persisted, as it was.
    pub file: Box<T>,
    /// Why it could not be.
    #[source]
    pub error: Error,
}

impl<T> fmt::Debug for PersistError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersistError").field("error", &self.error).finish_non_exhaustive()
    }
}
