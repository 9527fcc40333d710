//! Registration racing initiation, on the real coordinator.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::thread;

use crate::{Cause, Coordinator};

#[test]
fn a_notification_that_races_the_beginning_runs_exactly_once() {
    loom::model(|| {
        let coordinator = Coordinator::builder().build().expect("the defaults work");
        let calls = Arc::new(AtomicUsize::new(0));
        let initiator = {
            let coordinator = coordinator.clone();
            thread::spawn(move || assert!(coordinator.initiate(Cause::requested("loom"))))
        };
        let count = calls.clone();
        let register = coordinator.register_notification("counts", move |_cause| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        initiator.join().expect("no panic");
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        drop(register);
    });
}

#[test]
fn of_two_initiations_one_wins_and_notifies() {
    loom::model(|| {
        let coordinator = Coordinator::builder().build().expect("the defaults work");
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        let _registration = coordinator.register_notification("counts", move |_cause| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        let other = {
            let coordinator = coordinator.clone();
            thread::spawn(move || coordinator.initiate(Cause::requested("one")))
        };
        let first = coordinator.initiate(Cause::requested("two"));
        let second = other.join().expect("no panic");
        assert!(first ^ second);
        let winner = if first { "two" } else { "one" };
        assert_eq!(coordinator.cause(), Some(Cause::requested(winner)));
        assert_eq!(calls.load(Ordering::SeqCst), 1);
    });
}
