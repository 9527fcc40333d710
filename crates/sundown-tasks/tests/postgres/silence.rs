//! Connections that fall silent: nobody says that they are dead.

use std::time::{Duration, Instant};

use sundown_tasks::{Lease, Progress, Store, Wanted};

use crate::ground::*;
use crate::wire::Wire;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patience_ends_although_a_question_was_taken() {
    let wire = Wire::new(server().port());
    let settings = wire.settings("silent_intake").patience(Duration::from_millis(500));
    let store = open(settings).await;
    enqueue(&store, "a").await;
    wire.fall_silent();
    let asked = Instant::now();
    let answer = store.enqueue(vec![task("a")], u64::MAX).await;
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    // A connection that was made anew in time answers after all.
    assert!(answer.map_or_else(|error| error.is_passing(), |taken| taken.len() == 1));
    until("it connects anew", async || store.enqueue(vec![task("b")], u64::MAX).await.is_ok())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_outlives_all_connections() {
    let wire = Wire::new(server().port());
    // Whoever asks waits longer than a lease lasts, and less long than this test: he may ask again.
    let (lease, patience) = (Duration::from_secs(12), Duration::from_secs(14));
    assert!(lease < patience && 2 * patience < PATIENCE);
    let store = open(wire.settings("silent_leases").patience(patience)).await;
    let other = open(sundown_tasks::PostgresSettings::new(server().url()).schema("silent_leases"));
    let other = other.await;
    enqueue(&store, "a").await;
    let wanted = vec![Wanted { kind: "a".to_owned(), routes: [].into(), count: 1 }];
    let fence = store.claim(wanted, 1, lease).await.unwrap()[0].fence;
    wire.fall_silent();
    // As many as there are connections: only the first is to find out.
    let fell = Instant::now();
    for _ in 0..4 {
        assert_eq!(store.renew(vec![fence], lease).await.unwrap(), [Lease::Held]);
    }
    assert!(fell.elapsed() < lease, "all are found out together: {:?}", fell.elapsed());
    assert_eq!(other.rescue(10).await.unwrap(), []);
    // Whoever was asked over one that had not been found out may have to ask again.
    let news = || Progress { fence, event: Some(json("1")), checkpoint: None };
    until("it tells again", async || store.progress(vec![news()]).await.is_ok()).await;
}
