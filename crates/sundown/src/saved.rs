//! What outlives the process: its report for the next one, and one line for Kubernetes.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::Report;
use crate::panics::quietly;
use crate::past_stops::PastStop;
use crate::report::{Process, Verdict};

/// How often the lock of a report file is tried, and how long to wait in between: whoever lists past
/// stops holds it for an instant.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// The file that the report is kept in.
///
/// While a process runs it holds a report that says `running`. Whoever finds that one knows that
/// its writer ended without a last word. That holds for one process per file: the lock is on a
/// companion beside it, because the report itself is replaced by rename.
#[derive(Debug)]
pub(crate) struct ReportFile {
    path: PathBuf,
    /// How many reports of past stops are kept beside it.
    keep: usize,
    /// The report that is in the file, until it is kept beside it.
    previous: Mutex<Option<PastStop>>,
    /// Held as long as this is; the kernel gives it back however the process ends.
    _lock: File,
}

/// Why a report cannot be kept in a file.
#[derive(Debug)]
pub(crate) enum Unusable {
    /// A process that is alive keeps its own there; its id, if it says so.
    Taken(Option<u32>),
    Io(io::Error),
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Unusable::Io(error)
    }
}

impl ReportFile {
    /// Reads what the last process left, and makes sure that there is room for a successor. The
    /// file itself stays as it is until [`write`](Self::write): a start that fails destroys
    /// nothing.
    pub(crate) fn open(path: PathBuf, keep: usize) -> Result<(Self, Option<Report>), Unusable> {
        if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(not_regular().into());
        }
        let lock = lock(&path)?;
        let previous = read(&path)?;
        let report = previous.as_ref().map(|previous| previous.report.clone());
        let file = ReportFile { path, keep, previous: Mutex::new(previous), _lock: lock };
        let temporary = temporary(&file.path);
        write_new(&temporary, Report::running().to_json().as_bytes())?;
        fs::remove_file(temporary)?;
        Ok((file, report))
    }

    /// Replaces the report in one step: a reader finds the old one or the new one. The report of the
    /// process before this one is kept beside it first.
    pub(crate) fn write(&self, report: &Report) -> io::Result<()> {
        let previous = self.previous.lock().unwrap_or_else(PoisonError::into_inner).take();
        let kept = previous.map_or(Ok(()), |previous| previous.keep(&self.path, self.keep));
        replace(&self.path, report).and(kept)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// The report in a file, and when it was written; that of a process that was lost says so.
pub(crate) fn read(path: &Path) -> io::Result<Option<PastStop>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let at = file.metadata()?.modified().unwrap_or(SystemTime::UNIX_EPOCH);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Some(PastStop { at, report: as_previous(&bytes) }))
}

/// Whether a process that is alive keeps its report in this file.
pub(crate) fn is_taken(path: &Path) -> bool {
    let locked = File::open(beside(path, ".lock")).map(|file| file.try_lock_shared());
    matches!(locked, Ok(Err(TryLockError::WouldBlock)))
}

/// Writes a report in one step.
pub(crate) fn replace(path: &Path, report: &Report) -> io::Result<()> {
    let temporary = temporary(path);
    let written = write_new(&temporary, report.to_json().as_bytes())
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn temporary(path: &Path) -> PathBuf {
    beside(path, &format!(".{}.tmp", std::process::id()))
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

/// Writes a file that was not there, in a directory where others may plant a link under its name:
/// what such a link points to is not touched. What a process of this id left behind is removed.
fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(bytes)
}

fn not_regular() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")
}

/// Locks the companion of a report file, and leaves this process's id in it for whoever comes in
/// vain. It stays behind: to remove it would let two processes lock two files of one name.
fn lock(path: &Path) -> Result<File, Unusable> {
    let companion = beside(path, ".lock");
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // A link that somebody planted would have its target emptied.
        let no_follow = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(i32::try_from(no_follow.bits()).unwrap_or_default());
    }
    let mut file = options.open(&companion)?;
    if !file.metadata()?.is_file() {
        return Err(not_regular().into());
    }
    match try_lock(&file) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = io::read_to_string(&file).unwrap_or_default();
            return Err(Unusable::Taken(holder.trim().parse().ok()));
        }
        // Where nothing can be locked, nobody can be kept out.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    file.set_len(0)?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())?;
    Ok(file)
}

#[expect(clippy::disallowed_methods, reason = "only where another has it, and 80 ms at most")]
fn try_lock(file: &File) -> Result<(), TryLockError> {
    for _ in 1..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(PAUSE),
            locked => return locked,
        }
    }
    file.try_lock()
}

/// A report that still says `running`, or is no report, is that of a process that was lost.
fn as_previous(bytes: &[u8]) -> Report {
    let report = Report::from_json(&String::from_utf8_lossy(bytes));
    match report {
        Ok(report) if report.verdict != Verdict::Running => report,
        Ok(running) => Report { verdict: Verdict::Lost, exit_code: None, ..running },
        Err(error) => {
            quietly(|| tracing::warn!(%error, "the previous shutdown report cannot be read"));
            Report { verdict: Verdict::Lost, process: Process::default(), ..Report::running() }
        }
    }
}

/// Leaves one line where Kubernetes looks for it, if there is such a place.
pub(crate) fn write_termination_message(
    path: &Path,
    line: impl FnOnce() -> String,
) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        // What was put there may be a pipe that nobody reads.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits();
        options.custom_flags(i32::try_from(nonblocking).unwrap_or_default());
    }
    match options.open(path) {
        Ok(mut file) => file.write_all(line().as_bytes()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory that is shared with somebody who means ill, and a file of value in it.
    fn shared(test: &str) -> (PathBuf, PathBuf) {
        let directory = std::env::temp_dir().join(format!("sundown-{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a scratch directory");
        let victim = directory.join("victim");
        fs::write(&victim, "of value").expect("it is writable");
        (directory, victim)
    }

    #[test]
    fn a_link_planted_as_the_lock_is_refused_and_its_target_kept() {
        let (directory, victim) = shared("planted-lock");
        symlink(&victim, directory.join("report.json.lock")).expect("a link");
        let opened = ReportFile::open(directory.join("report.json"), 0);
        assert!(matches!(opened, Err(Unusable::Io(_))), "{opened:?}");
        assert_eq!(fs::read_to_string(&victim).expect("it is there"), "of value");
        fs::remove_dir_all(directory).expect("it is ours");
    }

    #[test]
    fn a_link_planted_as_the_temporary_file_is_replaced_and_its_target_kept() {
        let (directory, victim) = shared("planted-temporary");
        let path = directory.join("report.json");
        let temporary = beside(&path, &format!(".{}.tmp", std::process::id()));
        symlink(&victim, &temporary).expect("a link");
        let (file, _) = ReportFile::open(path.clone(), 0).expect("it can be written");
        symlink(&victim, &temporary).expect("a link");
        file.write(&Report::running()).expect("it can be written");
        assert_eq!(fs::read_to_string(&victim).expect("it is there"), "of value");
        assert!(fs::symlink_metadata(&path).expect("the report").is_file(), "no link");
        fs::remove_dir_all(directory).expect("it is ours");
    }
}
