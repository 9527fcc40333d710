//! Limits hold, and what one caller asks does not spoil what another asks.

use std::sync::Arc;

use sundown_tasks::{Ending, Enqueued, NewTask, Progress, Store};
use tokio::task::JoinSet;

use crate::ground::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_that_fill_the_queue_together_do_not_overfill_it() {
    let settings = settings(server());
    let mut filling = JoinSet::new();
    let first = open(settings.clone()).await;
    for _ in 0..3 {
        let store = open(settings.clone()).await;
        for _ in 0..30 {
            let store = Arc::clone(&store);
            filling.spawn(async move {
                let answers = store.enqueue(vec![task("a"); 3], 100).await.unwrap();
                answers.iter().filter(|answer| matches!(answer, Enqueued::New(_))).count()
            });
        }
    }
    assert_eq!(filling.join_all().await.iter().sum::<usize>(), 100);
    assert_eq!(first.counts().await.unwrap().pending, 100);
    assert_eq!(first.enqueue(vec![task("a")], 100).await.unwrap(), [Enqueued::Full]);
    assert_eq!(first.enqueue(vec![task("a")], 101).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_task_does_not_spoil_those_that_come_with_it() {
    let store = open(settings(server())).await;
    // Longer than what an index can hold.
    let noise: String = (0..20_000).map(|_| fastrand::alphanumeric()).collect();
    let bad = NewTask { key: Some(noise), ..task("a") };
    let mut coming = JoinSet::new();
    for number in 0..60 {
        let (store, bad) = (Arc::clone(&store), bad.clone());
        coming.spawn(async move {
            let is_bad = number % 20 == 0;
            let asked = if is_bad { bad } else { task("a") };
            (is_bad, store.enqueue(vec![asked], u64::MAX).await)
        });
    }
    for (is_bad, answer) in coming.join_all().await {
        assert_eq!(answer.is_err(), is_bad, "{answer:?}");
    }
    assert_eq!(store.counts().await.unwrap().pending, 57);
}

#[tokio::test]
async fn text_that_the_server_cannot_hold_is_made_plain() {
    let store = open(settings(server())).await;
    let mut odd = task("a\0b");
    odd.key = Some("k\0".to_owned());
    store.enqueue(vec![odd.clone()], u64::MAX).await.unwrap();
    let again = store.enqueue(vec![odd], u64::MAX).await.unwrap();
    assert!(matches!(again[..], [Enqueued::Known(_)]), "{again:?}");
    let claimed = claim(&store, "a\0b", 1).await.remove(0);
    assert_eq!(claimed.kind, "a\0b", "whoever asked for it knows it by this name");
    let fence = claimed.fence;
    let error = "bad\0luck".to_owned();
    store.finish(vec![(fence, Ending::FailedForGood { error })]).await.unwrap();
    let found = store.get(fence.task).await.unwrap().unwrap();
    assert_eq!(found.error.unwrap(), "bad\u{fffd}luck");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_about_an_attempt_is_done_in_that_order() {
    let store = open(settings(server()).connections(8)).await;
    for _ in 0..50 {
        let fence = running(&store, "a").await;
        let tell = |n: u32| {
            let event = Some(json(&n.to_string()));
            store.progress(vec![Progress { fence, event, checkpoint: None }])
        };
        // Polled in this order: each is asked before the one before it is answered.
        let end = store.finish(vec![(fence, succeeded())]);
        let (one, two, three, end) = tokio::join!(tell(1), tell(2), tell(3), end);
        assert_eq!((one.unwrap(), two.unwrap()), (vec![Some(1)], vec![Some(2)]));
        assert_eq!(three.unwrap(), [Some(3)]);
        assert!(matches!(end.unwrap()[..], [sundown_tasks::Finish::Now(_)]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counts_of_processes_that_are_gone_are_added_up_and_stay_exact() {
    let settings = settings(server()).schema("folded");
    for _ in 0..3 {
        let store = open(settings.clone()).await;
        running(&store, "a").await;
        enqueue(&store, "b").await;
        store.close().await.unwrap();
    }
    let store = open(settings).await;
    let awake = enqueue(&store, "b").await;
    let before = store.counts().await.unwrap();
    assert_eq!((before.pending, before.running), (4, 3));
    let age = "update folded.counter set touched_at = touched_at - interval '1 hour'";
    server().sql("postgres", age).unwrap();
    store.purge(std::time::Duration::from_secs(3600), 10).await.unwrap();
    // The row of nobody, and that of whoever purged.
    let check = "select 1 / (count(*) <= 2)::int from folded.counter";
    server().sql("postgres", check).unwrap();
    assert_eq!(store.counts().await.unwrap(), before);
    store.cancel(awake).await.unwrap();
    assert_eq!(store.counts().await.unwrap().pending, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_finds_nothing_writes_nothing() {
    let store = open(settings(server()).schema("nothing").connections(1).listen(None)).await;
    enqueue(&store, "b").await;
    let check = |batch: u32| {
        let is = format!("select 1 / (max(batch) = {batch})::int from nothing.counter");
        server().sql("postgres", &is).is_ok()
    };
    // News of the task may follow it, and are no write.
    let written = (1..10).find(|&batch| check(batch)).unwrap();
    for _ in 0..20 {
        assert!(claim(&store, "a", 9).await.is_empty());
    }
    assert!(check(written));
    assert_eq!(claim(&store, "b", 9).await.len(), 1);
}
