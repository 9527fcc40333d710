//! How the exporter is set up, and why it could not be started.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sundown::PlanError;
use thiserror::Error;

/// How the exporter is set up; the defaults work.
#[derive(Debug, Clone)]
#[must_use = "settings do nothing until `MetricsService::start`"]
pub struct Settings {
    pub(crate) interval: Duration,
    pub(crate) last_values: Option<PathBuf>,
    pub(crate) buckets: Vec<(String, Vec<f64>)>,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) is_global: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            interval: Duration::from_secs(10),
            last_values: None,
            buckets: Vec::new(),
            labels: Vec::new(),
            is_global: true,
        }
    }
}

impl Settings {
    /// How often the updater looks at the process and at what is watched; by default 10 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Leaves the last values in this file when the shutdown ends. It is replaced in one step: a
    /// reader sees the old values or the new ones. Its directory must be there and be writable:
    /// that is tried at the start, and again at the end.
    pub fn last_values(mut self, path: impl Into<PathBuf>) -> Self {
        self.last_values = Some(path.into());
        self
    }

    /// Gives a histogram of the application buckets of its own: upper bounds, rising. Others have
    /// those of Prometheus' clients, 5 ms to 10 s.
    pub fn buckets(mut self, metric: impl Into<String>, bounds: impl Into<Vec<f64>>) -> Self {
        self.buckets.push((metric.into(), bounds.into()));
        self
    }

    /// Puts a label on everything that goes through the facade.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.push((name.into(), value.into()));
        self
    }

    /// Does not become the recorder of the whole process. Only what goes through the service
    /// itself and through its [`recorder`](crate::MetricsService::recorder) is rendered: for
    /// tests, and for programs that fan out to several recorders.
    pub fn standalone(mut self) -> Self {
        self.is_global = false;
        self
    }
}

/// Why the exporter could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The process has a recorder already, and the facade knows only one.
    #[error(
        "cannot install the Prometheus recorder: this process has a metrics recorder already \
         (start one exporter only, before anything else installs a recorder, or make it \
         `standalone`)"
    )]
    RecorderInstalled,
    /// The bounds of a histogram make no sense.
    #[error("the buckets of `{metric}` cannot work: {why} (give finite upper bounds, rising)")]
    Buckets {
        /// Its name.
        metric: String,
        /// What is wrong.
        why: String,
    },
    /// The updater would never rest.
    #[error("the interval of the updater is zero (give it a second or more)")]
    Interval,
    /// The last values could not be left where they are wanted.
    #[error(
        "cannot leave the last metrics in {path}: {source} (give the path of a file in a directory \
         that is there and writable)", path = .path.display()
    )]
    LastValues {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The coordinator refused the registration.
    #[error(transparent)]
    Plan(#[from] PlanError),
}
