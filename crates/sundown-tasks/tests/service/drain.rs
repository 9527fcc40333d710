//! The shutdown: what runs ends, what does not end goes on elsewhere, nothing runs twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sundown::Outcome;
use sundown_tasks::{Kind, State, Task, TaskContext, TaskError};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::desk::{PATIENCE, Place, settings, sleeper, start, start_with};

#[tokio::test]
async fn what_runs_is_waited_for_and_the_report_names_it() {
    let place = Place::new();
    let replica = start(&place, vec![sleeper()]);
    let tasks =
        [replica.hand_in("sleep", json!(300)).await, replica.hand_in("sleep", json!(400)).await];
    for task in tasks {
        replica.reaches(task, State::Running).await;
    }
    let report = replica.stop().await;
    assert!(report.is_clean(), "{report}");
    let waiter = report.waiter("tasks").unwrap();
    let named = format!("2 ended: {}, {}", tasks[0], tasks[1]);
    assert_eq!(waiter.detail.as_deref(), Some(&*named));
    let store = place.store();
    for task in tasks {
        assert_eq!(store.get(task).await.unwrap().unwrap().state, State::Succeeded);
    }
}

#[tokio::test]
async fn what_does_not_end_in_time_goes_on_elsewhere_at_once_and_loses_no_attempt() {
    let place = Place::new();
    let settings = || settings().reserve(Duration::from_millis(100)).concurrency(2);
    // 6 s, of which flush and release keep 5 each unless told otherwise.
    let replica = start_with(&place, vec![sleeper()], settings(), Duration::from_millis(11_000));
    let mut tasks = Vec::new();
    for _ in 0..5 {
        tasks.push(replica.hand_in("sleep", json!(60_000)).await);
    }
    replica.reaches(tasks[0], State::Running).await;
    replica.reaches(tasks[1], State::Running).await;

    // The other replica has room for all, and takes what waits as soon as the first one stops.
    let other =
        start_with(&place, vec![sleeper()], settings().concurrency(8), Duration::from_secs(20));
    for task in &tasks[2..] {
        other.reaches(*task, State::Running).await;
    }
    let report = replica.stop().await;
    let handed_back = Instant::now();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.handed_back(), 2);
    let detail = report.waiter("tasks hand-back").unwrap().detail.clone().unwrap();
    assert_eq!(detail, format!("{}, {}", tasks[0], tasks[1]));
    for task in &tasks[..2] {
        let entry = other.reaches(*task, State::Running).await;
        assert_eq!((entry.attempt, entry.failures, entry.interruptions), (2, 0, 1));
    }
    assert!(handed_back.elapsed() < Duration::from_secs(5), "it did not wait for a lease");
    for task in tasks {
        other.service.cancel(task).await.unwrap();
    }
    other.stop().await;
}

#[tokio::test]
async fn claimed_but_unstarted_work_goes_back_at_once() {
    let place = Place::new();
    let settings = settings().concurrency(1);
    let replica = start_with(&place, vec![sleeper()], settings, Duration::from_secs(20));
    // Quick ones first, so that it claims ahead.
    for _ in 0..200 {
        replica.hand_in("sleep", json!(0)).await;
    }
    let slow = replica.hand_in("sleep", json!(700)).await;
    let last = replica.hand_in("sleep", json!(1)).await;
    replica.reaches(slow, State::Running).await;
    let report = replica.stop().await;
    assert!(report.is_clean(), "{report}");
    let entry = place.store().get(last).await.unwrap().unwrap();
    assert_eq!((entry.state, entry.interruptions, entry.failures), (State::Pending, 0, 0));
}

#[tokio::test]
async fn a_drain_of_many_leases_makes_nothing_run_twice() {
    let place = Place::new();
    let runs = Arc::new(AtomicU32::new(0));
    let kind = || {
        let runs = runs.clone();
        Kind::blocking("once", move |millis: u64, _| {
            runs.fetch_add(1, Ordering::SeqCst);
            std::thread::park_timeout(Duration::from_millis(millis));
            Ok(())
        })
    };
    let settings = || settings().lease(Duration::from_millis(200));
    let cap = Duration::from_secs(20);
    let replica = start_with(&place, vec![kind()], settings(), cap);
    let other = start_with(&place, vec![kind()], settings(), cap);
    let mut tasks = Vec::new();
    for _ in 0..4 {
        tasks.push(replica.hand_in("once", json!(2000)).await);
    }
    for task in &tasks {
        replica.reaches(*task, State::Running).await;
    }
    // Ten leases long.
    let (first, second) = tokio::join!(replica.stop(), other.stop());
    assert!(first.is_clean() && second.is_clean(), "{first}\n{second}");
    assert_eq!(runs.load(Ordering::SeqCst), 4);
    for task in tasks {
        let entry = place.store().get(task).await.unwrap().unwrap();
        assert_eq!((entry.state, entry.attempt), (State::Succeeded, 1));
    }
}

/// Counts, and stops where it is when it is told to wrap up.
struct Counts;

impl Task for Counts {
    const KIND: &'static str = "count";
    type Input = u64;
    type Output = Value;

    async fn run(&self, to: u64, context: TaskContext) -> Result<Value, TaskError> {
        let from = context.cursor("count").unwrap_or(0);
        for number in from..to {
            sleep(Duration::from_millis(5)).await;
            context.checkpoint("count", &(number + 1)).await?;
            if context.is_wrapping_up() {
                return Err(TaskError::unfinished());
            }
        }
        Ok(json!({ "from": from }))
    }
}

#[tokio::test]
async fn a_task_that_wraps_up_goes_on_where_it_stopped() {
    let place = Place::new();
    let replica = start(&place, vec![Kind::new(Counts)]);
    let task = replica.hand_in("count", json!(100)).await;
    while replica.service.get(task).await.unwrap().unwrap().checkpoint.is_none() {
        sleep(Duration::from_millis(5)).await;
    }
    let began = Instant::now();
    let report = replica.stop().await;
    assert!(report.is_clean(), "{report}");
    assert!(began.elapsed() < Duration::from_secs(5), "it did not wait for the end of the task");
    assert_eq!(report.handed_back(), 1, "{report}");
    let other = start(&place, vec![Kind::new(Counts)]);
    let entry = other.reaches(task, State::Succeeded).await;
    let from: Value = serde_json::from_str(entry.output.unwrap().get()).unwrap();
    assert!(from["from"].as_u64().unwrap() > 0, "{from}");
    assert_eq!((entry.failures, entry.interruptions), (0, 1));
    other.stop().await;
}

#[tokio::test]
async fn tasks_know_until_when_they_have_time() {
    struct Asks(Arc<Notify>);
    impl Task for Asks {
        const KIND: &'static str = "ask";
        type Input = ();
        type Output = Value;
        async fn run(&self, (): (), context: TaskContext) -> Result<Value, TaskError> {
            assert!(context.deadline().is_none(), "while the service runs there is none");
            self.0.notify_one();
            context.wrapping_up().await;
            sleep(Duration::from_millis(50)).await;
            let left = context.deadline().map(|deadline| deadline.left().as_millis());
            Ok(json!(left))
        }
    }
    let place = Place::new();
    let asked = Arc::new(Notify::new());
    let replica = start(&place, vec![Kind::new(Asks(asked.clone()))]);
    let task = replica.hand_in("ask", json!(null)).await;
    // `Running` is written before the body gets its first turn.
    timeout(PATIENCE, asked.notified()).await.unwrap();
    let report = replica.stop().await;
    assert_eq!(report.waiter("tasks").unwrap().outcome, Some(Outcome::Done));
    let entry = place.store().get(task).await.unwrap().unwrap();
    assert_eq!(entry.state, State::Succeeded, "{:?}", entry.error);
    let left: u64 = entry.output.unwrap().get().parse().unwrap();
    // 20 s, less flush, release, the last words and the reserve.
    assert!((5000..8000).contains(&left), "{left}");
}
