//! Components: when they are told to stop, how long they are awaited, and what their end means.

use std::future::pending;
use std::sync::{Arc, Mutex};

use super::support::{SECOND, builder, coordinator, idle, outcome, stop};
use sundown::{Cause, Coordinator, Outcome, Phase, Waiter};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// What happened, in order.
type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, what: impl Into<String>) {
    log.lock().unwrap().push(what.into());
}

#[tokio::test(start_paused = true)]
async fn a_component_is_told_to_stop_in_its_turn_and_not_at_the_cause() {
    let coordinator = builder().announce(3 * SECOND).build().unwrap();
    let log = Log::default();
    let begin = Instant::now();
    for (name, phase) in [("drains", Phase::DRAIN), ("flushes", Phase::FLUSH)] {
        let log = log.clone();
        let component = coordinator.component(name).in_phase(phase);
        component
            .run(move |stop| async move {
                stop.wait().await;
                note(&log, format!("{name} after {} s", begin.elapsed().as_secs()));
                sleep(SECOND).await;
            })
            .unwrap();
    }
    assert!(stop(&coordinator).await.is_clean());
    assert_eq!(*log.lock().unwrap(), ["drains after 3 s", "flushes after 4 s"]);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_executed_to_its_end_although_a_sender_is_never_dropped() {
    let coordinator = builder().announce(3 * SECOND).build().unwrap();
    let (orders, mut queue) = mpsc::channel(64);
    let executed = Arc::new(Mutex::new(0));
    let count = executed.clone();
    coordinator
        .component("orders")
        .run(move |stop| async move {
            while let Some(order) = stop.receive(&mut queue).await {
                sleep(SECOND / 10).await;
                *count.lock().unwrap() += order;
            }
        })
        .unwrap();
    for _ in 0..39 {
        orders.send(1).await.unwrap();
    }
    coordinator.initiate(Cause::requested("test"));
    // What comes while the service announces is accepted, and executed like the rest.
    orders.send(1).await.unwrap();
    assert!(coordinator.run().await.is_clean());
    assert_eq!(*executed.lock().unwrap(), 40);
    assert!(orders.send(1).await.is_err(), "what would be lost is refused");
}

#[tokio::test(start_paused = true)]
async fn after_means_told_to_stop_when_the_other_has_ended() {
    let coordinator = coordinator();
    let log = Log::default();
    for (name, after) in [("consumer", Some("producer")), ("producer", None)] {
        let log = log.clone();
        let component = coordinator.component(name);
        let component = if let Some(after) = after { component.after(after) } else { component };
        component
            .run(move |stop| async move {
                stop.wait().await;
                note(&log, format!("{name} told"));
                sleep(SECOND).await;
                note(&log, format!("{name} ended"));
            })
            .unwrap();
    }
    assert!(stop(&coordinator).await.is_clean());
    let expected = ["producer told", "producer ended", "consumer told", "consumer ended"];
    assert_eq!(*log.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_hung_component_is_dropped_at_its_deadline_and_blamed_once() {
    struct Dropped(Log);
    impl Drop for Dropped {
        fn drop(&mut self) {
            note(&self.0, "dropped");
        }
    }
    let coordinator = coordinator();
    let log = Log::default();
    let guard = Dropped(log.clone());
    coordinator
        .component("hangs")
        .run(|_stop| async move {
            let _guard = guard;
            pending::<()>().await;
        })
        .unwrap();
    let report = stop(&coordinator).await;
    assert_eq!(outcome(&report, "hangs"), Some(Outcome::TimedOut));
    assert_eq!(report.trouble().count(), 1, "{report}");
    tokio::task::yield_now().await;
    assert_eq!(*log.lock().unwrap(), ["dropped"]);
}

#[tokio::test(start_paused = true)]
async fn its_deadline_is_known_once_it_is_told_to_stop() {
    let coordinator = coordinator();
    let log = Log::default();
    let entries = log.clone();
    coordinator
        .component("asks")
        .run(move |stop| async move {
            assert!(stop.deadline().is_none());
            stop.wait().await;
            let left = stop.deadline().unwrap().left().as_secs();
            note(&entries, format!("{left} s left"));
        })
        .unwrap();
    stop(&coordinator).await;
    assert_eq!(*log.lock().unwrap(), ["29 s left"]);
}

#[tokio::test(start_paused = true)]
async fn an_error_begins_the_shutdown_and_is_its_cause() {
    let coordinator = coordinator();
    coordinator.component("feed").run(|_stop| async { Err::<(), _>("no such host") }).unwrap();
    let report = coordinator.run().await;
    assert_eq!(report.cause, Some(Cause::failed("feed", "no such host")));
    assert_eq!(outcome(&report, "feed"), Some(Outcome::Failed));
}

#[tokio::test(start_paused = true)]
async fn a_panic_begins_the_shutdown_too() {
    let coordinator = coordinator();
    let hurt = |_stop| async {
        assert_eq!(1, 2, "arithmetic");
    };
    coordinator.component("feed").run(hurt).unwrap();
    let report = coordinator.run().await;
    assert!(matches!(report.cause, Some(Cause::Failed { .. })), "{:?}", report.cause);
    assert_eq!(outcome(&report, "feed"), Some(Outcome::Panicked));
    assert!(report.waiter("feed").unwrap().detail.as_ref().unwrap().contains("arithmetic"));
}

#[tokio::test(start_paused = true)]
async fn an_optional_component_that_fails_is_reported_and_begins_nothing() {
    let coordinator = coordinator();
    let component = coordinator.component("cache").optional();
    component.run(|_stop| async { Err::<(), _>("cold") }).unwrap();
    sleep(SECOND).await;
    assert!(!coordinator.is_shutting_down());
    let report = stop(&coordinator).await;
    assert_eq!(outcome(&report, "cache"), Some(Outcome::Failed));
}

#[tokio::test(start_paused = true)]
async fn one_that_ended_long_before_the_shutdown_is_done() {
    let coordinator = coordinator();
    coordinator.component("warm-up").run(|_stop| async {}).unwrap();
    sleep(SECOND).await;
    assert!(!coordinator.is_shutting_down(), "an end without an error is no failure");
    let report = stop(&coordinator).await;
    assert_eq!(outcome(&report, "warm-up"), Some(Outcome::Done));
}

#[tokio::test(start_paused = true)]
async fn its_fallback_runs_when_it_fails() {
    let coordinator = coordinator();
    coordinator
        .component("saver")
        .fallback(|_deadline| async {})
        .run(|stop| async move {
            stop.wait().await;
            Err::<(), _>("disk full")
        })
        .unwrap();
    let report = stop(&coordinator).await;
    assert_eq!(outcome(&report, "saver"), Some(Outcome::Recovered));
}

#[tokio::test(start_paused = true)]
async fn a_refused_component_never_runs() {
    let coordinator = coordinator();
    coordinator.register_waiter(idle("twice")).unwrap();
    let log = Log::default();
    let entries = log.clone();
    let refused = coordinator.component("twice").run(move |_stop| async move {
        note(&entries, "ran");
    });
    assert!(refused.unwrap_err().to_string().contains("`twice`"));
    sleep(SECOND).await;
    assert!(log.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn owned_work_is_awaited_beside_components_and_not_confused_with_them() {
    let coordinator = coordinator();
    coordinator.component("feed").run(|stop| async move { stop.wait_owned().await }).unwrap();
    let save = Waiter::new("save", |_deadline| async {});
    coordinator.register_waiter(save.in_phase(Phase::FLUSH)).unwrap();
    let report = stop(&coordinator).await;
    assert!(report.waiter(Coordinator::OWNED_WORK).is_none(), "nobody used it");
    assert!(report.is_clean());
}
