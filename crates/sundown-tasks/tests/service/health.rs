//! A service that cannot do its work says so, and one that can does not take it back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use sundown::Cause;
use sundown_tasks::State;
use tokio::time::sleep;

use super::desk::{PATIENCE, Place, settings, sleeper, start_on, until};
use super::faulty::{Asked, Fate, Faulty, away};
use super::gate::Gate;

const CAP: Duration = Duration::from_secs(20);

pub(crate) async fn a_service_that_cannot_write_is_ill_until_it_can(place: Place) {
    let is_locked = Arc::new(AtomicBool::new(false));
    let locked = is_locked.clone();
    let store = Faulty::before(place.store().await, move |asked| match asked {
        Asked::Read => Fate::Done,
        _ if locked.load(Ordering::SeqCst) => away(),
        _ => Fate::Done,
    });
    let gate = Gate::new();
    let replica = start_on(store, vec![gate.kind(), sleeper()], settings(), CAP);
    let task = replica.hand_in("gate", json!(null)).await;
    gate.begun(1).await;
    assert!(replica.service.is_healthy());
    is_locked.store(true, Ordering::SeqCst);
    until("it is ill", async || !replica.service.is_healthy()).await;
    gate.open();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert!(!replica.service.is_healthy(), "after {:?} it says it can", began.elapsed());
        sleep(Duration::from_millis(2)).await;
    }
    is_locked.store(false, Ordering::SeqCst);
    until("it is well", async || replica.service.is_healthy()).await;
    replica.reaches(task, State::Succeeded).await;
    replica.stop().await;
}

pub(crate) async fn a_store_that_is_closed_too_early_is_ill(place: Place) {
    let store = place.store().await;
    let replica = start_on(store.clone(), vec![sleeper()], settings(), CAP);
    let task = replica.hand_in("sleep", json!(1)).await;
    replica.reaches(task, State::Succeeded).await;
    assert!(replica.service.is_healthy());
    store.close().await.unwrap();
    until("it is ill", async || !replica.service.is_healthy()).await;
    sleep(Duration::from_secs(1)).await;
    assert!(!replica.service.is_healthy());
}

pub(crate) async fn a_dispatcher_that_panics_stops_the_service(place: Place) {
    let store = Faulty::before(place.store().await, |asked| match asked {
        Asked::Claim => Fate::Panics,
        _ => Fate::Done,
    });
    let replica = start_on(store, vec![sleeper()], settings(), CAP);
    let report = tokio::time::timeout(PATIENCE, replica.coordinator.run()).await.unwrap();
    assert!(!replica.service.is_healthy());
    assert_eq!(
        replica.coordinator.cause(),
        Some(Cause::failed("tasks dispatcher", "panicked: as the test said")),
        "{report}"
    );
}

pub(crate) async fn a_keeper_that_panics_stops_the_service_and_loses_nothing(place: Place) {
    let gate = Gate::new();
    let has_begun = gate.clone();
    let (rescues, ends) = (AtomicU32::new(0), AtomicU32::new(0));
    // Once while tasks run, and twice when an end is to be written.
    let store = Faulty::before(place.store().await, move |asked| {
        let panics = match asked {
            Asked::Rescue | Asked::RescueOfDead => {
                has_begun.seen().begun == 3 && rescues.fetch_add(1, Ordering::SeqCst) == 0
            }
            Asked::Finish(_) => ends.fetch_add(1, Ordering::SeqCst) < 2,
            Asked::Claim | Asked::Renew | Asked::Progress | Asked::Read => false,
        };
        if panics { Fate::Panics } else { Fate::Done }
    });
    let replica = start_on(store, vec![gate.kind()], settings(), CAP);
    let other = start_on(place.store().await, vec![gate.kind()], settings().concurrency(1), CAP);
    let tasks = [
        replica.hand_in("gate", json!(null)).await,
        replica.hand_in("gate", json!(null)).await,
        replica.hand_in("gate", json!(null)).await,
    ];
    gate.begun(3).await;
    until("it stops", async || replica.coordinator.is_shutting_down()).await;
    assert!(!replica.service.is_healthy());
    // Several leases long: those of both go on.
    sleep(Duration::from_secs(4)).await;
    gate.open();
    let report = replica.coordinator.run().await;
    assert_eq!(report.handed_back(), 0, "{report}");
    assert_eq!(
        replica.coordinator.cause(),
        Some(Cause::failed("tasks keeper", "panicked: as the test said"))
    );
    for task in tasks {
        let entry = other.reaches(task, State::Succeeded).await;
        assert_eq!(entry.attempt, 1);
    }
    other.stop().await;
}
