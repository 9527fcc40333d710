//! The root that processes share, and the directory in it that each has for itself, locked for as
//! long as it lives.
//!
//! The lock is the one of flock(2), on the directory itself. The kernel gives it up in whatever
//! way the process ends, and a process id that comes up again means nothing to it. No file is
//! needed that somebody could remove; and systemd-tmpfiles leaves locked directories alone.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, fstat, mkdirat, open, unlinkat};
use tracing::{error, warn};

use crate::StartError;
use crate::tree::{self, Tally};

/// A creation that races a successor is tried again; more than once in a row is next to impossible.
const ATTEMPTS: usize = 16;
/// So many names of what a dead process left are logged.
const NAMED: usize = 20;

const READ_DIR: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The directory that processes share.
#[derive(Debug)]
pub(crate) struct Root {
    dir: OwnedFd,
    path: PathBuf,
}

/// The directory of this process, and the lock on it.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) dir: File,
    pub(crate) name: OsString,
    pub(crate) path: PathBuf,
}

impl Root {
    /// Opens it, creating it if need be; refuses one that others could plant things in.
    pub(crate) fn open(path: &Path) -> Result<Self, StartError> {
        let failed = |doing| move |source| StartError::Io { path: path.to_owned(), doing, source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed("creating its parent"))?;
        }
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("creating it")(error)),
        }
        let refused = |why, advice| StartError::Root { path: path.to_owned(), why, advice };
        let meta = fs::symlink_metadata(path).map_err(failed("looking at it"))?;
        if meta.is_symlink() {
            let advice = "give the directory it points to, if that is where they should be";
            return Err(refused(
                "it is a symbolic link, and could point elsewhere tomorrow",
                advice,
            ));
        }
        let dir = open(path, READ_DIR, Mode::empty())
            .map_err(io::Error::from)
            .map_err(failed("opening it as a directory"))?;
        let stat = fstat(&dir).map_err(io::Error::from).map_err(failed("looking at it"))?;
        if stat.st_uid != rustix::process::geteuid().as_raw() {
            let advice = "choose one that does";
            return Err(refused("it does not belong to the user of this process", advice));
        }
        if Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH) {
            let advice = "take a directory inside it, or `chmod go-w` it";
            return Err(refused("others may write to it, and so plant things in it", advice));
        }
        warn_of_parent(path);
        Ok(Root { dir, path: path.to_owned() })
    }

    /// Makes a directory for this process and locks it.
    ///
    /// Between its making and its locking a successor may take it for that of a dead process: it
    /// is empty still, so nothing is lost, and it is made again.
    pub(crate) fn make_own(&self) -> io::Result<Own> {
        for _ in 0..ATTEMPTS {
            // The process id is for people; the lock is what counts.
            let name = format!("{}-{:016x}", std::process::id(), fastrand::u64(..));
            let name = OsString::from(name);
            match mkdirat(&self.dir, &name, Mode::RWXU) {
                Ok(()) => {}
                Err(rustix::io::Errno::EXIST) => continue,
                Err(error) => return Err(error.into()),
            }
            let dir = match tree::open_dir(self.dir.as_fd(), &name) {
                Ok(dir) => File::from(dir),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match dir.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(error)) => return Err(error),
            }
            if self.has(&name, &dir)? {
                let path = self.path.join(&name);
                return Ok(Own { dir, name, path });
            }
        }
        Err(io::Error::other("somebody removes our directories as fast as we make them"))
    }

    /// Whether this is what lies there under this name.
    fn has(&self, name: &OsStr, dir: &File) -> io::Result<bool> {
        let ours = fstat(dir)?;
        match tree::look_at(self.dir.as_fd(), name) {
            Ok(there) => Ok((there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes the directory of this process, emptied before.
    pub(crate) fn remove_own(&self, own: &Own) -> io::Result<()> {
        match unlinkat(&self.dir, &own.name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes what dead processes have left, and never what belongs to a living one: whoever gets
    /// its lock knows that its owner is gone. Answers how much there was.
    pub(crate) fn remove_dead(&self) -> Tally {
        let mut tally = Tally::default();
        let names = tree::list(self.dir.as_fd()).unwrap_or_else(|error| {
            error!(root = %self.path.display(), %error, "cannot look for what the dead have left");
            Vec::new()
        });
        // Whatever else lies here is not ours to remove.
        for name in names.iter().filter(|name| is_owners(name)) {
            match self.remove_if_dead(name) {
                Ok(removed) => tally.add(removed),
                Err(error) => {
                    let path = self.path.join(name);
                    error!(path = %path.display(), %error, "cannot remove what a dead process left");
                }
            }
        }
        tally
    }

    fn remove_if_dead(&self, name: &OsStr) -> io::Result<Tally> {
        let stat = tree::look_at(self.dir.as_fd(), name)?;
        if tree::kind(&stat) != FileType::Directory {
            return Ok(Tally::default());
        }
        let dir = match tree::open_dir(self.dir.as_fd(), name) {
            Ok(dir) => File::from(dir),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Tally::default()),
            Err(error) => return Err(error),
        };
        match dir.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Tally::default()),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let left = tree::list(dir.as_fd())?;
        let (tally, emptied) = tree::empty(dir.as_fd());
        emptied?;
        match unlinkat(&self.dir, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        if !left.is_empty() {
            let names: Vec<_> =
                left.iter().take(NAMED).map(|name| name.to_string_lossy()).collect();
            let more = left.len() - names.len();
            warn!(
                owner = %name.display(), files = tally.files, bytes = tally.bytes,
                names = names.join(", "), more, "removed what a dead process had left"
            );
        }
        Ok(tally)
    }
}

/// Whether the name is one that [`Root::make_own`] gives.
fn is_owners(name: &OsStr) -> bool {
    let parts = name.to_str().and_then(|name| name.split_once('-'));
    let is_hex = |text: &str| text.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'));
    parts.is_some_and(|(pid, random)| {
        pid.parse::<u32>().is_ok() && random.len() == 16 && is_hex(random)
    })
}

/// Warns of a parent in which anybody may rename anything. It cannot be refused, and everything here
/// goes through descriptors, so only the paths that the application passes on can be led astray. The
/// scratch volumes of Kubernetes are so, and nobody is warned of them: only their pod can reach them.
fn warn_of_parent(path: &Path) {
    let Some(parent) = path.parent() else { return };
    let Ok(meta) = fs::metadata(parent) else { return };
    let is_open_to_all = meta.mode() & 0o002 != 0 && meta.mode() & 0o1000 == 0;
    if is_open_to_all && !is_volume(parent, &meta) {
        warn!(root = %path.display(), "anybody may replace this directory: its parent is writable for all");
    }
}

/// Whether a directory is where a file system of its own is mounted.
fn is_volume(path: &Path, meta: &fs::Metadata) -> bool {
    fs::metadata(path.join("..")).is_ok_and(|above| above.dev() != meta.dev())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_told_from_a_directory() {
        for (path, expected) in [("/proc", true), ("/proc/self", false), ("/usr", false)] {
            let meta = fs::metadata(path).expect(path);
            assert_eq!(is_volume(Path::new(path), &meta), expected, "{path}");
        }
    }

    #[test]
    fn only_names_that_we_give_are_taken_for_a_process() {
        for ours in ["1-0123456789abcdef", "4194304-ffffffffffffffff"] {
            assert!(is_owners(OsStr::new(ours)), "{ours}");
        }
        for other in [
            "",
            "1",
            "1-",
            "1-123",
            "x-0123456789abcdef",
            "1-0123456789ABCDEF",
            "photos",
            "-0123456789abcdef",
            "1-0123456789abcdef0",
            "2024-0123456789abcde/",
        ] {
            assert!(!is_owners(OsStr::new(other)), "{other}");
        }
    }
}
