//! Attempts: how they fail, how they are tried again, what they remember.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sundown_tasks::{Change, Kind, State, Task, TaskContext, TaskError};
use tokio::time::sleep;

use super::desk::{Place, settings, sleeper, start, start_with};

/// Fails as its input says.
struct Fails;

impl Task for Fails {
    const KIND: &'static str = "fail";
    type Input = String;
    type Output = u32;

    async fn run(&self, how: String, context: TaskContext) -> Result<u32, TaskError> {
        match how.as_str() {
            "once" if context.failures() == 0 => Err("not this time".into()),
            "once" => Ok(context.attempt()),
            "for good" => Err(TaskError::permanent("never")),
            "panic" => panic!("as it was told"),
            "unfinished" => Err(TaskError::unfinished()),
            _ => Err(std::io::Error::other("no luck"))?,
        }
    }
}

fn fails() -> Kind {
    let moment = Duration::from_millis(5);
    Kind::new(Fails).attempts(3).backoff(moment, moment)
}

#[tokio::test]
async fn failures_are_tried_again_up_to_a_bound_and_for_good_is_for_good() {
    let place = Place::new();
    let replica = start(&place, vec![fails()]);
    for (how, state, failures, error) in [
        ("once", State::Succeeded, 1, "not this time"),
        ("for good", State::Failed, 1, "never"),
        ("panic", State::Dead, 3, "panicked: as it was told"),
        ("always", State::Dead, 3, "no luck"),
        ("unfinished", State::Dead, 3, "it stopped unfinished, and nobody had asked it to"),
    ] {
        let task = replica.hand_in("fail", json!(how)).await;
        let entry = replica.reaches(task, state).await;
        assert_eq!(
            (entry.failures, entry.attempt),
            (failures, failures.max(entry.attempt)),
            "{how}"
        );
        if state != State::Succeeded {
            assert_eq!(entry.error.as_deref(), Some(error), "{how}");
        }
    }
    replica.stop().await;
}

#[tokio::test]
async fn the_dead_begin_again_or_are_forgotten() {
    let place = Place::new();
    let replica = start(&place, vec![fails()]);
    let task = replica.hand_in("fail", json!("always")).await;
    replica.reaches(task, State::Dead).await;
    assert_eq!(replica.service.requeue(task).await.unwrap(), Change::Now(State::Pending));
    let entry = replica.reaches(task, State::Dead).await;
    assert_eq!((entry.failures, entry.attempt), (3, 6), "numbers of attempts are never used twice");
    assert_eq!(replica.service.discard(task).await.unwrap(), Change::Now(State::Dead));
    assert!(replica.service.get(task).await.unwrap().is_none());
    replica.stop().await;
}

#[tokio::test]
async fn a_kind_runs_no_more_than_its_share_at_once() {
    let place = Place::new();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (here, highest) = (now.clone(), most.clone());
    let narrow = Kind::blocking("narrow", move |_: Value, _| {
        highest.fetch_max(here.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        std::thread::park_timeout(Duration::from_millis(10));
        here.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    });
    let settings = settings().concurrency(8);
    let kinds = vec![narrow.concurrency(2), sleeper()];
    let replica = start_with(&place, kinds, settings, Duration::from_secs(20));
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(replica.hand_in("narrow", json!(null)).await);
    }
    let quick = replica.hand_in("sleep", json!(1)).await;
    replica.reaches(quick, State::Succeeded).await;
    let pending = replica.service.counts().await.unwrap().pending;
    assert!(pending > 0, "another kind does not wait behind it");
    for task in tasks {
        replica.reaches(task, State::Succeeded).await;
    }
    assert_eq!(most.load(Ordering::SeqCst), 2);
    replica.stop().await;
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_fails() {
    let place = Place::new();
    let kind = sleeper().timeout(Duration::from_millis(50)).attempts(1);
    let replica = start(&place, vec![kind]);
    let task = replica.hand_in("sleep", json!(60_000)).await;
    let entry = replica.reaches(task, State::Dead).await;
    assert_eq!(entry.error.as_deref(), Some("took longer than 50ms"));
    replica.stop().await;
}

/// Waits until it is told to stop, and says so.
struct Obeys;

impl Task for Obeys {
    const KIND: &'static str = "obey";
    type Input = ();
    type Output = ();

    async fn run(&self, (): (), context: TaskContext) -> Result<(), TaskError> {
        context.cancelled().await;
        Err(TaskError::unfinished())
    }
}

#[tokio::test]
async fn a_running_task_is_told_that_nobody_wants_it_wherever_it_runs() {
    let place = Place::new();
    let settings = || settings().poll(Duration::from_millis(20));
    let cap = Duration::from_secs(20);
    let runs = start_with(&place, vec![Kind::new(Obeys)], settings(), cap);
    let task = runs.hand_in("obey", json!(null)).await;
    runs.reaches(task, State::Running).await;
    let elsewhere = start_with(&place, vec![], settings(), cap);
    assert_eq!(elsewhere.service.cancel(task).await.unwrap(), Change::Now(State::Running));
    elsewhere.reaches(task, State::Cancelled).await;
    assert_eq!(elsewhere.service.cancel(task).await.unwrap(), Change::Impossible(State::Cancelled));
    runs.stop().await;
    elsewhere.stop().await;
}

#[tokio::test]
async fn what_an_attempt_told_last_is_what_the_next_one_knows() {
    struct Steps;
    impl Task for Steps {
        const KIND: &'static str = "steps";
        type Input = u32;
        type Output = u32;
        async fn run(&self, count: u32, context: TaskContext) -> Result<u32, TaskError> {
            let first = context.cursor("step").unwrap_or(0);
            for step in first..count {
                context
                    .checkpoint_and_tell("step", &(step + 1), &json!({ "done": step + 1 }))
                    .await?;
                if step == 4 && context.failures() == 0 {
                    return Err("half way".into());
                }
            }
            Ok(first)
        }
    }
    let place = Place::new();
    let moment = Duration::from_millis(5);
    let replica = start(&place, vec![Kind::new(Steps).backoff(moment, moment)]);
    let task = replica.hand_in("steps", json!(10)).await;
    let entry = replica.reaches(task, State::Succeeded).await;
    assert_eq!(entry.output.unwrap().get(), "5", "the second attempt began at the fifth step");
    assert_eq!(entry.last_event, 11, "ten steps, each told once, and one failure");
    sleep(moment).await;
    replica.stop().await;
}
