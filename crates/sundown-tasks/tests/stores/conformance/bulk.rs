//! Changes of many tasks at once.

use sundown_tasks::{Counts, Ending, NewTask, Operation, Selected, Selection, State, TaskId};

use super::Bench;
use super::support::*;

fn all(operation: Operation, kind: Option<&str>, limit: usize) -> Selection {
    let kind = kind.map(str::to_owned);
    Selection { states: operation.states(), kind, before: None, limit }
}

/// A task of that kind in each state, in the order of the states.
async fn one_of_each(store: &Handle, kind: &str) -> Vec<TaskId> {
    let mut tasks = Vec::new();
    for state in State::ALL {
        let fence = match state {
            State::Pending | State::Cancelled => {
                let later = NewTask { run_at: Some(now() + 3_600_000), ..task(kind) };
                let id = enqueue(store, later).await;
                if state == State::Cancelled {
                    store.cancel(id).await.unwrap();
                }
                tasks.push(id);
                continue;
            }
            State::Running | State::Succeeded | State::Failed | State::Dead => {
                let id = enqueue(store, NewTask { max_attempts: 1, ..task(kind) }).await;
                let fence = claim_one(store, kind).await.fence;
                assert_eq!(fence.task, id);
                fence
            }
        };
        let ending = match state {
            State::Succeeded => Some(succeeded()),
            State::Failed => Some(Ending::FailedForGood { error: "no".to_owned() }),
            State::Dead => Some(failed(LONG)),
            State::Pending | State::Running | State::Cancelled => None,
        };
        if let Some(ending) = ending {
            finish(store, fence, ending).await;
        }
        tasks.push(fence.task);
    }
    tasks
}

pub(crate) async fn each_operation_changes_the_states_it_takes(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let [pending, running, succeeded, failed, cancelled, dead] =
        one_of_each(&store, "a").await.try_into().unwrap();
    let untouched = one_of_each(&store, "b").await;

    let of = |operation| all(operation, Some("a"), 1000);
    assert_eq!(other.count_all(of(Operation::Requeue)).await.unwrap().count, 3);
    let done = other.change_all(Operation::Requeue, of(Operation::Requeue)).await.unwrap();
    assert_eq!(done, Selected { count: 3, next: None });
    for id in [failed, cancelled, dead] {
        let task = get(&store, id).await;
        assert_eq!(seen(&task), (State::Pending, 0, 0, false));
        assert_eq!((task.error.as_ref(), task.ended_at), (None, None));
    }
    let told = store.events(dead, 0, 10).await.unwrap().unwrap();
    assert!(matches!(told.events.last().unwrap().what, sundown_tasks::What::Requeued));
    counts_become(&store, Counts { pending: 5, running: 2, dead: 2 }).await;

    let done = other.change_all(Operation::Cancel, of(Operation::Cancel)).await.unwrap();
    assert_eq!(done.count, 5);
    assert!(get(&store, running).await.is_unwanted, "whoever runs it is asked to end it");
    for id in [pending, failed, cancelled, dead] {
        assert_eq!(state(&store, id).await, State::Cancelled);
    }
    let done = other.change_all(Operation::Discard, of(Operation::Discard)).await.unwrap();
    assert_eq!(done.count, 5);
    for id in [pending, succeeded, failed, cancelled, dead] {
        assert!(store.get(id).await.unwrap().is_none());
        assert!(store.events(id, 0, 1).await.unwrap().is_none());
    }
    counts_become(&store, Counts { pending: 1, running: 2, dead: 2 }).await;
    for (id, expected) in untouched.into_iter().zip(State::ALL) {
        assert_eq!(state(&store, id).await, expected, "it is of another kind");
    }
}

pub(crate) async fn many_are_changed_in_pages_and_none_twice(bench: &impl Bench) {
    let store = bench.open().await;
    let mut tasks = Vec::new();
    for _ in 0..25 {
        tasks.push(enqueue(&store, task("a")).await);
    }
    store.change_all(Operation::Cancel, all(Operation::Cancel, None, 1000)).await.unwrap();
    let mut selection = all(Operation::Requeue, None, 10);
    let mut pages = Vec::new();
    loop {
        let counted = store.count_all(selection.clone()).await.unwrap();
        let done = store.change_all(Operation::Requeue, selection.clone()).await.unwrap();
        assert_eq!(counted, done);
        pages.push(done.count);
        // Whatever is requeued may be over again before the next page.
        for &id in &tasks {
            store.cancel(id).await.unwrap();
        }
        let Some(next) = done.next else { break };
        assert!(tasks.contains(&next));
        selection.before = Some(next);
    }
    assert_eq!(pages, [10, 10, 5]);
    for &id in &tasks {
        let told = store.events(id, 0, 100).await.unwrap().unwrap();
        assert_eq!(told.events.len(), 1, "each was requeued once");
    }
}

pub(crate) async fn a_name_is_of_one_store_and_every_process_has_it(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    assert_eq!(store.identity(), other.identity());
    assert!(store.identity().len() == 32, "{}", store.identity());
    assert!(store.identity().bytes().all(|byte| byte.is_ascii_hexdigit()));
    store.close().await.unwrap();
    other.close().await.unwrap();
    assert_eq!(bench.open().await.identity(), store.identity(), "also after a restart");
}
