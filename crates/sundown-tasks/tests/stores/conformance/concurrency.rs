//! Many callers at once, in one process and in two.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sundown_tasks::{Counts, Ending, Finish, TaskId};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Bench;
use super::support::*;

pub(crate) async fn no_task_is_claimed_twice(bench: &impl Bench) {
    const TASKS: usize = 10_000;
    let handles = [bench.open().await, bench.open().await];
    for _ in 0..TASKS / 1000 {
        handles[0].enqueue(vec![task("a"); 1000], u64::MAX).await.unwrap();
    }
    let done = Arc::new(AtomicUsize::new(0));
    let mut claimers = JoinSet::new();
    for claimer in 0..8 {
        let (store, done) = (handles[claimer % 2].clone(), done.clone());
        claimers.spawn(async move { claim_all(&store, claimer, &done, TASKS).await });
    }
    let mut claimed: HashMap<TaskId, usize> = HashMap::new();
    for task in claimers.join_all().await.concat() {
        *claimed.entry(task).or_default() += 1;
    }
    let twice: Vec<_> = claimed.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(claimed.len(), TASKS);
    counts_become(&handles[1], Counts::default()).await;
}

async fn claim_all(store: &Handle, odd: usize, done: &AtomicUsize, all: usize) -> Vec<TaskId> {
    let (mut claimed, started) = (Vec::new(), Instant::now());
    while done.load(Ordering::Relaxed) < all {
        assert!(started.elapsed() < 3 * PATIENCE, "{done:?} of {all} after {PATIENCE:?}");
        let claims = claim(store, "a", 37 + odd).await;
        let endings: Vec<_> = claims.iter().map(|claim| (claim.fence, succeeded())).collect();
        let count = endings.len();
        let finished = store.finish(endings).await.unwrap();
        assert!(finished.iter().all(|finish| matches!(finish, Finish::Now(_))));
        done.fetch_add(count, Ordering::Relaxed);
        claimed.extend(claims.into_iter().map(|claim| claim.fence.task));
    }
    claimed
}

pub(crate) async fn counts_are_exact_after_it_all(bench: &impl Bench) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let handles = [bench.open().await, bench.open().await];
    let mut actors = JoinSet::new();
    for actor in 0..6 {
        let store = handles[actor % 2].clone();
        actors
            .spawn(async move { act(&store, fastrand::Rng::with_seed(seed + actor as u64)).await });
    }
    actors.join_all().await;
    let mut expected = Counts::default();
    let mut filter = sundown_tasks::Filter { limit: 500, ..Default::default() };
    loop {
        let page = handles[0].list(filter.clone()).await.unwrap();
        let Some(last) = page.last() else { break };
        filter.before = Some(last.id);
        for task in &page {
            match task.state {
                sundown_tasks::State::Pending => expected.pending += 1,
                sundown_tasks::State::Running => expected.running += 1,
                sundown_tasks::State::Failed | sundown_tasks::State::Dead => expected.dead += 1,
                sundown_tasks::State::Succeeded | sundown_tasks::State::Cancelled => {}
            }
        }
    }
    assert!(expected.pending + expected.running + expected.dead > 0, "seed {seed}");
    counts_become(&handles[1], expected).await;
}

/// A hundred steps of somebody who does not know what the others do.
async fn act(store: &Handle, mut random: fastrand::Rng) {
    for _ in 0..100 {
        let any = TaskId(random.i64(1..200));
        match random.u8(0..8) {
            0..3 => {
                let new = vec![task("a"); random.usize(1..6)];
                store.enqueue(new, 50).await.unwrap();
            }
            3 => drop(store.cancel(any).await.unwrap()),
            4 => drop(store.requeue(any).await.unwrap()),
            5 => drop(store.discard(any).await.unwrap()),
            6 => drop(store.rescue(5).await.unwrap()),
            _ => {
                let lease = if random.bool() { LONG } else { Duration::ZERO };
                let claims = store.claim(vec![wanted("a", 5)], 5, lease).await.unwrap();
                let endings = claims.iter().filter_map(|claim| {
                    let ending = match random.u8(0..6) {
                        0 => return None,
                        1 => succeeded(),
                        2 => failed(Duration::ZERO),
                        3 => Ending::FailedForGood { error: String::new() },
                        4 => interrupted(),
                        _ => Ending::Returned,
                    };
                    Some((claim.fence, ending))
                });
                store.finish(endings.collect()).await.unwrap();
            }
        }
    }
}

pub(crate) async fn news_of_the_own_process_wakes(bench: &impl Bench) {
    let store = bench.open().await;
    wakes(&store, &store).await;
}

pub(crate) async fn news_of_another_process_wakes(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    wakes(&store, &other).await;
}

/// What `actor` does wakes who waits at `store`; tried again, as a wake may be missed.
async fn wakes(store: &Handle, actor: &Handle) {
    let patience = Duration::from_secs(5);
    for round in 0..10 {
        let changed = store.changed();
        let fence = running(actor, "a").await;
        timeout(patience, changed).await.unwrap_or_else(|_| panic!("a new task, round {round}"));
        let told = store.told();
        tell(actor, fence, "1").await;
        timeout(patience, told).await.unwrap_or_else(|_| panic!("progress, round {round}"));
        let changed = store.changed();
        actor.cancel(fence.task).await.unwrap();
        timeout(patience, changed).await.unwrap_or_else(|_| panic!("a wish, round {round}"));
        let changed = store.changed();
        finish(actor, fence, Ending::Stopped).await;
        timeout(patience, changed).await.unwrap_or_else(|_| panic!("an end, round {round}"));
    }
}

/// Whoever looks for work would look in vain each time a task says something.
pub(crate) async fn progress_wakes_those_alone_who_read(bench: &impl Bench) {
    let store = bench.open().await;
    let fence = running(&store, "a").await;
    until("nothing else wakes it", async || {
        let changed = store.changed();
        tell(&store, fence, "1").await;
        match timeout(Duration::from_millis(200), changed).await {
            Ok(()) => Err("it woke"),
            Err(_) => Ok(()),
        }
    })
    .await;
}
