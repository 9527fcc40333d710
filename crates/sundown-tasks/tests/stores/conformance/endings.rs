//! Attempts end.

use std::time::Duration;

use sundown_tasks::{Ending, Fence, Finish, State, TaskId};

use super::Bench;
use super::leases::refuses_all;
use super::support::*;

pub(crate) async fn success_is_kept(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let before = now();
    let first = running(&store, "a").await;
    finish(&store, first, failed(Duration::ZERO)).await;
    assert_eq!(get(&store, first.task).await.error.as_deref(), Some("no luck"));
    let fence = claim_one(&store, "a").await.fence;
    let output = Ending::Succeeded(json(r#"{"rows":[1,2]}"#));
    assert_eq!(finish(&store, fence, output).await, Finish::Now(State::Succeeded));
    let task = get(&other, fence.task).await;
    assert_eq!(seen(&task), (State::Succeeded, 1, 0, false));
    assert_eq!(
        (task.output.unwrap().get().replace(' ', ""), task.error),
        (r#"{"rows":[1,2]}"#.to_owned(), None)
    );
    let (started, ended) = (task.started_at.unwrap(), task.ended_at.unwrap());
    assert!(before - 1 <= started && started <= ended && ended <= now() + 1);
}

pub(crate) async fn a_failure_waits_for_its_retry(bench: &impl Bench) {
    let store = bench.open().await;
    let fence = running(&store, "a").await;
    let before = now();
    let ending = failed(Duration::from_millis(400));
    assert_eq!(finish(&store, fence, ending).await, Finish::Now(State::Pending));
    let task = get(&store, fence.task).await;
    assert!(task.run_at >= before + 395, "{} ms too early", before + 400 - task.run_at);
    assert_eq!((seen(&task), task.ended_at), ((State::Pending, 1, 0, false), None));
    let again = until("it is tried again", async || {
        claim(&store, "a", 1).await.pop().ok_or("nothing to claim")
    })
    .await;
    assert!(now() >= before + 380, "it was claimed too early");
    assert_eq!(again.fence, Fence { attempt: 2, ..fence });
}

pub(crate) async fn what_was_interrupted_may_run_at_once(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let later = sundown_tasks::NewTask { run_at: Some(now() - 50_000), ..task("a") };
    enqueue(&store, later).await;
    for (ending, interruptions) in [(interrupted(), 1), (Ending::Returned, 1), (interrupted(), 2)] {
        let before = now();
        let fence = claim_one(&store, "a").await.fence;
        assert_eq!(finish(&store, fence, ending).await, Finish::Now(State::Pending));
        let task = get(&other, fence.task).await;
        assert_eq!(seen(&task), (State::Pending, 0, interruptions, false));
        assert!((before - 1..=now() + 1).contains(&task.run_at));
    }
    assert_eq!(claim_one(&other, "a").await.fence.attempt, 4);
}

pub(crate) async fn an_attempt_ends_once(bench: &impl Bench) {
    let store = bench.open().await;
    for ending in [succeeded(), interrupted(), Ending::Returned, Ending::Stopped, failed(LONG)] {
        let fence = running(&store, "a").await;
        assert!(matches!(finish(&store, fence, ending).await, Finish::Now(_)));
        refuses_all(&store, fence).await;
        store.cancel(fence.task).await.unwrap();
    }
}

pub(crate) async fn endings_in_one_batch_are_apart(bench: &impl Bench) {
    let store = bench.open().await;
    let a = running(&store, "a").await;
    let b = running(&store, "b").await;
    let unknown = Fence { task: TaskId(b.task.0 + 1000), attempt: 1 };
    let old = Fence { attempt: 0, ..a };
    let endings = vec![
        (old, succeeded()),
        (b, Ending::FailedForGood { error: "never".to_owned() }),
        (unknown, succeeded()),
        (a, succeeded()),
        (a, interrupted()),
    ];
    let finished = store.finish(endings).await.unwrap();
    let expected = [
        Finish::Superseded,
        Finish::Now(State::Failed),
        Finish::Superseded,
        Finish::Now(State::Succeeded),
        Finish::Superseded,
    ];
    assert_eq!(finished, expected);
    assert_eq!(get(&store, b.task).await.error.as_deref(), Some("never"));
}

pub(crate) async fn superseded_writes_are_refused(bench: &impl Bench) {
    let store = bench.open().await;
    let first = running(&store, "a").await;
    finish(&store, first, interrupted()).await;
    refuses_all(&store, first).await;
    let second = claim_one(&store, "a").await.fence;
    // The same process, the same task: the attempt counts.
    refuses_all(&store, first).await;
    refuses_all(&store, Fence { attempt: 3, ..second }).await;
    assert_eq!(tell(&store, second, "1").await, Some(2), "after that of the interruption");
    store.cancel(second.task).await.unwrap();
    assert_eq!(finish(&store, second, Ending::Stopped).await, Finish::Now(State::Cancelled));
    refuses_all(&store, second).await;
    store.requeue(second.task).await.unwrap();
    refuses_all(&store, second).await;
    assert_eq!(claim_one(&store, "a").await.fence, Fence { attempt: 3, ..second });
}
