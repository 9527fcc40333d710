//! How a service of tasks is set up, and why it could not be started.

use std::io;
use std::time::Duration;

use sundown::PlanError;
use thiserror::Error;

/// How tasks are run; the defaults work.
#[derive(Debug, Clone)]
#[must_use = "settings do nothing until `TaskService::start`"]
pub struct Settings {
    pub(crate) name: String,
    pub(crate) concurrency: usize,
    pub(crate) queue_limit: u64,
    pub(crate) lease: Duration,
    pub(crate) poll: Duration,
    pub(crate) ahead: Duration,
    pub(crate) reserve: Duration,
    pub(crate) retention: Duration,
    pub(crate) urls: String,
}

impl Default for Settings {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Settings {
            name: "tasks".to_owned(),
            concurrency: 4 * cores,
            queue_limit: 1_000_000,
            lease: Duration::from_secs(10),
            poll: Duration::from_millis(80),
            ahead: Duration::from_millis(250),
            reserve: Duration::from_secs(2),
            retention: Duration::from_secs(7 * 86_400),
            urls: "/tasks".to_owned(),
        }
    }
}

impl Settings {
    /// The name under which it takes part in the shutdown; by default `tasks`.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// How many tasks run here at once; by default four for each core.
    pub fn concurrency(mut self, count: usize) -> Self {
        self.concurrency = count;
        self
    }

    /// How many tasks may wait; by default a million. Nothing else makes it refuse one.
    pub fn queue_limit(mut self, count: u64) -> Self {
        self.queue_limit = count;
        self
    }

    /// For how long a claim holds without being renewed; by default 10 s. When a process is killed, or
    /// hangs as a whole, its tasks begin again elsewhere after so long at the latest, and a little.
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// When it looks for tasks although nobody told it of any: after so long at the latest, by default
    /// 80 ms, and on the average after three quarters of that.
    pub fn poll(mut self, interval: Duration) -> Self {
        self.poll = interval;
        self
    }

    /// How long a task may be claimed without having begun; by default 250 ms. A process that ends
    /// tasks quickly claims some ahead. If they find no place within so long, because longer ones
    /// came before them, they go back, so that others can run them.
    pub fn ahead(mut self, limit: Duration) -> Self {
        self.ahead = limit;
        self
    }

    /// How long before the end of `drain` running tasks are told to stop where they are, so that
    /// they leave a checkpoint; by default 2 s, and never more than a fifth of the time there is.
    pub fn reserve(mut self, reserve: Duration) -> Self {
        self.reserve = reserve;
        self
    }

    /// How long a task that is over is kept; by default a week.
    pub fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Where clients find tasks: the stream of a task is this, its id, and `/events`. By default
    /// `/tasks`.
    pub fn urls(mut self, prefix: impl Into<String>) -> Self {
        self.urls = prefix.into();
        self
    }

    pub(crate) fn check(&self) -> Result<(), StartError> {
        let (least, most) = (Duration::from_millis(100), Duration::from_secs(366 * 86_400));
        for (setting, is_wrong) in [
            ("concurrency", self.concurrency == 0),
            ("queue_limit", self.queue_limit == 0),
            ("lease", self.lease < least),
            ("poll", self.poll.is_zero()),
        ] {
            if is_wrong {
                return Err(StartError::TooLittle { setting });
            }
        }
        for (setting, is_wrong) in [("lease", self.lease > most), ("poll", self.poll > most)] {
            if is_wrong {
                return Err(StartError::TooMuch { setting });
            }
        }
        Ok(())
    }
}

/// Why a service of tasks could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting with which nothing would ever run.
    #[error("the setting `{setting}` is too little (a lease takes 100 ms, the others more than 0)")]
    TooLittle {
        /// Which.
        setting: &'static str,
    },
    /// A setting with which nothing would happen in anybody's lifetime.
    #[error("the setting `{setting}` is too much (a year at most)")]
    TooMuch {
        /// Which.
        setting: &'static str,
    },
    /// Two kinds of one name.
    #[error("the kind `{kind}` is there twice (a name belongs to one kind)")]
    KindTwice {
        /// Its name.
        kind: String,
    },
    /// The thread that keeps leases could not be started.
    #[error("cannot start the keeper of leases: {0}")]
    Keeper(io::Error),
    /// It cannot take part in the shutdown.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nothing_would_run_with_is_refused_by_name() {
        let (zero, endless) = (Duration::ZERO, Duration::MAX);
        let ok = Settings::default;
        for (settings, culprit) in [
            (ok().concurrency(0), "`concurrency` is too little"),
            (ok().queue_limit(0), "`queue_limit` is too little"),
            (ok().lease(Duration::from_millis(99)), "`lease` is too little"),
            (ok().poll(zero), "`poll` is too little"),
            (ok().lease(endless), "`lease` is too much"),
            (ok().poll(endless), "`poll` is too much"),
        ] {
            let error = settings.check().unwrap_err().to_string();
            assert!(error.contains(culprit), "{error}");
        }
        let most = ok().retention(endless).reserve(endless).concurrency(usize::MAX);
        assert!(most.queue_limit(u64::MAX).check().is_ok());
    }
}
