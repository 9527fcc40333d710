//! What ended long ago is forgotten.

use std::time::Duration;

use sundown_tasks::Counts;

use super::Bench;
use super::support::*;

pub(crate) async fn only_what_ended_long_ago(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let over = running(&store, "a").await;
    tell(&store, over, "1").await;
    finish(&store, over, succeeded()).await;
    let dead = running(&store, "a").await;
    finish(&store, dead, sundown_tasks::Ending::FailedForGood { error: String::new() }).await;
    let cancelled = enqueue(&store, task("a")).await;
    store.cancel(cancelled).await.unwrap();
    let running = running(&store, "a").await;
    let pending = enqueue(&store, task("a")).await;
    assert_eq!(other.purge(LONG, 100).await.unwrap(), 0);
    // Ended before the very millisecond of the purge, or in it.
    assert_eq!(other.purge(Duration::ZERO, 100).await.unwrap(), 3);
    for gone in [over.task, dead.task, cancelled] {
        assert!(store.get(gone).await.unwrap().is_none());
        assert!(store.events(gone, 0, 1).await.unwrap().is_none());
    }
    for kept in [running.task, pending] {
        assert!(store.get(kept).await.unwrap().is_some());
    }
    counts_become(&store, Counts { pending: 1, running: 1, dead: 0 }).await;
}

pub(crate) async fn at_most_so_many(bench: &impl Bench) {
    let store = bench.open().await;
    for _ in 0..7 {
        let id = enqueue(&store, task("a")).await;
        store.cancel(id).await.unwrap();
    }
    let mut purged = Vec::new();
    for _ in 0..4 {
        purged.push(store.purge(Duration::ZERO, 3).await.unwrap());
    }
    assert_eq!(purged, [3, 3, 1, 0]);
}
