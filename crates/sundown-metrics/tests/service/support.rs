//! What the tests of the exporter share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sundown::{Cause, Coordinator, Report, Waiter};
use sundown_metrics::{MetricsService, Settings};

use crate::exposition::Exposition;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn coordinator() -> Arc<Coordinator> {
    Coordinator::builder().cap(30 * SECOND).announce(Duration::ZERO).build().unwrap()
}

pub(crate) fn standalone() -> Settings {
    Settings::default().standalone().interval(SECOND)
}

/// Parses what is rendered, strictly.
pub(crate) fn scrape(metrics: &MetricsService) -> Exposition {
    Exposition::parse(&metrics.render())
}

/// A participant of `drain` that takes this long.
pub(crate) fn slow(name: &'static str, takes: Duration) -> Waiter {
    Waiter::new(name, move |_| tokio::time::sleep(takes))
}

pub(crate) async fn stop(coordinator: &Coordinator) -> Report {
    coordinator.initiate(Cause::requested("test"));
    coordinator.run().await
}

/// A directory for one test, gone at its end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(test: &str) -> Self {
        let name = format!("sundown-metrics-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
