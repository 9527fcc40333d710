//! Short words for what the tests do all the time.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::value::RawValue;
use sundown_tasks::{
    Checkpoint, Claim, Counts, Ending, Enqueued, Entry, Fence, Filter, Finish, NewTask, Progress,
    Standing, State, Store, TaskId, UnixMillis, Wanted,
};

/// A lease that no test outlives.
pub(crate) const LONG: Duration = Duration::from_secs(3600);
/// A lease that tests wait for.
pub(crate) const SHORT: Duration = Duration::from_millis(500);
/// How long what must happen may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) type Handle = Arc<dyn Store>;

pub(crate) fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap()
}

/// A task of that kind with nothing special about it.
pub(crate) fn task(kind: &str) -> NewTask {
    NewTask {
        kind: kind.to_owned(),
        route: String::new(),
        input: json("{}"),
        key: None,
        priority: 0,
        run_at: None,
        max_attempts: 3,
        max_interruptions: 3,
    }
}

pub(crate) fn wanted(kind: &str, count: usize) -> Wanted {
    Wanted { kind: kind.to_owned(), routes: [].into(), count }
}

pub(crate) fn wanted_of(kind: &str, routes: &[&str], count: usize) -> Wanted {
    let routes = routes.iter().map(|&route| route.to_owned()).collect();
    Wanted { kind: kind.to_owned(), routes, count }
}

pub(crate) async fn enqueue(store: &Handle, task: NewTask) -> TaskId {
    let taken = store.enqueue(vec![task], u64::MAX).await.unwrap();
    let [Enqueued::New(id)] = taken[..] else { panic!("{taken:?}") };
    id
}

pub(crate) async fn claim(store: &Handle, kind: &str, count: usize) -> Vec<Claim> {
    store.claim(vec![wanted(kind, count)], count, LONG).await.unwrap()
}

pub(crate) async fn claim_one(store: &Handle, kind: &str) -> Claim {
    let mut claims = claim(store, kind, 1).await;
    assert_eq!(claims.len(), 1, "one {kind} is there to be claimed");
    claims.remove(0)
}

/// A new task, and an attempt at it.
pub(crate) async fn running(store: &Handle, kind: &str) -> Fence {
    enqueue(store, task(kind)).await;
    claim_one(store, kind).await.fence
}

pub(crate) async fn finish(store: &Handle, fence: Fence, ending: Ending) -> Finish {
    store.finish(vec![(fence, ending)]).await.unwrap()[0]
}

pub(crate) fn succeeded() -> Ending {
    Ending::Succeeded(json("\"done\""))
}

pub(crate) fn failed(retry_in: Duration) -> Ending {
    Ending::Failed { error: "no luck".to_owned(), retry_in }
}

pub(crate) fn interrupted() -> Ending {
    Ending::Interrupted { reason: "a restart".to_owned() }
}

/// Tells so much of it.
pub(crate) async fn tell(store: &Handle, fence: Fence, event: &str) -> Option<u64> {
    let news = Progress { fence, event: Some(json(event)), checkpoint: None };
    store.progress(vec![news]).await.unwrap()[0]
}

pub(crate) fn checkpoint(step: &str, cursor: i64) -> Checkpoint {
    Checkpoint { step: step.to_owned(), cursor: cursor.into() }
}

pub(crate) async fn get(store: &Handle, task: TaskId) -> Entry {
    store.get(task).await.unwrap().expect("the task is there")
}

pub(crate) async fn state(store: &Handle, task: TaskId) -> State {
    get(store, task).await.state
}

pub(crate) async fn list(store: &Handle, filter: Filter) -> Vec<TaskId> {
    store.list(filter).await.unwrap().iter().map(|task| task.id).collect()
}

/// What of a standing everybody can see. What is over is not unwanted any more.
pub(crate) fn visible(standing: Standing) -> (State, u32, u32, bool) {
    let is_unwanted = standing.is_unwanted && !standing.state.is_final();
    (standing.state, standing.failures, standing.interruptions, is_unwanted)
}

pub(crate) fn seen(task: &Entry) -> (State, u32, u32, bool) {
    (task.state, task.failures, task.interruptions, task.is_unwanted)
}

/// Counts may be a moment old.
pub(crate) async fn counts_become(store: &Handle, expected: Counts) {
    until("the counts are right", async || {
        let counts = store.counts().await.unwrap();
        (counts == expected).then_some(()).ok_or(format!("{counts:?}, not {expected:?}"))
    })
    .await;
}

/// Tries until it answers, and gives up with what it said last.
pub(crate) async fn until<T, E: std::fmt::Debug>(
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let started = Instant::now();
    loop {
        match attempt().await {
            Ok(found) => return found,
            Err(last) => assert!(started.elapsed() < PATIENCE, "never: {what}; last {last:?}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[expect(clippy::disallowed_methods, reason = "`run_at` is of the wall clock")]
pub(crate) fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}
