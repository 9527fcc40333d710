//! What others want of a task.

use std::time::Duration;

use sundown_tasks::{Change, Ending, Finish, Lease, State, TaskId};

use super::Bench;
use super::support::*;

pub(crate) async fn a_pending_task_is_cancelled(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let id = enqueue(&store, task("a")).await;
    let later = sundown_tasks::NewTask { run_at: Some(now() + 3_600_000), ..task("a") };
    let later = enqueue(&store, later).await;
    for id in [id, later] {
        assert_eq!(other.cancel(id).await.unwrap(), Change::Now(State::Cancelled));
        let task = get(&store, id).await;
        assert_eq!(seen(&task), (State::Cancelled, 0, 0, false));
        assert!(task.ended_at.is_some());
    }
    assert!(claim(&store, "a", 10).await.is_empty());
}

pub(crate) async fn a_running_task_is_asked_to_end(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    for (ending, expected) in [
        (Ending::Stopped, State::Cancelled),
        (interrupted(), State::Cancelled),
        (Ending::Returned, State::Cancelled),
        (failed(Duration::ZERO), State::Cancelled),
        (succeeded(), State::Succeeded),
    ] {
        let fence = running(&store, "a").await;
        for _ in 0..2 {
            let change = other.cancel(fence.task).await.unwrap();
            assert_eq!(change, Change::Now(State::Running));
        }
        let task = get(&store, fence.task).await;
        assert_eq!((seen(&task), task.ended_at), ((State::Running, 0, 0, true), None));
        assert_eq!(store.renew(vec![fence], LONG).await.unwrap(), [Lease::Unwanted]);
        assert_eq!(finish(&store, fence, ending).await, Finish::Now(expected));
        let task = get(&store, fence.task).await;
        assert_eq!((task.state, task.is_unwanted), (expected, false));
        assert!(task.ended_at.is_some());
        assert!(claim(&store, "a", 10).await.is_empty());
    }
}

pub(crate) async fn what_is_over_cannot_be_cancelled(bench: &impl Bench) {
    let store = bench.open().await;
    let fence = running(&store, "a").await;
    finish(&store, fence, succeeded()).await;
    let succeeded = Change::Impossible(State::Succeeded);
    assert_eq!(store.cancel(fence.task).await.unwrap(), succeeded);
    assert_eq!(store.requeue(fence.task).await.unwrap(), succeeded);
    let id = enqueue(&store, task("a")).await;
    store.cancel(id).await.unwrap();
    assert_eq!(store.cancel(id).await.unwrap(), Change::Impossible(State::Cancelled));
}

pub(crate) async fn requeued_is_as_new(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let mut new = task("a");
    new.max_attempts = 1;
    let id = enqueue(&store, new).await;
    let fence = claim_one(&store, "a").await.fence;
    let at = Some(checkpoint("half", 5));
    let news = sundown_tasks::Progress { fence, event: Some(json("1")), checkpoint: at };
    store.progress(vec![news]).await.unwrap();
    assert_eq!(finish(&store, fence, failed(LONG)).await, Finish::Now(State::Dead));
    assert!(get(&store, id).await.checkpoint.is_some());
    let before = now();
    assert_eq!(other.requeue(id).await.unwrap(), Change::Now(State::Pending));
    let task = get(&store, id).await;
    assert_eq!(seen(&task), (State::Pending, 0, 0, false));
    assert!(task.output.is_none() && task.error.is_none() && task.checkpoint.is_none());
    assert_eq!((task.ended_at, task.attempt), (None, 1));
    assert!((before - 1..=now() + 1).contains(&task.run_at));
    let again = claim_one(&store, "a").await;
    assert_eq!((again.fence.attempt, again.failures, again.checkpoint), (2, 0, None));
    let running = Change::Impossible(State::Running);
    assert_eq!(store.requeue(id).await.unwrap(), running);
}

pub(crate) async fn only_what_is_over_is_discarded(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let id = enqueue(&store, task("a")).await;
    assert_eq!(store.discard(id).await.unwrap(), Change::Impossible(State::Pending));
    let fence = claim_one(&store, "a").await.fence;
    assert_eq!(store.discard(id).await.unwrap(), Change::Impossible(State::Running));
    tell(&store, fence, "1").await;
    finish(&store, fence, succeeded()).await;
    assert_eq!(other.discard(id).await.unwrap(), Change::Now(State::Succeeded));
    assert!(store.get(id).await.unwrap().is_none());
    assert_eq!(store.discard(id).await.unwrap(), Change::Unknown);
}

pub(crate) async fn unknown_tasks_are_unknown(bench: &impl Bench) {
    let store = bench.open().await;
    for id in [TaskId(1), TaskId(i64::MAX), TaskId(0), TaskId(-1)] {
        assert_eq!(store.cancel(id).await.unwrap(), Change::Unknown);
        assert_eq!(store.requeue(id).await.unwrap(), Change::Unknown);
        assert_eq!(store.discard(id).await.unwrap(), Change::Unknown);
        assert!(store.get(id).await.unwrap().is_none());
    }
}
