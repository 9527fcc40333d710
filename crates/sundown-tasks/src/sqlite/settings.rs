//! Where a store in a file lives, and how it behaves.

use std::path::PathBuf;
use std::time::Duration;

/// How tasks are kept in a file; only the path has no default.
#[derive(Debug, Clone)]
#[must_use = "settings do nothing until `SqliteStore::open`"]
pub struct SqliteSettings {
    pub(super) path: PathBuf,
    pub(super) events_kept: u32,
    pub(super) busy_patience: Duration,
}

impl SqliteSettings {
    /// The file. It is created if need be, with `-wal` and `-shm` files and a directory `-owners`
    /// beside it, and must lie on a local file system.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        SqliteSettings {
            path: path.into(),
            events_kept: 1000,
            busy_patience: Duration::from_secs(5),
        }
    }

    /// How many events of a task are kept at least; by default 1000. A few more may be there: old
    /// ones are forgotten several at a time.
    pub fn events_kept(mut self, events: u32) -> Self {
        self.events_kept = events.max(1);
        self
    }

    /// How long another process may keep the file locked before requests fail; by default 5 s.
    pub fn busy_patience(mut self, patience: Duration) -> Self {
        self.busy_patience = patience;
        self
    }
}
