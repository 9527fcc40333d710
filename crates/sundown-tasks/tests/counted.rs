//! What the metrics say is what happened. They go to one recorder for the whole process, so this is a
//! test by itself.

#![cfg(all(unix, feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use serde_json::value::to_raw_value;
use sundown::{Cause, Coordinator};
use sundown_tasks::{
    Kind, Request, Settings, SqliteSettings, SqliteStore, TaskContext, TaskService,
};
use tokio::time::sleep;

/// Counters and gauges by name and labels.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<BTreeMap<String, Arc<AtomicU64>>>>);

impl Tally {
    fn at(&self, key: &Key) -> Arc<AtomicU64> {
        let labels = key.labels().map(|label| format!(" {}={}", label.key(), label.value()));
        let name = format!("{}{}", key.name(), labels.collect::<String>());
        self.0.lock().unwrap().entry(name).or_default().clone()
    }

    fn count(&self, name: &str) -> u64 {
        let found = self.0.lock().unwrap().get(name).cloned();
        found.map_or(0, |count| count.load(Ordering::SeqCst))
    }

    fn gauge(&self, name: &str) -> f64 {
        f64::from_bits(self.count(name))
    }
}

impl Recorder for Tally {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.at(key))
    }
    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.at(key))
    }
    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn what_is_counted_is_what_happened() {
    let tally = Tally::default();
    metrics::set_global_recorder(tally.clone()).unwrap();
    let file = std::env::temp_dir().join(format!("sundown-counted-{}", std::process::id()));
    std::fs::create_dir(&file).unwrap();
    let store = Arc::new(SqliteStore::open(SqliteSettings::new(file.join("tasks.db"))).unwrap());
    let coordinator = Coordinator::builder().announce(Duration::ZERO).build().unwrap();
    let gate = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_open = gate.clone();
    let kind = Kind::blocking("wait", move |_: u32, _: TaskContext| {
        while !is_open.load(Ordering::SeqCst) {
            std::thread::park_timeout(Duration::from_millis(5));
        }
        Ok(())
    });
    let settings = Settings::default().concurrency(1).queue_limit(2);
    let service = TaskService::start(coordinator.clone(), store.clone(), [kind], settings).unwrap();
    let ask = |input: u32| Request::new("wait", to_raw_value(&input).unwrap());
    let until = async |what: &str, is_so: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < Duration::from_secs(30), "never: {what}");
            sleep(Duration::from_millis(5)).await;
        }
    };

    service.start_task(ask(1)).await.unwrap();
    until("it runs", &|| tally.count("sundown_tasks_attempts_total kind=wait") == 1).await;
    assert!((tally.gauge("sundown_tasks_active") - 1.0).abs() < 0.1);
    until("the store answers", &|| tally.gauge("sundown_tasks_healthy") > 0.9).await;
    service.start_task(ask(2).key("two")).await.unwrap();
    service.start_task(ask(2).key("two")).await.unwrap();
    service.start_task(ask(3).key("two")).await.unwrap_err();
    service.start_task(ask(4)).await.unwrap();
    service.start_task(ask(5)).await.unwrap_err();
    service.start_task(Request::new("wiat", to_raw_value(&1).unwrap())).await.unwrap_err();
    assert_eq!(tally.count("sundown_tasks_enqueued_total kind=wait"), 3, "those that are new");
    let refused = |why: &str| tally.count(&format!("sundown_tasks_refused_total why={why}"));
    assert_eq!(["key_taken", "queue_full", "unknown_kind", "store"].map(refused), [1, 1, 1, 0]);

    // While it stops the gauge still moves.
    coordinator.initiate(Cause::requested("test"));
    gate.store(true, Ordering::SeqCst);
    assert!(coordinator.run().await.is_clean());
    assert!(tally.gauge("sundown_tasks_active").abs() < 0.1);
    assert_eq!(tally.count("sundown_tasks_finished_total state=succeeded"), 1);

    let coordinator = Coordinator::builder().build().unwrap();
    let settings = Settings::default().named("other");
    let kind = Kind::blocking("wait", |_: u32, _: TaskContext| Ok(()));
    let closed = TaskService::start(coordinator, store.clone(), [kind], settings).unwrap();
    closed.start_task(ask(6)).await.unwrap_err();
    closed.start_batch(vec![ask(7), ask(8)]).await.unwrap_err();
    assert_eq!(refused("store"), 3);
    until("the store is ill", &|| tally.gauge("sundown_tasks_healthy") < 0.1).await;
    assert_eq!(tally.count("sundown_tasks_enqueued_total kind=wait"), 3);
    std::fs::remove_dir_all(file).unwrap();
}
