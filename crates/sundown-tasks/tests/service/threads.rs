//! Attempts that block a thread: nobody can end them but themselves.

use std::time::Duration;

use serde_json::json;
use sundown_tasks::{Change, State};
use tokio::time::sleep;

use super::desk::{Place, settings, start_with};
use super::gate::Gate;

const CAP: Duration = Duration::from_secs(20);

pub(crate) async fn one_that_takes_too_long_keeps_its_place_until_it_returns(place: Place) {
    let gate = Gate::new();
    let moment = Duration::from_millis(5);
    let kind =
        || gate.thread().timeout(Duration::from_millis(300)).attempts(20).backoff(moment, moment);
    let replica = start_with(&place, vec![kind()], settings().concurrency(1), CAP).await;
    let other = start_with(&place, vec![kind()], settings().concurrency(1), CAP).await;
    let task = replica.hand_in("thread", json!(null)).await;
    gate.sees(|seen| seen.told > 0).await;
    // Several leases long: it is not tried again, here or there.
    sleep(Duration::from_secs(4)).await;
    let entry = replica.service.get(task).await.unwrap().unwrap();
    assert_eq!((entry.state, entry.attempt, gate.seen().now), (State::Running, 1, 1));
    gate.open();
    gate.begun(2).await;
    let entry = replica.reaches(task, State::Succeeded).await;
    assert!(entry.failures > 0, "the first took too long, although it returned in the end");
    assert_eq!(gate.seen().most, 1);
    replica.stop().await;
    other.stop().await;
}

pub(crate) async fn one_that_is_cancelled_keeps_its_place_until_it_returns(place: Place) {
    let gate = Gate::new();
    let replica = start_with(&place, vec![gate.thread()], settings().concurrency(1), CAP).await;
    let task = replica.hand_in("thread", json!(null)).await;
    let next = replica.hand_in("thread", json!(null)).await;
    gate.begun(1).await;
    assert_eq!(replica.service.cancel(task).await.unwrap(), Change::Now(State::Running));
    gate.sees(|seen| seen.told > 0).await;
    // Longer than a future has.
    sleep(Duration::from_secs(6)).await;
    assert_eq!(gate.seen().begun, 1);
    gate.open();
    replica.reaches(task, State::Succeeded).await;
    replica.reaches(next, State::Succeeded).await;
    assert_eq!(gate.seen().most, 1);
    replica.stop().await;
}

pub(crate) async fn one_that_does_not_return_does_not_hold_the_shutdown(place: Place) {
    let gate = Gate::new();
    let kind = gate.thread().timeout(Duration::from_millis(50));
    // 1 s, of which flush and release keep 5 each unless told otherwise.
    let cap = Duration::from_secs(11);
    let replica = start_with(&place, vec![kind], settings(), cap).await;
    let task = replica.hand_in("thread", json!(null)).await;
    gate.sees(|seen| seen.told > 0).await;
    let report = replica.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.handed_back(), 1, "{report}");
    assert_eq!(gate.seen().now, 1, "it goes on until the process exits");
    let entry = place.store().await.get(task).await.unwrap().unwrap();
    assert_eq!((entry.state, entry.failures, entry.interruptions), (State::Pending, 0, 1));
    gate.open();
}
