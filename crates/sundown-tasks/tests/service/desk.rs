//! Services on one store, as replicas are.

use std::path::PathBuf;
use std::sync::Arc;
#[cfg(feature = "postgres")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use sundown::{Cause, Coordinator, Report};
#[cfg(feature = "postgres")]
use sundown_drill::postgres::{Fsync, Server};
use sundown_tasks::{
    Entry, Kind, Request, Settings, SqliteSettings, SqliteStore, State, Store, TaskId, TaskService,
};
#[cfg(feature = "postgres")]
use sundown_tasks::{PostgresSettings, PostgresStore};
use tokio::time::sleep;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Where the tasks of one test are, and nobody else's.
pub(crate) enum Place {
    /// In a directory that is gone with its owner.
    File(PathBuf),
    /// In a schema of the server of all tests.
    #[cfg(feature = "postgres")]
    Schema(String),
}

fn number() -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(feature = "postgres")]
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Fsync::Off).unwrap())
}

impl Place {
    pub(crate) fn file() -> Self {
        let name = format!("sundown-tasks-service-{}-{}", std::process::id(), number());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Place::File(path)
    }

    #[cfg(feature = "postgres")]
    pub(crate) fn schema() -> Self {
        Place::Schema(format!("service_{}", number()))
    }

    pub(crate) async fn store(&self) -> Arc<dyn Store> {
        self.store_keeping(1000).await
    }

    /// One that keeps so many events of a task.
    #[cfg_attr(not(feature = "postgres"), expect(clippy::unused_async, reason = "a server is far"))]
    pub(crate) async fn store_keeping(&self, events: u32) -> Arc<dyn Store> {
        match self {
            Place::File(path) => {
                let settings = SqliteSettings::new(path.join("tasks.db")).events_kept(events);
                Arc::new(SqliteStore::open(settings).unwrap())
            }
            #[cfg(feature = "postgres")]
            Place::Schema(name) => {
                let settings = PostgresSettings::new(server().url()).schema(name);
                let settings = settings.connections(2).events_kept(events);
                Arc::new(PostgresStore::connect(settings).await.unwrap())
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        match self {
            // A store that is still open goes on with its file.
            Place::File(path) => drop(std::fs::remove_dir_all(path)),
            #[cfg(feature = "postgres")]
            Place::Schema(_) => {}
        }
    }
}

/// One replica.
pub(crate) struct Replica {
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) service: TaskService,
}

pub(crate) fn settings() -> Settings {
    Settings::default().lease(Duration::from_millis(1500)).poll(Duration::from_millis(50))
}

pub(crate) async fn start(place: &Place, kinds: Vec<Kind>) -> Replica {
    start_with(place, kinds, settings(), Duration::from_secs(20)).await
}

pub(crate) async fn start_with(
    place: &Place,
    kinds: Vec<Kind>,
    settings: Settings,
    cap: Duration,
) -> Replica {
    start_on(place.store().await, kinds, settings, cap)
}

pub(crate) fn start_on(
    store: Arc<dyn Store>,
    kinds: Vec<Kind>,
    settings: Settings,
    cap: Duration,
) -> Replica {
    let coordinator = Coordinator::builder().cap(cap).announce(Duration::ZERO).build().unwrap();
    let service = TaskService::start(coordinator.clone(), store, kinds, settings).unwrap();
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
        let mut entry = None;
        let what = format!("task {task} is {state:?}");
        until(&what, async || {
            entry = self.service.get(task).await.unwrap();
            entry.as_ref().is_some_and(|entry| entry.state == state)
        })
        .await;
        entry.unwrap()
    }
}

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        sleep(Duration::from_millis(5)).await;
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
