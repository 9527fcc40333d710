//! What the process leaves when it ends: its exit code, the report, the termination message.

use std::future::pending;
use std::io;
use std::path::Path;

use crate::panics::quietly;
use crate::saved::write_termination_message;
use crate::sync::locked;
use crate::watchdog::LastWord;
use crate::{Coordinator, Exit, Report};

impl Coordinator {
    /// Makes this the exit code that counts. If the watchdog was quicker it is ending the process,
    /// and `main` must not be faster.
    pub(crate) async fn claim_last_word(&self, exit: Exit) {
        let _ = self.last_word.set(LastWord::Plan(exit));
        if self.last_word.get() == Some(&LastWord::Force) {
            pending::<()>().await;
        }
    }

    /// Puts the report where it outlives the process, and lets the watchdog count down the rest.
    pub(crate) fn leave_report(&self, report: &Report) {
        self.write_report(report);
        if let Some(watch) = self.watch.get() {
            watch.has_ended(report.exit());
        }
    }

    /// Says, once, that a process runs, until there is more to say.
    pub(crate) fn write_running_report(&self) {
        if let Some(file) = &self.settings.report_file
            && self.is_marked.set(()).is_ok()
        {
            self.told_or_logged(file.write(&Report::running()), file.path());
        }
    }

    /// Writes the report wherever it was asked for; what fails is logged, and changes nothing.
    pub(crate) fn write_report(&self, report: &Report) {
        if let Some(file) = &self.settings.report_file {
            self.told_or_logged(file.write(report), file.path());
        }
        let path = &self.settings.termination_message;
        let mut has_last = locked(&self.has_last_message);
        *has_last = true;
        self.told_or_logged(write_termination_message(path, || report.to_line()), path);
    }

    /// Leaves a first termination message, for a process that is killed before its report. On a
    /// thread of its own: the file may hang, and the shutdown must not.
    pub(crate) fn begin_termination_message(&self) {
        if !self.settings.termination_message.exists() {
            return;
        }
        let me = self.me.clone();
        let begun = crate::watchdog::spawn("sundown-message", move || {
            let Some(me) = me.upgrade() else { return };
            let line = me.report_so_far().to_line();
            let has_last = locked(&me.has_last_message);
            if !*has_last {
                let path = &me.settings.termination_message;
                me.told_or_logged(write_termination_message(path, || line), path);
            }
        });
        if let Err(error) = begun {
            quietly(|| tracing::warn!(%error, "cannot write a first termination message"));
        }
    }

    fn told_or_logged(&self, written: io::Result<()>, path: &Path) {
        if let Err(error) = written {
            let path = path.display();
            quietly(|| tracing::error!(%path, %error, "cannot save the shutdown report"));
        }
    }
}
