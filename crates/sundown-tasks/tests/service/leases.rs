//! Leases: who has one keeps it, and whoever nobody wants any more hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sundown_tasks::{Change, Kind, State, Task, TaskContext, TaskError};
use tokio::time::sleep;

use super::desk::{PATIENCE, Place, settings, start_on, start_with, until};
use super::faulty::{Asked, Fate, Faulty, away};
use super::gate::Gate;

const CAP: Duration = Duration::from_secs(20);

pub(crate) async fn a_long_lease_does_not_delay_a_cancellation(place: Place) {
    let gate = Gate::new();
    let settings = || settings().lease(Duration::from_secs(3600));
    let runs = start_with(&place, vec![gate.kind()], settings(), CAP).await;
    let task = runs.hand_in("gate", json!(null)).await;
    gate.begun(1).await;
    let elsewhere = start_with(&place, vec![], settings(), CAP).await;
    assert_eq!(elsewhere.service.cancel(task).await.unwrap(), Change::Now(State::Running));
    // Told soon, and given 5 s.
    elsewhere.reaches(task, State::Cancelled).await;
    runs.stop().await;
    elsewhere.stop().await;
}

pub(crate) async fn a_few_renewals_that_fail_cost_no_lease(place: Place) {
    let renewals = Arc::new(AtomicU32::new(0));
    let count = renewals.clone();
    let store = Faulty::before(place.store().await, move |asked| match asked {
        Asked::Renew if count.fetch_add(1, Ordering::SeqCst) < 3 => away(),
        _ => Fate::Done,
    });
    let gate = Gate::new();
    let lease = Duration::from_millis(4500);
    let replica = start_on(store, vec![gate.kind()], settings().lease(lease), CAP);
    let task = replica.hand_in("gate", json!(null)).await;
    gate.begun(1).await;
    let other = start_with(&place, vec![gate.kind()], settings(), CAP).await;
    // So long that it would be taken back, were it not renewed before.
    sleep(lease + Duration::from_secs(2)).await;
    assert!(renewals.load(Ordering::SeqCst) > 3);
    gate.open();
    let entry = replica.reaches(task, State::Succeeded).await;
    assert_eq!((entry.attempt, gate.seen().begun), (1, 1));
    replica.stop().await;
    other.stop().await;
}

pub(crate) async fn nobody_takes_back_its_own_because_the_store_was_slow(place: Place) {
    let (is_slow, rescues) = (AtomicBool::new(true), Arc::new(AtomicU32::new(0)));
    let lease = Duration::from_millis(1500);
    let count = rescues.clone();
    let store = Faulty::before(place.store().await, move |asked| match asked {
        Asked::Renew if is_slow.swap(false, Ordering::SeqCst) => Fate::Late(4 * lease),
        Asked::Rescue | Asked::RescueOfDead => {
            count.fetch_add(1, Ordering::SeqCst);
            Fate::Done
        }
        _ => Fate::Done,
    });
    let gate = Gate::new();
    let replica = start_on(store, vec![gate.kind()], settings().lease(lease), CAP);
    let task = replica.hand_in("gate", json!(null)).await;
    gate.begun(1).await;
    sleep(6 * lease).await;
    assert!(rescues.load(Ordering::SeqCst) > 0);
    gate.open();
    assert_eq!(replica.reaches(task, State::Succeeded).await.attempt, 1);
    replica.stop().await;
}

pub(crate) async fn whoever_has_just_come_leaves_the_living_time_to_renew(place: Place) {
    let is_away = Arc::new(AtomicBool::new(false));
    let away_now = is_away.clone();
    let store = Faulty::before(place.store().await, move |_| {
        if away_now.load(Ordering::SeqCst) { away() } else { Fate::Done }
    });
    let gate = Gate::new();
    let lease = Duration::from_secs(3);
    let settings = || settings().lease(lease);
    let living = start_on(store, vec![gate.kind()], settings(), CAP);
    let task = living.hand_in("gate", json!(null)).await;
    gate.begun(1).await;
    is_away.store(true, Ordering::SeqCst);
    sleep(lease + Duration::from_millis(500)).await;

    // The store is back, and somebody comes at that moment.
    let rescues = Arc::new(AtomicU32::new(0));
    let count = rescues.clone();
    let store = Faulty::before(place.store().await, move |asked| {
        if let Asked::Rescue = asked {
            count.fetch_add(1, Ordering::SeqCst);
        }
        Fate::Done
    });
    is_away.store(false, Ordering::SeqCst);
    let newcomer = start_on(store, vec![gate.kind()], settings(), CAP);
    until("it takes back what is overdue", async || rescues.load(Ordering::SeqCst) > 2).await;
    gate.open();
    let entry = newcomer.reaches(task, State::Succeeded).await;
    assert_eq!((entry.attempt, gate.seen().begun), (1, 1));
    living.stop().await;
    newcomer.stop().await;
}

/// Holds the thread that runs it, as no future should.
struct Hogs(Arc<AtomicBool>, Arc<AtomicU32>);

impl Task for Hogs {
    const KIND: &'static str = "hog";
    type Input = Value;
    type Output = ();

    async fn run(&self, _: Value, _: TaskContext) -> Result<(), TaskError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let began = Instant::now();
        while !self.0.load(Ordering::SeqCst) && began.elapsed() < 2 * PATIENCE {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(())
    }
}

pub(crate) async fn a_runtime_whose_threads_are_all_blocked_makes_nothing_run_twice(place: Place) {
    let (may_end, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let gate = Gate::new();
    let kinds = || vec![gate.kind(), Kind::new(Hogs(may_end.clone(), begun.clone()))];
    let blocked =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let store = place.store().await;
    let entered = blocked.enter();
    let replica = start_on(store, kinds(), settings().concurrency(3), CAP);
    drop(entered);
    let mut tasks = vec![replica.hand_in("gate", json!(null)).await];
    gate.begun(1).await;
    for _ in 0..2 {
        tasks.push(replica.hand_in("hog", json!(null)).await);
    }
    until("no thread is left", async || begun.load(Ordering::SeqCst) == 2).await;
    let other = start_with(&place, kinds(), settings(), CAP).await;
    // Three leases, counted from when the other one takes back what is overdue.
    let since = Instant::now();
    while since.elapsed() < Duration::from_millis(1500 + 3 * 1500) {
        assert_eq!((begun.load(Ordering::SeqCst), gate.seen().begun), (2, 1));
        sleep(Duration::from_millis(20)).await;
    }
    gate.open();
    may_end.store(true, Ordering::SeqCst);
    for task in tasks {
        assert_eq!(other.reaches(task, State::Succeeded).await.attempt, 1);
    }
    replica.stop().await;
    other.stop().await;
    blocked.shutdown_background();
}
