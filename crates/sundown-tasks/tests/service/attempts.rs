//! Attempts: how they fail, how they are tried again, what they remember.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sundown_tasks::{Change, Kind, State, Task, TaskContext, TaskError, TellError};
use tokio::sync::Notify;
use tokio::time::timeout;

use super::desk::{PATIENCE, Place, settings, sleeper, start, start_with, until};
use super::gate::Gate;

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

pub(crate) async fn failures_are_tried_again_up_to_a_bound_and_for_good_is_for_good(place: Place) {
    let replica = start(&place, vec![fails()]).await;
    for (how, state, attempts, failures, error) in [
        ("once", State::Succeeded, 2, 1, "not this time"),
        ("for good", State::Failed, 1, 1, "never"),
        ("panic", State::Dead, 3, 3, "panicked: as it was told"),
        ("always", State::Dead, 3, 3, "no luck"),
        ("unfinished", State::Dead, 3, 3, "it stopped unfinished, and nobody had asked it to"),
    ] {
        let task = replica.hand_in("fail", json!(how)).await;
        let entry = replica.reaches(task, state).await;
        assert_eq!((entry.attempt, entry.failures), (attempts, failures), "{how}");
        if state != State::Succeeded {
            assert_eq!(entry.error.as_deref(), Some(error), "{how}");
        }
    }
    replica.stop().await;
}

pub(crate) async fn the_dead_begin_again_or_are_forgotten(place: Place) {
    let replica = start(&place, vec![fails()]).await;
    let task = replica.hand_in("fail", json!("always")).await;
    replica.reaches(task, State::Dead).await;
    assert_eq!(replica.service.requeue(task).await.unwrap(), Change::Now(State::Pending));
    let entry = replica.reaches(task, State::Dead).await;
    assert_eq!((entry.failures, entry.attempt), (3, 6), "numbers of attempts are never used twice");
    assert_eq!(replica.service.discard(task).await.unwrap(), Change::Now(State::Dead));
    assert!(replica.service.get(task).await.unwrap().is_none());
    replica.stop().await;
}

pub(crate) async fn a_kind_runs_no_more_than_its_share_at_once(place: Place) {
    let gate = Gate::new();
    let settings = settings().concurrency(8);
    let kinds = vec![gate.thread().concurrency(2), sleeper()];
    let replica = start_with(&place, kinds, settings, Duration::from_secs(20)).await;
    let mut tasks = Vec::new();
    for _ in 0..20 {
        tasks.push(replica.hand_in("thread", json!(null)).await);
    }
    gate.begun(2).await;
    let quick = replica.hand_in("sleep", json!(1)).await;
    replica.reaches(quick, State::Succeeded).await;
    assert_eq!(gate.seen().begun, 2, "another kind does not wait behind it");
    gate.open();
    for task in tasks {
        replica.reaches(task, State::Succeeded).await;
    }
    assert_eq!(gate.seen().most, 2);
    replica.stop().await;
}

pub(crate) async fn an_attempt_that_takes_too_long_fails(place: Place) {
    let kind = sleeper().timeout(Duration::from_millis(50)).attempts(1);
    let replica = start(&place, vec![kind]).await;
    let task = replica.hand_in("sleep", json!(60_000)).await;
    let entry = replica.reaches(task, State::Dead).await;
    assert_eq!(entry.error.as_deref(), Some("took longer than 50ms"));
    replica.stop().await;
}

/// Panics where nobody looks for it.
struct Traps;

/// Panics when it is dropped.
struct Trap;

impl Drop for Trap {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

/// Cannot be said.
#[derive(Debug)]
struct Unspeakable;

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("said")
    }
}

impl std::error::Error for Unspeakable {}

impl Task for Traps {
    const KIND: &'static str = "trap";
    type Input = String;
    type Output = ();

    async fn run(&self, how: String, _: TaskContext) -> Result<(), TaskError> {
        if how == "said" {
            return Err(Unspeakable.into());
        }
        let _trap = Trap;
        std::future::pending().await
    }
}

pub(crate) async fn a_panic_outside_the_code_is_a_failure(place: Place) {
    let kind = Kind::new(Traps).timeout(Duration::from_millis(50)).attempts(1);
    let replica = start(&place, vec![kind]).await;
    for how in ["said", "dropped"] {
        let task = replica.hand_in("trap", json!(how)).await;
        let entry = replica.reaches(task, State::Dead).await;
        assert_eq!(entry.error, Some(format!("panicked: {how}")));
    }
    // It is counted until its end is known to be stored, a moment later.
    until("none is active", async || replica.service.active() == 0).await;
    replica.stop().await;
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

/// Tells, remembers and answers something deep.
struct Deep;

impl Task for Deep {
    const KIND: &'static str = "deep";
    type Input = usize;
    type Output = Value;

    async fn run(&self, levels: usize, context: TaskContext) -> Result<Value, TaskError> {
        let deep = nested(levels);
        let told = [
            context.progress(&deep).await,
            context.checkpoint("step", &deep).await,
            context.checkpoint_and_tell("step", &deep, &1).await,
        ];
        for told in told {
            match told {
                Err(TellError::TooDeep { levels: found, .. }) => assert_eq!(found, levels),
                other => other?,
            }
        }
        let expected = (levels <= 120).then(|| deep.clone());
        assert_eq!(context.cursor::<Value>("step"), expected);
        Ok(deep)
    }
}

pub(crate) async fn what_could_not_be_read_back_is_refused_in_the_telling(place: Place) {
    let replica = start(&place, vec![Kind::new(Deep)]).await;
    let task = replica.hand_in("deep", json!(120)).await;
    let entry = replica.reaches(task, State::Succeeded).await;
    assert_eq!(entry.checkpoint.unwrap().cursor, nested(120));
    let task = replica.hand_in("deep", json!(200)).await;
    let entry = replica.reaches(task, State::Failed).await;
    assert_eq!((entry.checkpoint, entry.last_event), (None, 1), "the failure alone is told");
    let error = entry.error.unwrap();
    assert_eq!(error, "its output: it is 200 levels deep, and 120 can be read");
    replica.stop().await;
}

/// Waits until it is told to stop, and says so.
struct Obeys(Arc<Notify>);

impl Task for Obeys {
    const KIND: &'static str = "obey";
    type Input = ();
    type Output = ();

    async fn run(&self, (): (), context: TaskContext) -> Result<(), TaskError> {
        self.0.notify_one();
        context.cancelled().await;
        Err(TaskError::unfinished())
    }
}

pub(crate) async fn a_running_task_is_told_that_nobody_wants_it_wherever_it_runs(place: Place) {
    let settings = || settings().poll(Duration::from_millis(20));
    let cap = Duration::from_secs(20);
    let begun = Arc::new(Notify::new());
    let runs = start_with(&place, vec![Kind::new(Obeys(begun.clone()))], settings(), cap).await;
    let task = runs.hand_in("obey", json!(null)).await;
    timeout(PATIENCE, begun.notified()).await.unwrap();
    let elsewhere = start_with(&place, vec![], settings(), cap).await;
    assert_eq!(elsewhere.service.cancel(task).await.unwrap(), Change::Now(State::Running));
    elsewhere.reaches(task, State::Cancelled).await;
    assert_eq!(elsewhere.service.cancel(task).await.unwrap(), Change::Impossible(State::Cancelled));
    runs.stop().await;
    elsewhere.stop().await;
}

pub(crate) async fn what_an_attempt_told_last_is_what_the_next_one_knows(place: Place) {
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
    let moment = Duration::from_millis(5);
    let replica = start(&place, vec![Kind::new(Steps).backoff(moment, moment)]).await;
    let task = replica.hand_in("steps", json!(10)).await;
    let entry = replica.reaches(task, State::Succeeded).await;
    assert_eq!(entry.output.unwrap().get(), "5", "the second attempt began at the fifth step");
    assert_eq!(entry.last_event, 11, "ten steps, each told once, and one failure");
    replica.stop().await;
}
