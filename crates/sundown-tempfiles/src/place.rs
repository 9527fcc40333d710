//! The place of a temporary file: an entry in a directory of ours, and the account it is on.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::Instant;
use tracing::warn;

use crate::QuotaExceeded;
use crate::metrics::{self, By};
use crate::service::Inner;
use crate::tree;

/// An entry in the directory of the process, with a handle. Dropped, it removes what lies there.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) inner: Arc<Inner>,
    /// Its name in the directory of the process.
    pub(crate) entry: OsString,
    /// The name the application gave it.
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    is_given_up: bool,
}

impl Place {
    /// Takes a place, before anything lies there: so the sweeper never sees it without a handle.
    pub(crate) fn take(inner: Arc<Inner>, entry: String, name: String) -> Option<Self> {
        let entry = OsString::from(entry);
        if !inner.ledger().hold(entry.clone(), name.clone(), Instant::now()) {
            return None;
        }
        metrics::held(1.0);
        let path = inner.own.path.join(&entry);
        Some(Place { inner, entry, name, path, is_given_up: false })
    }

    /// What lay there has been moved out.
    pub(crate) fn give_up(&mut self) {
        self.inner.ledger().forget(&self.entry);
        self.ends();
    }

    /// Leaves what lies there to the sweeper.
    pub(crate) fn leave(&mut self) {
        self.inner.ledger().leave(&self.entry, Instant::now());
        self.ends();
    }

    fn ends(&mut self) {
        self.is_given_up = true;
        metrics::held(-1.0);
        self.inner.tell_usage();
    }

    /// Removes what lies there.
    pub(crate) fn remove(&mut self) -> io::Result<()> {
        if self.is_given_up {
            return Ok(());
        }
        let (tally, removed) = tree::remove(self.inner.own.dir.as_fd(), &self.entry);
        metrics::removed(By::Handle, tally);
        match removed {
            Ok(()) => self.give_up(),
            Err(_) => self.leave(),
        }
        removed
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            let path = self.path.display();
            warn!(%path, %error, "cannot remove a temporary file; the sweeper tries again");
        }
    }
}

/// A file in a temporary directory. Dropped, it removes the file; the directory stays until the
/// last of its files is gone.
#[derive(Debug)]
pub(crate) struct Nested {
    parent: Arc<Place>,
    dir: Arc<OwnedFd>,
    entry: OsString,
    name: String,
    path: PathBuf,
    /// What it holds of its directory's account.
    bytes: u64,
    is_given_up: bool,
}

impl Nested {
    pub(crate) fn new(parent: Arc<Place>, dir: Arc<OwnedFd>, entry: &str) -> Self {
        let name = format!("{}/{entry}", parent.name);
        let path = parent.path.join(entry);
        Nested { parent, dir, entry: entry.into(), name, path, bytes: 0, is_given_up: false }
    }

    /// It is no longer ours to remove.
    pub(crate) fn give_up(&mut self) {
        self.is_given_up = true;
        self.parent.inner.ledger().shrink(&self.parent.entry, self.bytes);
        self.parent.inner.tell_usage();
    }

    fn remove(&mut self) -> io::Result<()> {
        if self.is_given_up {
            return Ok(());
        }
        let (tally, removed) = tree::remove(self.dir.as_fd(), &self.entry);
        metrics::removed(By::Handle, tally);
        self.give_up();
        removed
    }
}

impl Drop for Nested {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            let path = self.path.display();
            warn!(%path, %error, "cannot remove a temporary file; it goes with its directory");
        }
    }
}

/// Where a temporary file lies.
#[derive(Debug)]
pub(crate) enum Seat {
    /// By itself.
    Single(Place),
    /// In a temporary directory.
    Nested(Nested),
}

impl Seat {
    pub(crate) fn inner(&self) -> &Arc<Inner> {
        match self {
            Seat::Single(place) => &place.inner,
            Seat::Nested(nested) => &nested.parent.inner,
        }
    }

    /// The directory it lies in, and its name there.
    pub(crate) fn entry(&self) -> (BorrowedFd<'_>, &OsStr) {
        match self {
            Seat::Single(place) => (place.inner.own.dir.as_fd(), &place.entry),
            Seat::Nested(nested) => (nested.dir.as_fd(), &nested.entry),
        }
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Seat::Single(place) => &place.name,
            Seat::Nested(nested) => &nested.name,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Seat::Single(place) => &place.path,
            Seat::Nested(nested) => &nested.path,
        }
    }

    /// Asks the quota for so many bytes.
    pub(crate) fn grow(&mut self, by: u64) -> Result<(), QuotaExceeded> {
        let inner = self.inner().clone();
        let granted = match self {
            Seat::Single(place) => inner.ledger().grow(&place.entry, by),
            Seat::Nested(nested) => {
                let granted = inner.ledger().grow(&nested.parent.entry, by);
                nested.bytes += if granted.is_ok() { by } else { 0 };
                granted
            }
        };
        granted.inspect_err(|_| metrics::refused())
    }

    /// Gives so many bytes back.
    pub(crate) fn shrink(&mut self, by: u64) {
        let inner = self.inner().clone();
        match self {
            Seat::Single(place) => inner.ledger().shrink(&place.entry, by),
            Seat::Nested(nested) => {
                nested.bytes = nested.bytes.saturating_sub(by);
                inner.ledger().shrink(&nested.parent.entry, by);
            }
        }
    }

    /// What lay here has been moved out.
    pub(crate) fn give_up(&mut self) {
        match self {
            Seat::Single(place) => place.give_up(),
            Seat::Nested(nested) => nested.give_up(),
        }
    }

    pub(crate) fn remove(&mut self) -> io::Result<()> {
        match self {
            Seat::Single(place) => place.remove(),
            Seat::Nested(nested) => nested.remove(),
        }
    }
}
