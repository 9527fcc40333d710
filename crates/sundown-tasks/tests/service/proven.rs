//! What only a store has to show that knows who is dead.

use std::time::Duration;

use serde_json::json;
use sundown_tasks::{Enqueued, NewTask, State, Wanted};

use super::desk::{Place, raw, settings, start_with};
use super::gate::Gate;

#[tokio::test]
async fn what_the_dead_held_is_taken_back_at_once_by_whoever_has_just_come() {
    let place = Place::file();
    let lease = Duration::from_secs(3600);
    let dead = place.store().await;
    let task = NewTask {
        kind: "gate".to_owned(),
        route: String::new(),
        input: raw(&json!(null)),
        key: None,
        priority: 0,
        run_at: None,
        max_attempts: 3,
        max_interruptions: 3,
    };
    let [Enqueued::New(task)] = dead.enqueue(vec![task], 10).await.unwrap()[..] else { panic!() };
    let wanted = Wanted { kind: "gate".to_owned(), routes: [].into(), count: 1 };
    assert_eq!(dead.claim(vec![wanted], 1, lease).await.unwrap().len(), 1);
    // It gives its lock back and nothing else, as the kernel does for a process that is killed.
    dead.close().await.unwrap();
    let gate = Gate::new();
    gate.open();
    let cap = Duration::from_secs(20);
    let replica = start_with(&place, vec![gate.kind()], settings().lease(lease), cap).await;
    let entry = replica.reaches(task, State::Succeeded).await;
    assert_eq!((entry.attempt, entry.interruptions), (2, 1));
    replica.stop().await;
}
