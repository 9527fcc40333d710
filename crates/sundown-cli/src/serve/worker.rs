//! The task service of the binary: its store, its kinds, and what they need of the other layers.

use std::path::Path;
use std::sync::Arc;

use sundown::{BoxError, ShutdownCoordinator};
use sundown_tasks::{Kind, Settings, TaskService};
use sundown_tempfiles::{TempDir, TempFiles};
use tracing::warn;

use super::{TASKS, store};
use crate::call::Calls;
use crate::command::{self, Commands, Rooms, Workplace, Workplaces};
use crate::config::{Config, Loaded};
use crate::serve::count::Counting;

/// Starts to work as soon as the store is there; there is nothing to start if the service is told to
/// stop before.
pub(super) async fn start(
    coordinator: Arc<dyn ShutdownCoordinator>,
    loaded: &Loaded,
    files: &TempFiles,
) -> Result<Option<TaskService>, BoxError> {
    end_orphans(files).await;
    let Some(store) = store::wait_for(&coordinator.shutdown(), loaded).await? else {
        return Ok(None);
    };
    let service =
        TaskService::start(coordinator, store, kinds(loaded, files), settings(&loaded.config))?;
    Ok(Some(service))
}

/// Ends the commands of services that were killed together with their shims.
async fn end_orphans(files: &TempFiles) {
    let Some(root) = files.path().parent().map(Path::to_owned) else { return };
    let ended = tokio::task::spawn_blocking(move || command::sweep(&root)).await.unwrap_or(0);
    if ended > 0 {
        warn!(processes = ended, "ended what the commands of a dead service had left running");
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
    if loaded.has_demo() {
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
