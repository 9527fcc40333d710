//! The store closes.

use sundown_tasks::{Filter, StoreError, TaskId};

use super::Bench;
use super::support::*;

pub(crate) async fn closed_is_closed(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let id = enqueue(&store, task("a")).await;
    store.close().await.unwrap();
    store.close().await.unwrap();
    let closed = |error: Option<StoreError>| matches!(error, Some(StoreError::Closed));
    assert!(closed(store.enqueue(vec![task("a")], 9).await.err()));
    assert!(closed(store.claim(vec![wanted("a", 1)], 1, LONG).await.err()));
    assert!(closed(store.renew(vec![], LONG).await.err()));
    assert!(closed(store.finish(vec![]).await.err()));
    assert!(closed(store.progress(vec![]).await.err()));
    assert!(closed(store.rescue(1).await.err()));
    assert!(closed(store.cancel(TaskId(1)).await.err()));
    assert!(closed(store.requeue(TaskId(1)).await.err()));
    assert!(closed(store.discard(TaskId(1)).await.err()));
    assert!(closed(store.purge(LONG, 1).await.err()));
    assert!(closed(store.get(TaskId(1)).await.err()));
    assert!(closed(store.list(Filter::default()).await.err()));
    assert!(closed(store.events(TaskId(1), 0, 1).await.err()));
    assert!(closed(store.counts().await.err()));
    assert!(!StoreError::Closed.is_passing());
    assert_eq!(claim_one(&other, "a").await.fence.task, id, "others go on");
}

pub(crate) async fn what_was_asked_before_is_done(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let store = store.clone();
        asked.spawn(async move { store.enqueue(vec![task("a")], u64::MAX).await });
    }
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let answers = asked.join_all().await;
    let done = answers.iter().filter(|answer| answer.is_ok()).count();
    for answer in answers {
        assert!(matches!(answer, Ok(_) | Err(StoreError::Closed)), "{answer:?}");
    }
    // Acknowledged is kept; what was refused is not half there.
    assert_eq!(claim(&other, "a", 1000).await.len(), done);
}
