//! Opens the task store, and waits for one that is not there yet.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sundown::{BoxError, Shutdown};
use sundown_tasks::{
    PostgresSettings, PostgresStore, SqliteSettings, SqliteStore, Store, StoreError,
};
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::named;
use crate::config::{Auto, Config, Loaded, Place, Value as _};

/// The pauses between two tries, each twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How often it is said that there is still no store.
const TELL: Duration = Duration::from_secs(30);

/// The store, however long it takes to be there; none if the service is told to stop first. What no
/// waiting mends is an error at once.
pub(super) async fn wait_for(
    shutdown: &Shutdown,
    loaded: &Loaded,
) -> Result<Option<Arc<dyn Store>>, BoxError> {
    let refused = |error: &dyn std::fmt::Display| named(loaded, "tasks.store", error);
    let place = loaded.store().map_err(|error| refused(&error))?;
    info!(store = %absolute(&place).show(), "tasks are kept here");
    let way = Way::to(place, &loaded.config).map_err(|error| refused(&error))?;
    let (began, mut wait) = (Instant::now(), Wait::default());
    loop {
        let why = match shutdown.until(way.open()).await {
            None => return Ok(None),
            Some(Ok(store)) => {
                if wait.is_long() {
                    let waited_seconds = began.elapsed().as_secs();
                    info!(waited_seconds, "the task store is there");
                }
                return Ok(Some(store));
            }
            Some(Err(error)) if error.is_passing() => error,
            Some(Err(error)) => return Err(refused(&error)),
        };
        let next = wait.next(began.elapsed());
        if next.is_told {
            let waited_seconds = began.elapsed().as_secs();
            warn!(%why, waited_seconds, "there is no task store yet; waiting for it");
        }
        if shutdown.until(sleep(next.pause)).await.is_none() {
            return Ok(None);
        }
    }
}

/// A file by its whole path: who reads the log need not know where the process was started.
fn absolute(place: &Place) -> Place {
    match place {
        Place::File(path) => {
            Place::File(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
        }
        Place::Server(url) => Place::Server(url.clone()),
    }
}

/// How to get at the store that is configured.
enum Way {
    File(PathBuf),
    Server(PostgresSettings),
}

impl Way {
    fn to(place: Place, config: &Config) -> Result<Self, String> {
        match place {
            Place::File(path) => {
                if let Some(directory) = path.parent().filter(|path| *path != Path::new("")) {
                    private_directory(directory).map_err(|error| {
                        format!("cannot create {}: {error}", directory.display())
                    })?;
                }
                Ok(Way::File(path))
            }
            Place::Server(url) => {
                let settings = PostgresSettings::new(&url);
                Ok(Way::Server(match &config.tasks.store_listen {
                    Auto(Some(Place::Server(direct))) => settings.listen(Some(direct.clone())),
                    Auto(Some(Place::File(_)) | None) => settings,
                }))
            }
        }
    }

    async fn open(&self) -> Result<Arc<dyn Store>, StoreError> {
        match self {
            Way::File(path) => {
                let settings = SqliteSettings::new(path);
                // Opening may wait for another process that has the file.
                let opening = tokio::task::spawn_blocking(move || SqliteStore::open(settings));
                let died =
                    |error| StoreError::Broken { why: format!("opening it failed: {error}") };
                Ok(Arc::new(opening.await.map_err(died)??))
            }
            Way::Server(settings) => Ok(Arc::new(PostgresStore::connect(settings.clone()).await?)),
        }
    }
}

/// One that is made here is for this user alone.
pub(super) fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// A wait, by what was done after each try in vain.
#[derive(Debug, Default)]
struct Wait {
    pause: Option<Duration>,
    told: Option<Duration>,
}

/// What is done before the next try.
#[derive(Debug, PartialEq)]
struct Next {
    is_told: bool,
    pause: Duration,
}

impl Wait {
    /// Once more in vain, so long after the beginning.
    fn next(&mut self, waited: Duration) -> Next {
        let is_told = self.told.is_none_or(|told| waited >= told + TELL);
        if is_told {
            self.told = Some(waited);
        }
        let pause = self.pause.map_or(PAUSE, |pause| (pause * 2).min(LONGEST_PAUSE));
        self.pause = Some(pause);
        Next { is_told, pause }
    }

    /// Whether there was a try in vain.
    fn is_long(&self) -> bool {
        self.told.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_at_once_and_then_from_time_to_time_with_ever_longer_pauses() {
        let mut wait = Wait::default();
        assert!(!wait.is_long());
        for (waited, is_told, pause) in [
            (5.0, true, 100),
            (10.1, false, 200),
            (15.3, false, 400),
            (20.7, false, 800),
            (26.5, false, 1600),
            (33.1, false, 2000),
            (35.0, true, 2000),
            (64.9, false, 2000),
            (65.0, true, 2000),
        ] {
            let next = wait.next(Duration::from_secs_f64(waited));
            let expected = Next { is_told, pause: Duration::from_millis(pause) };
            assert_eq!(next, expected, "after {waited} s");
        }
        assert!(wait.is_long());
    }
}
