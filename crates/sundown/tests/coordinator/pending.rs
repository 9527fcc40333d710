//! What a waiter is waiting for: named while it runs, and in the report when it is cut off.

use std::future::pending;
use std::time::Duration;

use super::support::{SECOND, coordinator, outcome};
use sundown::{Cause, Coordinator, Outcome, Pending, PendingItem, Report, Waiter};
use tokio::time::sleep;

fn web() -> Waiter {
    let item = |what: &str, seconds| PendingItem { what: what.to_owned(), age: seconds * SECOND };
    Waiter::new("web", |_deadline| pending::<()>()).pending(move || Pending {
        total: 7,
        oldest: vec![item("GET /export from 10.0.0.7:5123", 8), item("GET /events", 2)],
    })
}

async fn stopped(coordinator: &Coordinator) -> Report {
    coordinator.initiate(Cause::requested("test"));
    coordinator.run().await
}

#[tokio::test(start_paused = true)]
async fn who_is_cut_off_is_reported_with_what_it_was_waiting_for() {
    let coordinator = coordinator();
    coordinator.register_waiter(web()).unwrap();
    let report = stopped(&coordinator).await;
    assert_eq!(outcome(&report, "web"), Some(Outcome::TimedOut));
    let waiting = report.waiter("web").unwrap().pending.clone().unwrap();
    assert_eq!((waiting.total, waiting.oldest.len()), (7, 2));

    let text = report.to_string();
    assert!(text.contains("7 left, the oldest: GET /export from 10.0.0.7:5123 (8 s)"), "{text}");
    assert!(text.contains("web: left GET /events (2 s)"), "{text}");
    assert!(report.to_line().contains("7 left, the oldest: GET /export"), "{}", report.to_line());
    assert_eq!(Report::from_json(&report.to_json()).unwrap(), report);
}

#[tokio::test(start_paused = true)]
async fn while_it_runs_everybody_who_looks_is_told() {
    let coordinator = coordinator();
    coordinator.register_waiter(web()).unwrap();
    coordinator.initiate(Cause::requested("test"));
    let looks = async {
        sleep(SECOND).await;
        coordinator.report().waiter("web").unwrap().pending.clone()
    };
    let (_, seen) = tokio::join!(coordinator.run(), looks);
    assert_eq!(seen.unwrap().total, 7);
}

#[tokio::test(start_paused = true)]
async fn a_second_signal_keeps_it_too_and_who_ended_well_was_waiting_for_nothing() {
    let coordinator = coordinator();
    let quick = Waiter::new("quick", |_deadline| async {})
        .pending(|| Pending { total: 1, oldest: Vec::new() });
    coordinator.register_waiter(quick).unwrap();
    let report = stopped(&coordinator).await;
    assert_eq!(report.waiter("quick").unwrap().pending, None);
    assert_eq!(report.elapsed, Duration::ZERO);
}
