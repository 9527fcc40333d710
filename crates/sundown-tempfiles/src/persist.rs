//! Moving files and directories out of the root, in one step.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat, linkat, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::place::{Place, Seat};
use crate::{Error, tree};

/// What becomes of something that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Clash {
    Replace,
    Refuse,
}

/// Moves a file out, if what lies in its place is the file that `ours` describes.
pub(crate) fn move_file(
    ours: &impl std::os::fd::AsFd,
    seat: &Seat,
    to: &Path,
    clash: Clash,
) -> Result<(), Error> {
    let failed = Error::io("persist", seat.name());
    let (dir, entry) = seat.entry();
    let mine = fstat(ours).map_err(io::Error::from).map_err(&failed)?;
    let there = tree::look_at(dir, entry).map_err(&failed)?;
    if (mine.st_dev, mine.st_ino) != (there.st_dev, there.st_ino) {
        return Err(Error::Replaced { name: seat.name().to_owned() });
    }
    let moved = match clash {
        Clash::Replace => renameat(dir, entry, CWD, to),
        // A link is made only where there is nothing; then the file has two names for a moment.
        Clash::Refuse => linkat(dir, entry, CWD, to, AtFlags::empty())
            .and_then(|()| unlinkat(dir, entry, AtFlags::empty())),
    };
    match moved {
        Ok(()) => Ok(()),
        Err(Errno::XDEV) => copy_out(dir, entry, to, clash).map_err(failed),
        Err(error) => Err(failed(io::Error::from(error))),
    }
}

/// Copies a file beside its destination and renames it there. What is left in its place is
/// removed, as it would be with its handle.
fn copy_out(dir: BorrowedFd<'_>, entry: &OsStr, to: &Path, clash: Clash) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut from = File::from(openat(dir, entry, flags, Mode::empty())?);
    let part = part_of(to)?;
    let copied = copy(&mut from, &part).and_then(|()| match clash {
        Clash::Replace => fs::rename(&part, to),
        Clash::Refuse => fs::hard_link(&part, to).and_then(|()| fs::remove_file(&part)),
    });
    if copied.is_err() {
        let _ = fs::remove_file(&part);
    }
    copied?;
    Ok(unlinkat(dir, entry, AtFlags::empty())?)
}

fn copy(from: &mut File, part: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut part = File::options().write(true).create_new(true).mode(0o600).open(part)?;
    io::copy(from, &mut part)?;
    // Without it, the rename may be on the disk before the bytes are.
    part.sync_all()
}

/// A hidden name beside the destination that nobody else has.
fn part_of(to: &Path) -> io::Result<PathBuf> {
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "the destination has no name");
    let mut name = OsString::from(".");
    name.push(to.file_name().ok_or_else(no_name)?);
    name.push(format!(".{:016x}.part", fastrand::u64(..)));
    Ok(to.with_file_name(name))
}

/// Moves a directory out. An empty directory may be in the way, anything else may not.
pub(crate) fn move_dir(place: &Place, to: &Path) -> Result<(), Error> {
    use std::os::fd::AsFd as _;
    match renameat(place.inner.own.dir.as_fd(), &place.entry, CWD, to) {
        Ok(()) => Ok(()),
        Err(Errno::XDEV) => Err(Error::CrossDevice { name: place.name.clone(), to: to.to_owned() }),
        Err(error) => Err(Error::io("persist", &place.name)(error)),
    }
}
