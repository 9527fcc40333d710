//! A task that dies with its process is warned about. Warnings go to one subscriber for the whole
//! process, so this is a test by itself.

#![cfg(all(unix, feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use sundown::Coordinator;
use sundown_tasks::{
    Kind, NewTask, Settings, SqliteSettings, SqliteStore, Store, TaskContext, TaskService, Wanted,
};
use tokio::time::sleep;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Every warning, as a line of its fields.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        about.level() == &Level::WARN
    }
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

fn task(max_interruptions: u32) -> NewTask {
    NewTask {
        kind: "a".to_owned(),
        route: String::new(),
        input: RawValue::NULL.to_owned(),
        key: None,
        priority: 0,
        run_at: None,
        max_attempts: 1,
        max_interruptions,
    }
}

#[tokio::test]
async fn a_task_that_dies_with_its_process_is_warned_about() {
    let warnings = Warnings::default();
    tracing::subscriber::set_global_default(warnings.clone()).unwrap();
    let directory = std::env::temp_dir().join(format!("sundown-warned-{}", std::process::id()));
    std::fs::create_dir(&directory).unwrap();
    let open = || Arc::new(SqliteStore::open(SqliteSettings::new(directory.join("t.db"))).unwrap());

    // A process that claims two tasks, and is gone. One of them may be interrupted.
    let gone = open();
    gone.enqueue(vec![task(0), task(9)], 10).await.unwrap();
    let wanted = Wanted { kind: "a".to_owned(), routes: [].into(), count: 2 };
    let claims = gone.claim(vec![wanted], 2, Duration::from_millis(1)).await.unwrap();
    assert_eq!(claims.len(), 2);
    let coordinator = Coordinator::builder().announce(Duration::ZERO).build().unwrap();
    let kind = Kind::blocking("a", |_: (), _: TaskContext| Ok(()));
    let settings = Settings::default().lease(Duration::from_millis(300));
    let _service = TaskService::start(coordinator, open(), [kind], settings).unwrap();

    let began = Instant::now();
    let told = || {
        let all = warnings.0.lock().unwrap().clone();
        all.into_iter().filter(|line| line.contains("over without success")).collect::<Vec<_>>()
    };
    while told().is_empty() {
        assert!(began.elapsed() < Duration::from_secs(30), "{:?}", warnings.0.lock().unwrap());
        sleep(Duration::from_millis(10)).await;
    }
    let told = told();
    let line = &told[0];
    for part in ["task=1 ", "kind=a ", "attempt=1 ", "state=\"dead\" ", "error=its lease ran out"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert_eq!(told.len(), 1, "{told:?}");
    gone.close().await.unwrap();
    std::fs::remove_dir_all(&directory).unwrap();
}
