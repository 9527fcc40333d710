//! The task service of the binary: its store, its kinds, and what they need of the other layers.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use sundown::{BoxError, ShutdownCoordinator};
use sundown_tasks::{
    Kind, PostgresSettings, PostgresStore, Settings, SqliteSettings, SqliteStore, Store,
    TaskService,
};
use sundown_tempfiles::{TempDir, TempFiles};
use tracing::warn;

use super::{TASKS, named};
use crate::call::Calls;
use crate::command::{self, Commands, Rooms, Workplace, Workplaces};
use crate::config::{Auto, Config, Loaded, Place};
use crate::serve::count::Counting;

/// Opens the store and starts to work.
pub(super) async fn start(
    coordinator: Arc<dyn ShutdownCoordinator>,
    loaded: &Loaded,
    files: &TempFiles,
) -> Result<TaskService, BoxError> {
    end_orphans(files).await;
    let store = open(&loaded.config).await.map_err(|error| named(loaded, "tasks.store", &error))?;
    let service =
        TaskService::start(coordinator, store, kinds(loaded, files), settings(&loaded.config))?;
    Ok(service)
}

/// Ends the commands of services that were killed together with their shims.
async fn end_orphans(files: &TempFiles) {
    let Some(root) = files.path().parent().map(Path::to_owned) else { return };
    let ended = tokio::task::spawn_blocking(move || command::sweep(&root)).await.unwrap_or(0);
    if ended > 0 {
        warn!(processes = ended, "ended what the commands of a dead service had left running");
    }
}

async fn open(config: &Config) -> Result<Arc<dyn Store>, BoxError> {
    let place = match &config.tasks.store.0 {
        Some(place) => place.clone(),
        None => Place::usual()?,
    };
    match place {
        Place::File(path) => {
            if let Some(directory) = path.parent().filter(|path| *path != Path::new("")) {
                fs::create_dir_all(directory)
                    .map_err(|error| format!("cannot create {}: {error}", directory.display()))?;
            }
            let settings = SqliteSettings::new(&path);
            // Opening may wait for another process that has the file.
            let opened = tokio::task::spawn_blocking(move || SqliteStore::open(settings)).await?;
            Ok(Arc::new(opened?))
        }
        Place::Server(url) => {
            let settings = PostgresSettings::new(&url);
            let settings = match &config.tasks.store_listen {
                Auto(Some(Place::Server(direct))) => settings.listen(Some(direct.clone())),
                Auto(Some(Place::File(_)) | None) => settings,
            };
            Ok(Arc::new(PostgresStore::connect(settings).await?))
        }
    }
}

fn settings(config: &Config) -> Settings {
    let tasks = &config.tasks;
    let settings = Settings::default()
        .named(TASKS)
        .queue_limit(tasks.queue_limit.0)
        .lease(tasks.lease.0)
        .retention(tasks.retention.0);
    match tasks.concurrency.0 {
        Some(count) => settings.concurrency(count),
        None => settings,
    }
}

fn kinds(loaded: &Loaded, files: &TempFiles) -> Vec<Kind> {
    let config = &loaded.config;
    let mut kinds = Vec::new();
    if !loaded.commands.is_empty() {
        let by_name = loaded.commands.clone();
        let rooms = Arc::new(Rooms::new(config.temp.quota.0));
        kinds.push(Commands { by_name, workplaces: workplaces(files.clone()), rooms }.kind());
    }
    if !config.http.allow.is_empty() {
        let calls = Calls {
            allowed: config.http.allow.clone(),
            timeout: config.http.timeout.0,
            limit: config.http.answer_limit.0,
        };
        kinds.push(calls.kind());
    }
    if config.web.tryout {
        kinds.push(Kind::new(Counting));
    }
    kinds
}

/// Commands work in directories of the temporary files.
fn workplaces(files: TempFiles) -> Workplaces {
    Arc::new(move || {
        let files = files.clone();
        Box::pin(async move {
            let directory = files.dir("command").await?;
            Ok(Box::new(directory) as Box<dyn Workplace>)
        })
    })
}

impl Workplace for TempDir {
    fn path(&self) -> &Path {
        TempDir::path(self)
    }
}
