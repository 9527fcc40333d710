//! The metrics of the core, as a recorder sees them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};
use sundown::{Coordinator, Waiter};

use super::support::{builder, stop};

/// Writes down what it is told, a line each.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

struct Line {
    key: String,
    lines: Lines,
}

impl Line {
    fn write(&self, value: impl std::fmt::Display) {
        self.lines.0.lock().unwrap().push(format!("{} {value}", self.key));
    }
}

impl Lines {
    fn line(&self, key: &Key) -> Arc<Line> {
        let labels: Vec<_> = key.labels().map(|l| format!("{}={}", l.key(), l.value())).collect();
        let key = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::new(Line { key, lines: self.clone() })
    }
}

impl CounterFn for Line {
    fn increment(&self, value: u64) {
        self.write(format!("+{value}"));
    }
    fn absolute(&self, value: u64) {
        self.write(value);
    }
}

impl GaugeFn for Line {
    fn increment(&self, value: f64) {
        self.write(format!("+{value}"));
    }
    fn decrement(&self, value: f64) {
        self.write(format!("-{value}"));
    }
    fn set(&self, value: f64) {
        self.write(value);
    }
}

impl HistogramFn for Line {
    fn record(&self, value: f64) {
        self.write(format!("{value:.1}"));
    }
}

impl Recorder for Lines {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.line(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.line(key))
    }
    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.line(key))
    }
}

#[test]
fn phases_outcomes_and_aborted_work_are_counted() {
    let lines = Lines::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    metrics::with_local_recorder(&lines, || {
        runtime.block_on(async {
            let coordinator = builder().build().unwrap();
            let slow = Waiter::new("slow", |_| tokio::time::sleep(Duration::from_secs(2)));
            coordinator.register_waiter(slow).unwrap();
            drop(coordinator.spawn("reindex", std::future::pending::<()>()));
            coordinator.order(["slow", Coordinator::OWNED_WORK]).unwrap();
            stop(&coordinator).await;
        });
    });
    let lines = lines.0.lock().unwrap();
    for expected in [
        "sundown_cap_seconds{} 30",
        "sundown_phase_budget_seconds{phase=flush} 0",
        "sundown_phase_budget_seconds{phase=drain} 29.75",
        "sundown_shutting_down{} 1",
        "sundown_phase_duration_seconds{phase=flush} 0.0",
        "sundown_waiter_duration_seconds{phase=drain,waiter=slow} 2.0",
        "sundown_waiter_outcomes_total{phase=drain,waiter=slow,outcome=done} +1",
        "sundown_waiter_outcomes_total{phase=drain,waiter=owned work,outcome=timed_out} +1",
        "sundown_owned_work_aborted_total{} +1",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} in {lines:#?}");
    }
}
