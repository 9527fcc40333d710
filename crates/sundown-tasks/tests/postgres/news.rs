//! Processes hear of one another.

use std::time::{Duration, Instant};

use sundown_drill::postgres::Pooler;
use sundown_tasks::{PostgresSettings, Store};
use tokio::time::timeout;

use crate::ground::*;

/// How long it takes from an acknowledged enqueue to the wake-up in another process.
async fn wake_up(
    from: &sundown_tasks::PostgresStore,
    to: &sundown_tasks::PostgresStore,
) -> Duration {
    // News of before may still be on their way.
    while timeout(Duration::from_millis(50), to.changed()).await.is_ok() {}
    let changed = to.changed();
    enqueue(from, "a").await;
    let acknowledged = Instant::now();
    timeout(PATIENCE, changed).await.unwrap();
    acknowledged.elapsed()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_process_wakes_within_milliseconds() {
    let settings = settings(server());
    let (one, two) = (open(settings.clone()).await, open(settings).await);
    // The first may come before the other listens.
    until("the other listens", async || {
        enqueue(&one, "a").await;
        timeout(Duration::from_millis(200), two.changed()).await.is_ok()
    })
    .await;
    let mut took = Vec::new();
    for _ in 0..20 {
        took.push(wake_up(&one, &two).await);
    }
    took.sort();
    println!("wake-up in another process: median {:?}, slowest {:?}", took[10], took[19]);
    assert!(took[10] < Duration::from_millis(100), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_handed_back_last_is_told_before_the_store_is_closed() {
    let settings = settings(server());
    let (one, two) = (open(settings.clone()).await, open(settings).await);
    let fence = running(&one, "a").await;
    wake_up(&two, &one).await;
    wake_up(&one, &two).await;
    while timeout(Duration::from_millis(50), two.changed()).await.is_ok() {}
    let changed = two.changed();
    let reason = "a restart".to_owned();
    let ending = sundown_tasks::Ending::Interrupted { reason };
    let (finished, closed) = tokio::join!(one.finish(vec![(fence, ending)]), one.close());
    finished.unwrap();
    closed.unwrap();
    timeout(PATIENCE, changed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deaf_it_hears_itself_alone_and_works() {
    let settings = settings(server());
    let (one, deaf) = (open(settings.clone()).await, open(settings.listen(None)).await);
    enqueue(&one, "a").await;
    let heard = timeout(Duration::from_millis(300), deaf.changed()).await;
    assert!(heard.is_err(), "it has nothing to hear with");
    assert_eq!(claim(&deaf, "a", 9).await.len(), 1);
    let changed = deaf.changed();
    enqueue(&deaf, "a").await;
    timeout(PATIENCE, changed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn behind_a_pooler_it_listens_past_it() {
    let server = server();
    let pooler = Pooler::start(server).unwrap();
    let behind = PostgresSettings::new(pooler.url_of("postgres")).schema("past_it");
    let one = open(behind.clone().listen(None)).await;
    let two = open(behind.listen(Some(server.url()))).await;
    until("the other listens", async || {
        let changed = two.changed();
        enqueue(&one, "a").await;
        timeout(Duration::from_millis(200), changed).await.is_ok()
    })
    .await;
}
