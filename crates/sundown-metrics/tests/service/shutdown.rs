//! What the exporter does in a shutdown, on the paused clock.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sundown::{Cause, NoopCoordinator, Outcome, PlanError, Priority, Verdict};
use sundown_metrics::{MetricsService, StartError};
use tokio::time::sleep;

use crate::exposition::Exposition;
use crate::support::{SECOND, Scratch, coordinator, scrape, slow, standalone, stop};

const DURATION: &str = "graceful_shutdown_duration_seconds";

#[tokio::test(start_paused = true)]
async fn the_state_flips_and_tasks_are_counted_when_initiate_returns() {
    let coordinator = coordinator();
    let metrics = MetricsService::start(coordinator.clone(), standalone()).unwrap();
    let active = Arc::new(AtomicUsize::new(3));
    let count = active.clone();
    metrics.count_active_tasks(move || count.load(Ordering::SeqCst));
    active.store(5, Ordering::SeqCst);
    assert_eq!(scrape(&metrics).value("application_shutting_down"), 0.0);
    assert_eq!(scrape(&metrics).value("active_tasks_at_shutdown"), 0.0);

    coordinator.initiate(Cause::requested("test"));
    active.store(1, Ordering::SeqCst);
    assert_eq!(scrape(&metrics).value("application_shutting_down"), 1.0);
    assert_eq!(scrape(&metrics).value("active_tasks_at_shutdown"), 5.0);
}

#[tokio::test(start_paused = true)]
async fn a_counter_that_comes_late_is_asked_at_once() {
    let coordinator = coordinator();
    let metrics = MetricsService::start(coordinator.clone(), standalone()).unwrap();
    coordinator.initiate(Cause::requested("test"));
    metrics.count_active_tasks(|| 4);
    assert_eq!(scrape(&metrics).value("active_tasks_at_shutdown"), 4.0);
}

#[tokio::test(start_paused = true)]
async fn the_updater_runs_until_the_shutdown_begins_and_not_after() {
    let coordinator = coordinator();
    let metrics = MetricsService::start(coordinator.clone(), standalone()).unwrap();
    let reads = Arc::new(AtomicUsize::new(0));
    let read = reads.clone();
    metrics.watch("reads", "Times it was read.", move || {
        f64::from(u32::try_from(read.fetch_add(1, Ordering::SeqCst) + 1).unwrap())
    });
    assert_eq!(reads.load(Ordering::SeqCst), 1, "it has a value from the start");
    sleep(SECOND * 7 / 2).await;
    assert_eq!(scrape(&metrics).value("reads"), 4.0);

    coordinator.register_waiter(slow("drains", 10 * SECOND)).unwrap();
    coordinator.initiate(Cause::requested("test"));
    sleep(5 * SECOND).await;
    assert_eq!(reads.load(Ordering::SeqCst), 4, "the updater has stopped");
    let report = coordinator.run().await;
    assert_eq!(report.verdict, Verdict::Clean, "{report}");
    assert_eq!(reads.load(Ordering::SeqCst), 5, "and once more for the last values");
}

#[tokio::test(start_paused = true)]
async fn the_duration_spans_even_hooks_that_were_registered_later() {
    let coordinator = coordinator();
    let metrics = MetricsService::start(coordinator.clone(), standalone()).unwrap();
    let hook = slow("tidies", SECOND).as_hook(Priority::Cleanup);
    coordinator.register_waiter(hook).unwrap();
    coordinator.register_waiter(slow("drains", 10 * SECOND)).unwrap();
    let report = stop(&coordinator).await;
    assert_eq!(report.waiter(MetricsService::LAST).unwrap().outcome, Some(Outcome::Done));
    let said = scrape(&metrics);
    assert_eq!(said.value(&format!("{DURATION}_count")), 1.0);
    assert!(said.value(&format!("{DURATION}_sum")) >= 11.0, "{report}");
    assert_eq!(said.labelled(&format!("{DURATION}_bucket"), &[("le", "10")]), 0.0);
}

#[tokio::test(start_paused = true)]
async fn the_last_values_are_left_in_their_file_in_one_step() {
    let scratch = Scratch::new("last");
    let path = scratch.0.join("shop.prom");
    fs::write(&path, "old").unwrap();
    let coordinator = coordinator();
    let settings = standalone().last_values(&path);
    let _metrics = MetricsService::start(coordinator.clone(), settings).unwrap();
    coordinator.register_waiter(slow("drains", 2 * SECOND)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "old", "nothing is written before the end");
    let report = stop(&coordinator).await;
    assert_eq!(report.verdict, Verdict::Clean, "{report}");
    let left = Exposition::parse(&fs::read_to_string(&path).unwrap());
    assert_eq!(left.value("application_shutting_down"), 1.0);
    assert_eq!(left.value(&format!("{DURATION}_count")), 1.0);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "nothing is left beside it");
}

#[tokio::test(start_paused = true)]
async fn last_values_that_cannot_be_written_are_reported_and_the_duration_is_there_all_the_same() {
    let scratch = Scratch::new("unwritable");
    let path = scratch.0.join("missing/shop.prom");
    fs::create_dir(scratch.0.join("missing")).unwrap();
    let coordinator = coordinator();
    let settings = standalone().last_values(&path);
    let metrics = MetricsService::start(coordinator.clone(), settings).unwrap();
    fs::remove_dir(scratch.0.join("missing")).unwrap();
    let report = stop(&coordinator).await;
    let last = report.waiter(MetricsService::LAST).unwrap();
    assert_eq!(last.outcome, Some(Outcome::Failed));
    assert!(last.detail.as_ref().unwrap().contains("missing/shop.prom"), "{last:?}");
    assert_eq!(scrape(&metrics).value(&format!("{DURATION}_count")), 1.0);
}

#[tokio::test(start_paused = true)]
async fn a_place_where_the_last_values_cannot_be_left_is_refused_at_the_start() {
    let scratch = Scratch::new("refused");
    fs::write(scratch.0.join("file"), "").unwrap();
    for place in ["missing/shop.prom", "file/shop.prom", "."] {
        let path = scratch.0.join(place);
        let coordinator = coordinator();
        let error = MetricsService::start(coordinator.clone(), standalone().last_values(&path));
        let error = error.unwrap_err().to_string();
        let begins = format!("cannot leave the last metrics in {}: ", path.display());
        assert!(error.starts_with(&begins) && error.ends_with("writable)"), "{error}");
        let report = stop(&coordinator).await;
        assert!(report.waiter(MetricsService::NAME).is_none(), "nothing was registered");
    }
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 1, "nothing is left behind");
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_closure_costs_nobody_else_their_value() {
    let coordinator = coordinator();
    let metrics = MetricsService::start(coordinator.clone(), standalone()).unwrap();
    metrics.watch("broken", "Panics.", || panic!("as planned"));
    metrics.watch("sound", "Works.", || 2.0);
    sleep(3 * SECOND).await;
    assert_eq!(scrape(&metrics).value("sound"), 2.0);
    assert_eq!(stop(&coordinator).await.verdict, Verdict::Clean);
}

#[tokio::test(start_paused = true)]
async fn the_noop_coordinator_runs_the_updater_and_never_ends() {
    let noop = Arc::new(NoopCoordinator::new());
    let metrics = MetricsService::start(noop.clone(), standalone()).unwrap();
    let reads = Arc::new(AtomicUsize::new(0));
    let read = reads.clone();
    metrics.watch("reads", "Times it was read.", move || {
        read.fetch_add(1, Ordering::SeqCst);
        1.0
    });
    noop.initiate(Cause::requested("test"));
    sleep(SECOND * 5 / 2).await;
    assert_eq!(reads.load(Ordering::SeqCst), 3);
    assert_eq!(scrape(&metrics).value("application_shutting_down"), 0.0);

    drop(metrics);
    sleep(10 * SECOND).await;
    assert_eq!(reads.load(Ordering::SeqCst), 3, "the updater ends with its service");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_service_takes_no_part_in_the_shutdown() {
    let coordinator = coordinator();
    let metrics = MetricsService::start(coordinator.clone(), standalone()).unwrap();
    drop(metrics.clone());
    let again = MetricsService::start(coordinator.clone(), standalone());
    assert!(matches!(again, Err(StartError::Plan(PlanError::DuplicateName { .. }))), "{again:?}");
    drop(metrics);
    coordinator.register_waiter(slow("drains", SECOND)).unwrap();
    let report = stop(&coordinator).await;
    assert!(report.waiter(MetricsService::NAME).is_none());
    assert!(report.notifications.is_empty());
}
