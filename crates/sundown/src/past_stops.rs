//! The reports of past stops. The last one is in the report file; those before it are in a directory
//! beside it, one file each.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::Report;
use crate::report::Verdict;
use crate::saved::{beside, is_taken, read, replace};

/// How many are kept unless told otherwise.
pub(crate) const KEPT: usize = 20;

/// The stop of a process that is gone, as its report tells it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PastStop {
    /// When its report was last written: at its end, or at its start if it was lost.
    pub at: SystemTime,
    /// Its report.
    pub report: Report,
}

impl PastStop {
    /// The stops whose reports are kept with the file at this
    /// [`report_path`](crate::Builder::report_path), the latest first. A process that is alive has not
    /// stopped; one that was lost has.
    ///
    /// ```
    /// # let directory = std::env::temp_dir().join(format!("past-stops-{}", std::process::id()));
    /// # std::fs::create_dir_all(&directory)?;
    /// # let path = directory.join("last-stop.json");
    /// for stop in sundown::PastStop::all(&path)? {
    ///     println!("{}", stop.report);
    /// }
    /// # std::fs::remove_dir_all(&directory)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The file or the directory is there and cannot be read.
    pub fn all(report_path: impl AsRef<Path>) -> io::Result<Vec<PastStop>> {
        let path = report_path.as_ref();
        let is_running = is_taken(path);
        let mut stops = Vec::new();
        for kept in kept(path)? {
            // Another process may have removed it since it was listed.
            stops.extend(read(&kept)?.map(|stop| PastStop { at: at(&kept), ..stop }));
        }
        let last = read(path)?.filter(|stop| !is_running || stop.report.verdict != Verdict::Lost);
        // A process that was killed while it started may have kept it already.
        stops.extend(last.filter(|last| !kept_as(path, last).exists()));
        stops.reverse();
        Ok(stops)
    }

    /// Keeps it beside the report file, with the latest of those that are there.
    pub(crate) fn keep(&self, report_path: &Path, most: usize) -> io::Result<()> {
        if most == 0 {
            return Ok(());
        }
        let directory = directory(report_path);
        match fs::create_dir(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            Ok(()) | Err(_) => {}
        }
        if !fs::symlink_metadata(&directory)?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a directory"));
        }
        replace(&kept_as(report_path, self), &self.report)?;
        let kept = kept(report_path)?;
        let too_many = kept.len().saturating_sub(most);
        kept[..too_many].iter().try_for_each(fs::remove_file)
    }
}

fn directory(report_path: &Path) -> PathBuf {
    beside(report_path, ".d")
}

/// The file that it is kept in: always the same one, so that a start that is cut short and repeated
/// keeps it once.
fn kept_as(report_path: &Path, stop: &PastStop) -> PathBuf {
    let since = stop.at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    directory(report_path).join(format!("{since:015}-{}.json", stop.report.process.pid))
}

/// When it was written, by the name of its file.
fn at(kept: &Path) -> SystemTime {
    let millis = millis(kept).unwrap_or_default();
    SystemTime::UNIX_EPOCH
        .checked_add(Duration::from_millis(millis))
        .unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The time in the name of a file that is one of ours.
fn millis(kept: &Path) -> Option<u64> {
    let (millis, pid) = kept.file_name()?.to_str()?.strip_suffix(".json")?.split_once('-')?;
    pid.parse::<u32>().ok()?;
    millis.parse().ok()
}

/// The files of the reports that are kept, the oldest first.
fn kept(report_path: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(directory(report_path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut kept: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    kept.retain(|path| millis(path).is_some());
    kept.sort();
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::saved::ReportFile;

    /// An empty directory.
    fn empty(test: &str) -> PathBuf {
        let directory = std::env::temp_dir().join(format!("sundown-{test}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a scratch directory");
        directory
    }

    fn ended(cause: &str) -> Report {
        let cause = Some(crate::Cause::requested(cause.to_owned()));
        Report { verdict: Verdict::Clean, cause, ..Report::running() }
    }

    #[test]
    fn a_start_that_is_cut_short_at_any_write_loses_no_report_and_keeps_none_twice() {
        let directory = empty("cut-short");
        let path = directory.join("stop.json");
        let verdicts = || {
            let stops = PastStop::all(&path).expect("they can be read");
            stops.iter().map(|stop| stop.report.verdict.name()).collect::<Vec<_>>()
        };
        let (file, previous) = ReportFile::open(path.clone(), 2).expect("it can be written");
        assert_eq!((previous, verdicts()), (None, vec![]));
        file.write(&Report::running()).expect("it can be written");
        assert!(verdicts().is_empty(), "it is alive");
        file.write(&ended("a")).expect("it can be written");
        drop(file);
        // In life more than an instant lies between two processes.
        let written = fs::File::options().write(true).open(&path).expect("it is there");
        written.set_modified(SystemTime::UNIX_EPOCH).expect("its time can be set");
        assert_eq!(verdicts(), ["clean"]);
        // Killed when the old report was kept and the new one was not written.
        let stop = read(&path).expect("readable").expect("it is there");
        stop.keep(&path, 2).expect("it can be kept");
        assert_eq!(verdicts(), ["clean"]);
        let (file, previous) = ReportFile::open(path.clone(), 2).expect("it can be written");
        assert_eq!(previous, Some(ended("a")));
        file.write(&Report::running()).expect("it can be written");
        drop(file);
        assert_eq!(verdicts(), ["lost", "clean"], "killed");
        fs::remove_dir_all(directory).expect("it is ours");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_planted_as_the_directory_is_not_followed() {
        let directory = empty("planted-directory");
        let (path, elsewhere) = (directory.join("stop.json"), directory.join("elsewhere"));
        fs::create_dir(&elsewhere).expect("a directory");
        std::os::unix::fs::symlink(&elsewhere, super::directory(&path)).expect("a link");
        let stop = PastStop { at: SystemTime::UNIX_EPOCH, report: ended("a") };
        let error = stop.keep(&path, 2).expect_err("it is a link");
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        assert_eq!(fs::read_dir(&elsewhere).expect("readable").count(), 0);
        fs::remove_dir_all(directory).expect("it is ours");
    }
}
