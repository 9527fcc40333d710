//! The store in a file: the suite, and what is its own.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use sundown_tasks::{SqliteSettings, SqliteStore, Store};

use crate::conformance::Bench;

mod faults;
mod owners;
mod processes;

conformance!(Scratch);

/// A directory for one test, gone at its end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn create(test: &str) -> Self {
        let name = format!("sundown-tasks-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("tasks.db")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

impl Bench for Scratch {
    async fn new(test: &str) -> Self {
        Scratch::create(test)
    }

    async fn open_keeping(&self, events: u32) -> Arc<dyn Store> {
        let settings = SqliteSettings::new(self.database()).events_kept(events);
        Arc::new(SqliteStore::open(settings).unwrap())
    }
}
