//! Servers for the tests, and short words for what they do all the time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use sundown_drill::postgres::{Fsync, Server};
use sundown_tasks::{
    Claim, Ending, Enqueued, Fence, NewTask, PostgresSettings, PostgresStore, Store, TaskId, Wanted,
};

pub(crate) const LEASE: Duration = Duration::from_secs(60);
/// How long what must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The server of the tests that leave it alone.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Fsync::Off).unwrap())
}

/// A schema of that test's own.
pub(crate) fn settings(server: &Server) -> PostgresSettings {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let schema = format!("own_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    PostgresSettings::new(server.url()).schema(schema)
}

pub(crate) async fn open(settings: PostgresSettings) -> Arc<PostgresStore> {
    Arc::new(PostgresStore::connect(settings).await.unwrap())
}

pub(crate) fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

pub(crate) fn task(kind: &str) -> NewTask {
    NewTask {
        kind: kind.to_owned(),
        route: String::new(),
        input: json("{\"n\": 1}"),
        key: None,
        priority: 0,
        run_at: None,
        max_attempts: 3,
        max_interruptions: 3,
    }
}

pub(crate) async fn enqueue(store: &PostgresStore, kind: &str) -> TaskId {
    match store.enqueue(vec![task(kind)], u64::MAX).await.unwrap()[..] {
        [Enqueued::New(id)] => id,
        ref other => panic!("{other:?}"),
    }
}

pub(crate) async fn claim(store: &PostgresStore, kind: &str, count: usize) -> Vec<Claim> {
    let wanted = Wanted { kind: kind.to_owned(), routes: [].into(), count };
    store.claim(vec![wanted], count, LEASE).await.unwrap()
}

pub(crate) async fn running(store: &PostgresStore, kind: &str) -> Fence {
    enqueue(store, kind).await;
    claim(store, kind, 1).await[0].fence
}

pub(crate) fn succeeded() -> Ending {
    Ending::Succeeded(json("\"done\""))
}

/// Looks again and again until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
