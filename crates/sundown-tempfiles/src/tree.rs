//! Directory trees, walked by descriptor: what lies in them is listed, measured and removed, and
//! no link is ever followed.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::fs::{
    AtFlags, Dir, FileType, Mode, OFlags, Stat, chmodat, openat, renameat, statat, unlinkat,
};

/// Deeper than this nothing is measured; a descriptor is open for every level.
const DEEPEST: usize = 64;

/// How much there is, or was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files, links and whatever else is no directory.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Tally {
    fn count(&mut self, stat: &Stat) {
        self.files += 1;
        if kind(stat) == FileType::RegularFile {
            self.bytes += u64::try_from(stat.st_size).unwrap_or(0);
        }
    }

    pub(crate) fn add(&mut self, other: Tally) {
        self.files += other.files;
        self.bytes += other.bytes;
    }
}

/// What `stat` says about an entry itself, whatever it may point to.
pub(crate) fn look_at(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<Stat> {
    Ok(statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?)
}

pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Opens a directory in this one; a link in its place is an error.
pub(crate) fn open_dir(dir: BorrowedFd<'_>, name: &OsStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(dir, name, flags, Mode::empty())?)
}

/// The names in a directory.
pub(crate) fn list(dir: BorrowedFd<'_>) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// How much an entry holds, as far as it can be read.
pub(crate) fn measure(dir: BorrowedFd<'_>, name: &OsStr) -> Tally {
    let mut tally = Tally::default();
    measure_into(dir, name, DEEPEST, &mut tally);
    tally
}

fn measure_into(dir: BorrowedFd<'_>, name: &OsStr, deeper: usize, tally: &mut Tally) {
    let Ok(stat) = look_at(dir, name) else { return };
    if kind(&stat) != FileType::Directory {
        tally.count(&stat);
        return;
    }
    let Some(deeper) = deeper.checked_sub(1) else { return };
    let Ok(inner) = open_dir(dir, name) else { return };
    for name in list(inner.as_fd()).unwrap_or_default() {
        measure_into(inner.as_fd(), &name, deeper, tally);
    }
}

/// Removes an entry and everything in it. What is gone already is no error.
pub(crate) fn remove(dir: BorrowedFd<'_>, name: &OsStr) -> (Tally, io::Result<()>) {
    let mut tally = Tally::default();
    let result = remove_into(dir, name, &mut tally);
    (tally, result)
}

fn remove_into(dir: BorrowedFd<'_>, name: &OsStr, tally: &mut Tally) -> io::Result<()> {
    let Some(stat) = found(look_at(dir, name))? else { return Ok(()) };
    if kind(&stat) == FileType::Directory {
        let inner = open_to_empty(dir, name, &stat)?;
        let emptied = empty(inner.as_fd());
        tally.add(emptied.0);
        emptied.1?;
        found(unlinkat(dir, name, AtFlags::REMOVEDIR).map_err(Into::into))?;
    } else if found(unlinkat(dir, name, AtFlags::empty()).map_err(Into::into))?.is_some() {
        tally.count(&stat);
    }
    Ok(())
}

/// Removes everything in a directory, but not itself. It goes on past what cannot be removed, and
/// answers with the first of those errors.
///
/// Directories in directories are first moved up, so that a tree of any depth needs two
/// descriptors and no recursion.
pub(crate) fn empty(top: BorrowedFd<'_>) -> (Tally, io::Result<()>) {
    let mut tally = Tally::default();
    // Nothing is tried twice, so this ends, whatever the file system answers.
    let mut tried: HashSet<OsString> = HashSet::new();
    let mut result = Ok(());
    loop {
        let names = match list(top) {
            Ok(names) => names,
            Err(error) => return (tally, result.and(Err(error))),
        };
        let mut is_done = true;
        for name in names {
            if !tried.contains(&name) {
                is_done = false;
                result = result.and(flatten(top, &name, &mut tally));
                tried.insert(name);
            }
        }
        if is_done {
            return (tally, result);
        }
    }
}

/// Removes a file; of a directory, moves its directories up and removes the rest and itself.
fn flatten(top: BorrowedFd<'_>, name: &OsStr, tally: &mut Tally) -> io::Result<()> {
    let Some(stat) = found(look_at(top, name))? else { return Ok(()) };
    if kind(&stat) != FileType::Directory {
        return remove_into(top, name, tally);
    }
    let inner = open_to_empty(top, name, &stat)?;
    for child in list(inner.as_fd())? {
        let Some(stat) = found(look_at(inner.as_fd(), &child))? else { continue };
        if kind(&stat) == FileType::Directory {
            make_ours(inner.as_fd(), &child, &stat)?;
            let up = format!("{:016x}", fastrand::u64(..));
            found(renameat(&inner, &child, top, up).map_err(Into::into))?;
        } else {
            remove_into(inner.as_fd(), &child, tally)?;
        }
    }
    found(unlinkat(top, name, AtFlags::REMOVEDIR).map_err(Into::into)).map(drop)
}

fn open_to_empty(dir: BorrowedFd<'_>, name: &OsStr, stat: &Stat) -> io::Result<OwnedFd> {
    make_ours(dir, name, stat)?;
    open_dir(dir, name)
}

/// Unpacked archives have directories that even their owner may not change.
fn make_ours(dir: BorrowedFd<'_>, name: &OsStr, stat: &Stat) -> io::Result<()> {
    if Mode::from_raw_mode(stat.st_mode).contains(Mode::RWXU) {
        return Ok(());
    }
    Ok(chmodat(dir, name, Mode::RWXU, AtFlags::empty())?)
}

/// Nothing, when it is not there.
fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
