//! Services on one store, as replicas on one host are.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use sundown::{Cause, Coordinator, Report};
use sundown_tasks::{
    Entry, Kind, Request, Settings, SqliteSettings, SqliteStore, State, Store, TaskId, TaskService,
};
use tokio::time::sleep;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A file that is gone with its owner.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sundown-tasks-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Place(path)
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        Arc::new(SqliteStore::open(SqliteSettings::new(self.0.join("tasks.db"))).unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A store that is still open goes on with its file.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// One replica.
pub(crate) struct Replica {
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) service: TaskService,
}

pub(crate) fn settings() -> Settings {
    Settings::default().lease(Duration::from_millis(600)).poll(Duration::from_millis(50))
}

pub(crate) fn start(place: &Place, kinds: Vec<Kind>) -> Replica {
    start_with(place, kinds, settings(), Duration::from_secs(20))
}

pub(crate) fn start_with(
    place: &Place,
    kinds: Vec<Kind>,
    settings: Settings,
    cap: Duration,
) -> Replica {
    let coordinator = Coordinator::builder().cap(cap).announce(Duration::ZERO).build().unwrap();
    let service = TaskService::start(coordinator.clone(), place.store(), kinds, settings).unwrap();
    coordinator.check().unwrap();
    Replica { coordinator, service }
}

impl Replica {
    pub(crate) async fn stop(&self) -> Report {
        self.coordinator.initiate(Cause::requested("test"));
        self.coordinator.run().await
    }

    pub(crate) async fn hand_in(&self, kind: &str, input: serde_json::Value) -> TaskId {
        self.service.start_task(request(kind, input)).await.unwrap().id
    }

    /// Waits until the task stands there.
    pub(crate) async fn reaches(&self, task: TaskId, state: State) -> Entry {
        let began = Instant::now();
        loop {
            let entry = self.service.get(task).await.unwrap().unwrap();
            if entry.state == state {
                return entry;
            }
            assert!(began.elapsed() < PATIENCE, "task {task} is {:?}, not {state:?}", entry.state);
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "tests write inputs where they are used")]
pub(crate) fn request(kind: &str, input: serde_json::Value) -> Request {
    Request::new(kind, raw(&input))
}

pub(crate) fn raw(value: &serde_json::Value) -> Box<RawValue> {
    to_raw_value(value).unwrap()
}

/// A kind that takes as many milliseconds as its input says.
pub(crate) fn sleeper() -> Kind {
    Kind::new(Sleeper)
}

struct Sleeper;

impl sundown_tasks::Task for Sleeper {
    const KIND: &'static str = "sleep";
    type Input = u64;
    type Output = serde_json::Value;

    async fn run(
        &self,
        millis: u64,
        context: sundown_tasks::TaskContext,
    ) -> Result<serde_json::Value, sundown_tasks::TaskError> {
        sleep(Duration::from_millis(millis)).await;
        Ok(json!({ "attempt": context.attempt() }))
    }
}
