//! Leases: prolonged, overdue, taken back; and what a process that lost one may still do, nothing.

use std::time::Duration;

use sundown_tasks::{Change, Fence, Finish, Lease, Progress, Rescued, State};
use tokio::time::sleep;

use super::Bench;
use super::support::*;

/// An attempt whose lease is over as soon as it begins.
async fn overdue(store: &Handle) -> Fence {
    let claims = store.claim(vec![wanted("a", 1)], 1, Duration::ZERO).await.unwrap();
    claims[0].fence
}

pub(crate) async fn a_lease_can_be_prolonged(bench: &impl Bench) {
    let store = bench.open().await;
    let fence = running(&store, "a").await;
    let later = Fence { attempt: 2, ..fence };
    let renewed = store.renew(vec![fence, later], LONG).await.unwrap();
    assert_eq!(renewed, [Lease::Held, Lease::Lost]);
    assert_eq!(store.cancel(fence.task).await.unwrap(), Change::Now(State::Running));
    assert_eq!(store.renew(vec![fence], LONG).await.unwrap(), [Lease::Unwanted]);
    finish(&store, fence, succeeded()).await;
    assert_eq!(store.renew(vec![fence], LONG).await.unwrap(), [Lease::Lost]);
}

pub(crate) async fn what_is_leased_is_not_rescued(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    enqueue(&store, task("a")).await;
    let fence = store.claim(vec![wanted("a", 1)], 1, SHORT).await.unwrap()[0].fence;
    assert_eq!(store.renew(vec![fence], LONG).await.unwrap(), [Lease::Held]);
    sleep(SHORT + SHORT / 3).await;
    assert_eq!(other.rescue(10).await.unwrap(), []);
    assert_eq!(finish(&store, fence, succeeded()).await, Finish::Now(State::Succeeded));
}

pub(crate) async fn what_is_overdue_is_rescued_and_its_zombie_refused(bench: &impl Bench) {
    let (zombie, other) = (bench.open().await, bench.open().await);
    let fence = running(&zombie, "a").await;
    assert_eq!(other.rescue(10).await.unwrap(), [], "it is leased still");
    assert_eq!(zombie.renew(vec![fence], SHORT).await.unwrap(), [Lease::Held]);
    let rescued = until("the lease is over", async || {
        other.rescue(10).await.unwrap().pop().ok_or("nothing to rescue")
    })
    .await;
    assert_eq!(rescued, Rescued { fence, state: State::Pending });
    let task = get(&other, fence.task).await;
    assert_eq!(seen(&task), (State::Pending, 0, 1, false));

    refuses_all(&zombie, fence).await;
    let second = claim_one(&other, "a").await;
    assert_eq!((second.fence.attempt, second.interruptions), (2, 1));
    refuses_all(&zombie, fence).await;
    refuses_all(&zombie, second.fence).await;
    assert_eq!(finish(&other, second.fence, succeeded()).await, Finish::Now(State::Succeeded));
    refuses_all(&zombie, fence).await;
}

/// Every write of that attempt by this process is refused, and nothing is changed.
pub(crate) async fn refuses_all(store: &Handle, fence: Fence) {
    let before = get(store, fence.task).await;
    assert_eq!(store.renew(vec![fence], LONG).await.unwrap(), [Lease::Lost]);
    let news = Progress {
        fence,
        event: Some(json("\"I live\"")),
        checkpoint: Some(checkpoint("undead", 1)),
    };
    assert_eq!(store.progress(vec![news]).await.unwrap(), [None]);
    let endings = [
        succeeded(),
        failed(Duration::ZERO),
        sundown_tasks::Ending::FailedForGood { error: "no".to_owned() },
        interrupted(),
        sundown_tasks::Ending::Returned,
        sundown_tasks::Ending::Stopped,
    ];
    for ending in endings {
        assert_eq!(finish(store, fence, ending.clone()).await, Finish::Superseded, "{ending:?}");
    }
    let after = get(store, fence.task).await;
    let told = |task| serde_json::to_string(task).unwrap();
    assert_eq!(told(&before), told(&after));
}

pub(crate) async fn a_rescue_has_a_limit(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    for _ in 0..5 {
        enqueue(&store, task("a")).await;
        overdue(&store).await;
    }
    assert_eq!(other.rescue(0).await.unwrap(), []);
    assert_eq!(other.rescue(3).await.unwrap().len(), 3);
    assert_eq!(other.rescue(3).await.unwrap().len(), 2);
    assert_eq!(other.rescue(3).await.unwrap(), []);
}

pub(crate) async fn each_attempt_is_rescued_once(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    for _ in 0..50 {
        enqueue(&store, task("a")).await;
        overdue(&store).await;
    }
    let (a, b) = tokio::join!(store.rescue(100), other.rescue(100));
    let mut rescued: Vec<_> = a.unwrap().into_iter().chain(b.unwrap()).map(|r| r.fence).collect();
    rescued.sort();
    assert_eq!(rescued.len(), 50);
    rescued.dedup();
    assert_eq!(rescued.len(), 50);
}

pub(crate) async fn interruptions_are_capped(bench: &impl Bench) {
    let store = bench.open().await;
    let mut fragile = task("a");
    (fragile.max_attempts, fragile.max_interruptions) = (2, 1);
    let id = enqueue(&store, fragile).await;
    for expected in
        [(State::Pending, 0, 1, false), (State::Pending, 1, 2, false), (State::Dead, 2, 3, false)]
    {
        overdue(&store).await;
        let rescued = store.rescue(10).await.unwrap();
        assert_eq!(rescued.len(), 1);
        let task = get(&store, id).await;
        assert_eq!((seen(&task), rescued[0].state), (expected, expected.0));
        assert_eq!(task.ended_at.is_some(), expected.0 == State::Dead);
        assert!(task.error.is_some(), "it says why it did not succeed");
    }
}

pub(crate) async fn an_unwanted_task_is_not_rescued_to_run(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    enqueue(&store, task("a")).await;
    let fence = overdue(&store).await;
    other.cancel(fence.task).await.unwrap();
    let rescued = other.rescue(10).await.unwrap();
    assert_eq!(rescued, [Rescued { fence, state: State::Cancelled }]);
    assert!(get(&store, fence.task).await.ended_at.is_some());
}

pub(crate) async fn a_fence_is_of_one_process(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    assert_ne!(store.incarnation(), other.incarnation());
    let fence = running(&store, "a").await;
    refuses_all(&other, fence).await;
    assert_eq!(finish(&store, fence, succeeded()).await, Finish::Now(State::Succeeded));
}
