//! What outlives the process: its report for the next one, and one line for Kubernetes.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::Report;
use crate::panics::quietly;
use crate::report::{Process, Verdict};

/// The file that the report is kept in.
///
/// While a process runs it holds a report that says `running`. Whoever finds that one knows that
/// its writer ended without a last word.
#[derive(Debug)]
pub(crate) struct ReportFile {
    path: PathBuf,
}

/// The report of the process before this one.
#[derive(Debug)]
pub(crate) struct Previous {
    pub(crate) report: Report,
}

impl ReportFile {
    /// Reads what the last process left, and makes sure that there is room for a successor. The
    /// file itself stays as it is until [`write`](Self::write): a start that fails destroys
    /// nothing.
    pub(crate) fn open(path: PathBuf) -> io::Result<(Self, Option<Previous>)> {
        let report = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
            Ok(metadata) if !metadata.is_file() => {
                return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
            }
            Ok(_) => Some(as_previous(&fs::read(&path)?)),
        };
        let file = ReportFile { path };
        fs::write(file.temporary(), Report::running().to_json())?;
        fs::remove_file(file.temporary())?;
        Ok((file, report.map(|report| Previous { report })))
    }

    fn temporary(&self) -> PathBuf {
        let mut temporary = OsString::from(&self.path);
        temporary.push(format!(".{}.tmp", std::process::id()));
        temporary.into()
    }

    /// Replaces the report in one step: a reader finds the old one or the new one.
    pub(crate) fn write(&self, report: &Report) -> io::Result<()> {
        let temporary = self.temporary();
        let written = fs::write(&temporary, report.to_json())
            .and_then(|()| fs::rename(&temporary, &self.path));
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
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
