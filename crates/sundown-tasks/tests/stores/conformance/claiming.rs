//! Tasks are claimed.

use sundown_tasks::{Ending, Progress, State};

use super::Bench;
use super::support::*;

pub(crate) async fn the_urgent_first_then_the_old(bench: &impl Bench) {
    let store = bench.open().await;
    let mut expected = Vec::new();
    for (kind, priority) in [("a", 0), ("b", 5), ("a", 5), ("a", -7), ("b", 0), ("a", i16::MAX)] {
        let id = enqueue(&store, sundown_tasks::NewTask { priority, ..task(kind) }).await;
        expected.push((std::cmp::Reverse(priority), id));
    }
    expected.sort();
    let kinds = vec![wanted("a", 10), wanted("b", 10)];
    let claims = store.claim(kinds, 10, LONG).await.unwrap();
    let claimed: Vec<_> = claims.iter().map(|claim| claim.fence.task).collect();
    assert_eq!(claimed, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
}

pub(crate) async fn kinds_have_counts_and_the_claim_a_limit(bench: &impl Bench) {
    let store = bench.open().await;
    for kind in ["a", "a", "a", "a", "b", "b", "b", "c"] {
        enqueue(&store, task(kind)).await;
    }
    let claim = async |kinds: &[(&str, usize)], limit| {
        let kinds = kinds.iter().map(|&(kind, count)| wanted(kind, count)).collect();
        let claims = store.claim(kinds, limit, LONG).await.unwrap();
        claims.iter().map(|claim| claim.kind.clone()).collect::<String>()
    };
    assert_eq!(claim(&[("a", 1), ("b", 2)], 10).await, "abb");
    assert_eq!(claim(&[("a", 5), ("b", 5)], 2).await, "aa");
    assert_eq!(claim(&[("a", 0), ("b", 5), ("c", 5)], 0).await, "");
    assert_eq!(claim(&[("c", 0), ("d", 9)], 10).await, "");
    assert_eq!(claim(&[("a", 5), ("b", 5), ("c", 5)], 10).await, "abc");
}

pub(crate) async fn what_is_not_wanted_stays(bench: &impl Bench) {
    let store = bench.open().await;
    let other = enqueue(&store, task("other")).await;
    let running = running(&store, "a").await;
    assert!(claim(&store, "a", 10).await.is_empty(), "what runs is not claimed");
    finish(&store, running, succeeded()).await;
    assert!(claim(&store, "a", 10).await.is_empty(), "what is over is not claimed");
    assert_eq!(state(&store, other).await, State::Pending);
}

pub(crate) async fn nothing_runs_before_its_time(bench: &impl Bench) {
    let store = bench.open().await;
    let in_an_hour = now() + 3_600_000;
    let mut later = task("a");
    (later.run_at, later.priority) = (Some(in_an_hour), 9);
    let much_later = enqueue(&store, later.clone()).await;
    let past = sundown_tasks::NewTask { run_at: Some(now() - 5000), ..task("a") };
    let past = enqueue(&store, past).await;
    assert_eq!(get(&store, much_later).await.run_at, in_an_hour);
    assert_eq!(claim_one(&store, "a").await.fence.task, past);
    let run_at = now() + 300;
    later.run_at = Some(run_at);
    let later = enqueue(&store, later).await;
    let claim = until("its time comes", async || {
        claim(&store, "a", 10).await.pop().ok_or("nothing to claim")
    })
    .await;
    assert_eq!(claim.fence.task, later);
    // The clock of the store may be another one than ours, but not by much here.
    assert!(now() >= run_at - 20, "{} ms too early", run_at - now());
}

pub(crate) async fn many_become_ready_at_once(bench: &impl Bench) {
    let store = bench.open().await;
    let later = sundown_tasks::NewTask { run_at: Some(now() + 1000), ..task("crowd") };
    store.enqueue(vec![later; 3000], u64::MAX).await.unwrap();
    let urgent = sundown_tasks::NewTask { run_at: Some(now() + 1000), ..task("late") };
    enqueue(&store, urgent).await;
    until("the last of them is ready", async || {
        claim(&store, "late", 1).await.pop().ok_or("nothing to claim")
    })
    .await;
    let mut left = 3000;
    while left > 0 {
        let claimed = until("the crowd is ready", async || {
            let claims = claim(&store, "crowd", 3000).await;
            (!claims.is_empty()).then_some(claims.len()).ok_or("nothing to claim")
        });
        left -= claimed.await;
    }
}

pub(crate) async fn a_claim_knows_what_was_before(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let fence = running(&store, "a").await;
    assert_eq!(fence.attempt, 1);
    let at = Some(checkpoint("rows", 41));
    store.progress(vec![Progress { fence, event: None, checkpoint: at.clone() }]).await.unwrap();
    finish(&store, fence, failed(std::time::Duration::ZERO)).await;
    let second = claim_one(&other, "a").await;
    assert_eq!((second.fence.task, second.fence.attempt), (fence.task, 2));
    assert_eq!((second.failures, second.interruptions, second.max_attempts), (1, 0, 3));
    assert_eq!(second.checkpoint, at);
    finish(&other, second.fence, interrupted()).await;
    let third = claim_one(&store, "a").await;
    assert_eq!((third.fence.attempt, third.failures, third.interruptions), (3, 1, 1));
    finish(&store, third.fence, Ending::Returned).await;
    let fourth = claim_one(&store, "a").await;
    assert_eq!((fourth.fence.attempt, fourth.failures, fourth.interruptions), (4, 1, 1));
    assert_eq!(fourth.checkpoint, at);
    assert_eq!(get(&store, fence.task).await.attempt, 4);
}

/// A checkpoint deeper than what is read again: what is in the store is not always what we wrote.
pub(crate) async fn what_cannot_be_read_ends_alone(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let spoilt = running(&store, "a").await;
    let cursor = (0..200).fold(serde_json::Value::Null, |inner, _| vec![inner].into());
    let at = sundown_tasks::Checkpoint { step: "deep".to_owned(), cursor };
    let news = Progress { fence: spoilt, event: None, checkpoint: Some(at) };
    store.progress(vec![news]).await.unwrap();
    finish(&store, spoilt, interrupted()).await;
    let sound = [enqueue(&store, task("a")).await, enqueue(&store, task("a")).await];
    let everybody = sundown_tasks::Filter { limit: 10, ..Default::default() };
    assert_eq!(list(&other, everybody).await, [sound[1], sound[0], spoilt.task]);

    let claimed: Vec<_> = claim(&other, "a", 10).await.iter().map(|c| c.fence.task).collect();
    assert_eq!(claimed, sound);
    let task = get(&store, spoilt.task).await;
    assert_eq!((task.state, task.attempt), (State::Failed, 2));
    let error = task.error.unwrap();
    assert!(error.contains("cannot be read"), "{error}");
    let told = store.events(spoilt.task, 0, 10).await.unwrap().unwrap();
    assert_eq!(told.events.len() as u64, told.last);
    counts_become(&store, sundown_tasks::Counts { pending: 0, running: 2, dead: 1 }).await;
    // It may begin again, from the beginning.
    store.requeue(spoilt.task).await.unwrap();
    assert_eq!(claim_one(&store, "a").await.fence, sundown_tasks::Fence { attempt: 3, ..spoilt });
}
