//! The server does what it is asked, and its answer is lost on the way.

use std::sync::Arc;
use std::time::Duration;

use sundown_tasks::{Checkpoint, Enqueued, Finish, PostgresStore, Progress, State, Store};

use crate::ground::*;
use crate::wire::Wire;

async fn open_over(wire: &Wire, schema: &str) -> Arc<PostgresStore> {
    let store = open(wire.settings(schema).connections(1)).await;
    // News of what comes before go over the same wire.
    store.counts().await.unwrap();
    store
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_whose_answer_was_lost_is_found_again() {
    let wire = Wire::new(server().port());
    let store = open_over(&wire, "lost_claim").await;
    let task = enqueue(&store, "a").await;
    wire.lose().await;
    let claims = claim(&store, "a", 9).await;
    assert!(wire.has_lost());
    assert_eq!((claims[0].fence.task, claims[0].fence.attempt, claims.len()), (task, 1, 1));
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.pending, counts.running), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_whose_answer_was_lost_is_still_its_own() {
    let wire = Wire::new(server().port());
    let store = open_over(&wire, "lost_end").await;
    let fence = running(&store, "a").await;
    wire.lose().await;
    let finished = store.finish(vec![(fence, succeeded())]).await.unwrap();
    assert!(wire.has_lost());
    assert_eq!(finished, [Finish::Now(State::Succeeded)]);
    assert_eq!(store.counts().await.unwrap().running, 0);
    assert_eq!(store.finish(vec![(fence, succeeded())]).await.unwrap(), [Finish::Superseded]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_taken_in_once_and_known_by_its_key() {
    let wire = Wire::new(server().port());
    let store = open_over(&wire, "lost_intake").await;
    wire.lose().await;
    let mut keyed = task("a");
    keyed.key = Some("k".to_owned());
    let answers = store.enqueue(vec![keyed], u64::MAX).await.unwrap();
    assert!(wire.has_lost() && matches!(answers[..], [Enqueued::Known(_)]), "{answers:?}");
    wire.lose().await;
    let error = store.enqueue(vec![task("a")], u64::MAX).await.unwrap_err();
    assert!(wire.has_lost() && error.is_passing(), "{error}");
    assert_eq!(store.counts().await.unwrap().pending, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_told_is_told_once() {
    let wire = Wire::new(server().port());
    let store = open_over(&wire, "lost_news").await;
    let fence = running(&store, "a").await;
    wire.lose().await;
    let tell = |text: &str| Progress { fence, event: Some(json(text)), checkpoint: None };
    let told = store.progress(vec![tell("1")]).await.unwrap();
    assert!(wire.has_lost());
    assert_eq!(told, [Some(1)]);
    wire.lose().await;
    let at = Some(Checkpoint { step: "rows".to_owned(), cursor: 7.into() });
    let remember = Progress { fence, event: None, checkpoint: at.clone() };
    let of_others = sundown_tasks::Fence { attempt: 2, ..fence };
    let stranger = Progress { fence: of_others, ..tell("4") };
    let news = vec![tell("2"), remember, stranger, tell("3")];
    assert_eq!(store.progress(news).await.unwrap(), [Some(2), Some(2), None, Some(3)]);
    assert!(wire.has_lost());
    let events = store.events(fence.task, 0, 10).await.unwrap().unwrap();
    assert_eq!((events.events.len(), events.last), (3, 3));
    assert_eq!(store.get(fence.task).await.unwrap().unwrap().checkpoint, at);
}

/// A stranger has the lock for longer than anybody waits. What was refused then stays undone, also when
/// the lock is free again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_refused_for_a_lock_is_not_done_later() {
    let schema = "locked";
    let settings = settings(server()).schema(schema).patience(Duration::from_secs(3));
    let store = open(settings).await;
    let fence = running(&store, "a").await;
    let sql = format!(
        "begin; lock table {schema}.task in access exclusive mode; select pg_sleep(9); commit"
    );
    let stranger = std::thread::spawn(move || server().sql("postgres", &sql).unwrap());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let tell = || Progress { fence, event: Some(json("1")), checkpoint: None };
    let refused = store.progress(vec![tell()]).await.unwrap_err();
    assert!(refused.is_passing(), "{refused}");
    tokio::task::spawn_blocking(move || stranger.join().unwrap()).await.unwrap();
    assert_eq!(store.progress(vec![tell()]).await.unwrap(), [Some(1)], "it was told before");
}
