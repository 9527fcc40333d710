//! Where it is measured: a runtime, a directory on a real disk, one PostgreSQL server for all.

use std::fs;
use std::future::Future;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use sundown_drill::postgres::{Fsync, Server};
use tokio::runtime::Runtime;

pub(crate) struct World {
    runtime: Runtime,
    scratch: PathBuf,
    places: AtomicU32,
    server: OnceLock<Server>,
}

impl World {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let scratch = std::env::temp_dir().join(format!("tasks-peers-{}", std::process::id()));
        fs::create_dir_all(&scratch)
            .with_context(|| format!("cannot make {} (set TMPDIR)", scratch.display()))?;
        Ok(World {
            runtime: Runtime::new().context("cannot start a runtime")?,
            scratch,
            places: AtomicU32::new(0),
            server: OnceLock::new(),
        })
    }

    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// A new, empty directory.
    pub(crate) fn place(&self) -> anyhow::Result<PathBuf> {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        let place = self.scratch.join(number.to_string());
        fs::create_dir(&place).with_context(|| format!("cannot make {}", place.display()))?;
        Ok(place)
    }

    /// The address of a new, empty database.
    pub(crate) fn database(&self) -> anyhow::Result<String> {
        let server = match self.server.get() {
            Some(server) => server,
            None => {
                let started = Server::start(Fsync::On).context("cannot start PostgreSQL")?;
                self.server.get_or_init(|| started)
            }
        };
        Ok(server.url_of(&server.create_database()?))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // Whoever cleans the temporary directory finds what is left.
        let _ = fs::remove_dir_all(&self.scratch);
    }
}
