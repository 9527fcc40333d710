//! The shutdown: what runs ends, what does not end goes on elsewhere, nothing runs twice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sundown::{Cause, Outcome};
use sundown_tasks::{Kind, State, Task, TaskContext, TaskError, TaskId};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::desk::{
    PATIENCE, Place, Replica, request, settings, sleeper, start, start_on, start_with, until,
};
use super::faulty::{Asked, Fate, Faulty, away};
use super::gate::Gate;

pub(crate) async fn what_runs_is_waited_for_and_the_report_names_it(place: Place) {
    let gate = Gate::new();
    let replica = start(&place, vec![gate.kind()]).await;
    let tasks =
        [replica.hand_in("gate", json!(null)).await, replica.hand_in("gate", json!(null)).await];
    gate.begun(2).await;
    replica.coordinator.initiate(Cause::requested("test"));
    // Those that were let go while it stops.
    let (report, ()) = tokio::join!(replica.coordinator.run(), async {
        sleep(Duration::from_millis(300)).await;
        gate.open();
    });
    assert!(report.is_clean(), "{report}");
    let waiter = report.waiter("tasks").unwrap();
    let [one, two] = tasks;
    let named = [format!("2 ended: {one}, {two}"), format!("2 ended: {two}, {one}")];
    assert!(named.contains(waiter.detail.as_ref().unwrap()), "{report}");
    let store = place.store().await;
    for task in tasks {
        assert_eq!(store.get(task).await.unwrap().unwrap().state, State::Succeeded);
    }
}

pub(crate) async fn what_does_not_end_in_time_goes_on_elsewhere_at_once_and_loses_no_attempt(
    place: Place,
) {
    // Nobody would wait for the end of such a lease.
    let lease = Duration::from_secs(3600);
    let settings = || settings().reserve(Duration::from_millis(100)).concurrency(2).lease(lease);
    let (here, there) = (Gate::new(), Gate::new());
    // 1 s, of which flush and release keep 5 each unless told otherwise.
    let cap = Duration::from_secs(11);
    let replica = start_with(&place, vec![here.kind()], settings(), cap).await;
    let mut tasks = Vec::new();
    for _ in 0..5 {
        tasks.push(replica.hand_in("gate", json!(null)).await);
    }
    here.begun(2).await;

    // The other replica has room for all, and takes what waits.
    let cap = Duration::from_secs(20);
    let other = start_with(&place, vec![there.kind()], settings().concurrency(8), cap).await;
    there.begun(3).await;
    let report = replica.stop().await;
    assert_eq!(report.handed_back(), 2);
    let waiter = report.waiter("tasks hand-back").unwrap();
    assert_eq!(waiter.outcome, Some(Outcome::Done), "{report}");
    assert_eq!(waiter.detail, Some(format!("{}, {}", tasks[0], tasks[1])));
    there.begun(5).await;
    there.open();
    for task in &tasks[..2] {
        let entry = other.reaches(*task, State::Succeeded).await;
        assert_eq!((entry.attempt, entry.failures, entry.interruptions), (2, 0, 1));
    }
    other.stop().await;
}

/// Quick tasks, so that it claims ahead, up to one that holds the only place: the last one, behind that,
/// was claimed and has not begun. How far ahead it claims depends on the machine, so it is tried until
/// it is far enough.
async fn claimed_ahead(replica: &Replica, gate: &Gate, behind: &[&str]) -> TaskId {
    let mut last = None;
    until("a task was claimed and not begun", async || {
        let kinds = (0..200).map(|_| "sleep").chain(["gate"]).chain(behind.iter().copied());
        let requests = kinds.map(|kind| request(kind, json!(0))).collect();
        let answers = replica.service.start_batch(requests).await.unwrap();
        let task = answers.last().unwrap().as_ref().unwrap().id;
        gate.sees(|seen| seen.now == 1).await;
        if replica.service.get(task).await.unwrap().unwrap().state == State::Running {
            last = Some(task);
            return true;
        }
        gate.open();
        gate.sees(|seen| seen.now == 0).await;
        gate.close();
        replica.reaches(task, State::Succeeded).await;
        false
    })
    .await;
    last.unwrap()
}

pub(crate) async fn claimed_but_unstarted_work_goes_back_at_once(place: Place) {
    let gate = Gate::new();
    let settings = settings().concurrency(1).ahead(Duration::from_secs(60));
    let cap = Duration::from_secs(20);
    let replica = start_with(&place, vec![gate.kind(), sleeper()], settings, cap).await;
    let store = place.store().await;
    let last = claimed_ahead(&replica, &gate, &["sleep"]).await;
    replica.coordinator.initiate(Cause::requested("test"));
    until("it goes back while the other runs", async || {
        let entry = store.get(last).await.unwrap().unwrap();
        (entry.state, entry.interruptions, entry.failures) == (State::Pending, 0, 0)
    })
    .await;
    assert_eq!(gate.seen().now, 1);
    gate.open();
    let report = replica.coordinator.run().await;
    assert!(report.is_clean(), "{report}");
}

pub(crate) async fn a_place_is_filled_while_the_store_is_asked_for_more(place: Place) {
    let slow = Duration::from_secs(5);
    let asked = Arc::new(OnceLock::new());
    let (is_slow, first) = (Arc::new(AtomicBool::new(false)), asked.clone());
    let now = is_slow.clone();
    let store = Faulty::before(place.store().await, move |question| match question {
        Asked::Claim if now.load(Ordering::SeqCst) => {
            first.get_or_init(Instant::now);
            Fate::Late(slow)
        }
        _ => Fate::Done,
    });
    let gate = Gate::new();
    let settings =
        settings().concurrency(1).lease(Duration::from_secs(60)).ahead(Duration::from_secs(60));
    let replica = start_on(store, vec![gate.kind(), sleeper()], settings, Duration::from_secs(40));
    let last = claimed_ahead(&replica, &gate, &["sleep"; 5]).await;
    is_slow.store(true, Ordering::SeqCst);
    gate.open();
    replica.reaches(last, State::Succeeded).await;
    let waited = asked.get().map(Instant::elapsed);
    assert!(waited.is_none_or(|waited| waited < slow), "they waited for an answer: {waited:?}");
    let report = replica.stop().await;
    assert!(report.is_clean(), "{report}");
}

pub(crate) async fn what_is_claimed_when_it_is_too_late_goes_back_untouched(place: Place) {
    let asked = Arc::new(Notify::new());
    let ask = asked.clone();
    let store = Faulty::before(place.store().await, move |question| match question {
        Asked::Claim => {
            ask.notify_one();
            Fate::Late(Duration::from_secs(1))
        }
        _ => Fate::Done,
    });
    let replica = start_on(store, vec![sleeper()], settings(), Duration::from_secs(20));
    let task = replica.hand_in("sleep", json!(0)).await;
    asked.notified().await;
    let report = replica.stop().await;
    assert!(report.is_clean(), "{report}");
    let entry = place.store().await.get(task).await.unwrap().unwrap();
    let found = (entry.state, entry.attempt, entry.interruptions, entry.failures);
    assert_eq!(found, (State::Pending, 1, 0, 0), "it was claimed, and did not begin");
}

pub(crate) async fn a_drain_of_many_leases_makes_nothing_run_twice(place: Place) {
    let gate = Gate::new();
    let settings = || settings().lease(Duration::from_millis(500));
    let cap = Duration::from_secs(20);
    let replica = start_with(&place, vec![gate.thread()], settings(), cap).await;
    let other = start_with(&place, vec![gate.thread()], settings(), cap).await;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        tasks.push(replica.hand_in("thread", json!(null)).await);
    }
    gate.begun(4).await;
    // Several leases long.
    let (first, second, ()) = tokio::join!(replica.stop(), other.stop(), async {
        sleep(Duration::from_secs(3)).await;
        gate.open();
    });
    assert!(first.is_clean() && second.is_clean(), "{first}\n{second}");
    assert_eq!(gate.seen().begun, 4);
    for task in tasks {
        let entry = place.store().await.get(task).await.unwrap().unwrap();
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

pub(crate) async fn a_task_that_wraps_up_goes_on_where_it_stopped(place: Place) {
    let replica = start(&place, vec![Kind::new(Counts)]).await;
    let task = replica.hand_in("count", json!(400)).await;
    while replica.service.get(task).await.unwrap().unwrap().checkpoint.is_none() {
        sleep(Duration::from_millis(5)).await;
    }
    let report = replica.stop().await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.handed_back(), 1, "it did not wait for the end of the task: {report}");
    let other = start(&place, vec![Kind::new(Counts)]).await;
    let entry = other.reaches(task, State::Succeeded).await;
    let from: Value = serde_json::from_str(entry.output.unwrap().get()).unwrap();
    assert!(from["from"].as_u64().unwrap() > 0, "{from}");
    assert_eq!((entry.failures, entry.interruptions), (0, 1));
    other.stop().await;
}

pub(crate) async fn tasks_know_until_when_they_have_time(place: Place) {
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
    let asked = Arc::new(Notify::new());
    let replica = start(&place, vec![Kind::new(Asks(asked.clone()))]).await;
    let task = replica.hand_in("ask", json!(null)).await;
    // `Running` is written before the body gets its first turn.
    timeout(PATIENCE, asked.notified()).await.unwrap();
    let report = replica.stop().await;
    assert_eq!(report.waiter("tasks").unwrap().outcome, Some(Outcome::Done));
    let entry = place.store().await.get(task).await.unwrap().unwrap();
    assert_eq!(entry.state, State::Succeeded, "{:?}", entry.error);
    let left: u64 = entry.output.unwrap().get().parse().unwrap();
    // 20 s, less flush, release, the last words and the reserve.
    assert!((1000..8000).contains(&left), "{left}");
}

/// Waits until it is to stop, and then has something to say.
struct LastWords(Arc<Notify>);

impl Task for LastWords {
    const KIND: &'static str = "last words";
    type Input = ();
    type Output = ();

    async fn run(&self, (): (), context: TaskContext) -> Result<(), TaskError> {
        self.0.notify_one();
        context.cancelled().await;
        let told = context.checkpoint("last", &1).await;
        Ok(told.map_err(|error| format!("cannot remember: {error}"))?)
    }
}

pub(crate) async fn what_could_not_be_told_while_stopping_is_no_failure_however_it_is_worded(
    place: Place,
) {
    let store = Faulty::before(place.store().await, |asked| match asked {
        Asked::Progress => away(),
        _ => Fate::Done,
    });
    let begun = Arc::new(Notify::new());
    // 1 s, of which flush and release keep 5 each unless told otherwise.
    let cap = Duration::from_secs(11);
    let replica = start_on(store, vec![Kind::new(LastWords(begun.clone()))], settings(), cap);
    let task = replica.hand_in("last words", json!(null)).await;
    timeout(PATIENCE, begun.notified()).await.unwrap();
    let report = replica.stop().await;
    assert!(report.is_clean(), "{report}");
    let entry = place.store().await.get(task).await.unwrap().unwrap();
    assert_eq!((entry.state, entry.failures, entry.interruptions), (State::Pending, 0, 1));
}
