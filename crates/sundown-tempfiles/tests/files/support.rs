//! What the tests of temporary files share.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sundown::{Cause, Coordinator, NoopCoordinator, Report};
use sundown_tempfiles::{Settings, TempFile, TempFiles};
use tokio::io::AsyncWriteExt as _;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// A directory for one test, gone at its end.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(test: &str) -> Self {
        Scratch::beneath(&std::env::temp_dir(), test)
    }

    pub(crate) fn beneath(parent: &Path, test: &str) -> Self {
        let path = parent.join(format!("sundown-tempfiles-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn settings(&self) -> Settings {
        Settings::default().root(self.path("root"))
    }

    /// Starts a service that nobody shuts down.
    pub(crate) async fn start(&self, settings: Settings) -> TempFiles {
        TempFiles::start(Arc::new(NoopCoordinator::new()), settings).await.unwrap()
    }

    /// The directories of processes in the root.
    pub(crate) fn owners(&self) -> Vec<PathBuf> {
        children(&self.path("root"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(crate) fn children(dir: &Path) -> Vec<PathBuf> {
    let mut children: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    children.sort();
    children
}

pub(crate) fn coordinator() -> Arc<Coordinator> {
    Coordinator::builder().cap(30 * SECOND).announce(Duration::ZERO).build().unwrap()
}

pub(crate) async fn stop(coordinator: &Coordinator) -> Report {
    coordinator.initiate(Cause::requested("test"));
    coordinator.run().await
}

/// A file with these bytes in it, flushed.
pub(crate) async fn file(temp: &TempFiles, name: &str, bytes: &[u8]) -> TempFile {
    let mut file = temp.file(name).await.unwrap();
    file.write_all(bytes).await.unwrap();
    file.flush().await.unwrap();
    file
}
