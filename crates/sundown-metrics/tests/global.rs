//! The recorder of the whole process, of which there can be one: in a test program of its own.

use std::time::Duration;

use sundown::{Cause, Coordinator, Waiter};
use sundown_metrics::{MetricsService, Settings, StartError};

#[tokio::test]
async fn the_facade_is_served_once_per_process_and_a_second_recorder_is_a_typed_error() {
    let build = || Coordinator::builder().cap(Duration::from_secs(30)).build().unwrap();
    let coordinator = build();
    let metrics = MetricsService::start(coordinator.clone(), Settings::default()).unwrap();
    metrics::counter!("jobs_total").increment(2);
    assert!(metrics.render().contains("\njobs_total 2\n"), "{}", metrics.render());

    let other = build();
    let second = MetricsService::start(other.clone(), Settings::default());
    assert!(matches!(second, Err(StartError::RecorderInstalled)), "{second:?}");
    // It left nothing behind: the name is free, and there is no notification.
    other.register_waiter(Waiter::new("x", |_| async {})).unwrap();
    other.initiate(Cause::requested("test"));
    let report = other.run().await;
    assert!(report.waiter(MetricsService::NAME).is_none());
    assert!(report.notifications.is_empty());

    let beside = MetricsService::start(other, Settings::default().standalone());
    assert!(matches!(beside, Err(StartError::Plan(_))), "its phase has passed: {beside:?}");
}
