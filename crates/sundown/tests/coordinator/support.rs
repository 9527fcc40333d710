//! What the tests of the coordinator share.

use std::sync::Arc;
use std::time::Duration;

use sundown::{Builder, Cause, Coordinator, Outcome, Report, Waiter};

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn builder() -> Builder {
    Coordinator::builder().cap(30 * SECOND).announce(Duration::ZERO)
}

pub(super) fn coordinator() -> Arc<Coordinator> {
    builder().build().unwrap()
}

pub(super) fn idle(name: &'static str) -> Waiter {
    Waiter::new(name, |_| async {})
}

pub(super) async fn stop(coordinator: &Coordinator) -> Report {
    coordinator.initiate(Cause::requested("test"));
    coordinator.run().await
}

pub(super) fn outcome(report: &Report, name: &str) -> Option<Outcome> {
    report.waiter(name).unwrap().outcome
}
