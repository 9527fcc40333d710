//! Replicas share what there is to do: none keeps tasks that another could run.

use std::time::Duration;

use serde_json::json;
use sundown_tasks::State;

use super::desk::{Place, Replica, request, settings, sleeper, start_with, until};
use super::gate::Gate;

const CAP: Duration = Duration::from_secs(20);

async fn replica(place: &Place, gate: &Gate, places: usize) -> Replica {
    start_with(place, vec![gate.kind(), sleeper()], settings().concurrency(places), CAP).await
}

/// Hands in so many of a kind, in one step; none of them takes time by itself.
async fn hand_in(replica: &Replica, kind: &str, count: usize) -> Vec<sundown_tasks::TaskId> {
    let requests = (0..count).map(|_| request(kind, json!(0))).collect();
    let answers = replica.service.start_batch(requests).await.unwrap();
    answers.into_iter().map(|answer| answer.unwrap().id).collect()
}

pub(crate) async fn a_burst_of_long_tasks_uses_the_places_of_all_replicas(place: Place) {
    let gate = Gate::new();
    let mut replicas = Vec::new();
    for _ in 0..3 {
        replicas.push(replica(&place, &gate, 8).await);
    }
    // Quick tasks before them make everybody claim ahead.
    let quick = hand_in(&replicas[0], "sleep", 600).await;
    let long = hand_in(&replicas[0], "gate", 20).await;
    // None of them ends before all have begun.
    gate.sees(|seen| seen.now == 20).await;
    gate.open();
    for task in [quick, long].concat() {
        replicas[0].reaches(task, State::Succeeded).await;
    }
    for replica in replicas {
        assert!(replica.stop().await.is_clean());
    }
}

pub(crate) async fn what_was_claimed_ahead_goes_back_when_no_place_becomes_free(place: Place) {
    let (busy, idle) = (Gate::new(), Gate::new());
    let first = replica(&place, &busy, 1).await;
    // How far ahead it claims depends on the machine, so it is tried until one was claimed that waits.
    let mut waiting = None;
    until("a task was claimed ahead", async || {
        hand_in(&first, "sleep", 200).await;
        let tasks = hand_in(&first, "gate", 3).await;
        busy.sees(|seen| seen.now == 1).await;
        for task in &tasks {
            let entry = first.service.get(*task).await.unwrap().unwrap();
            if entry.attempt > 0 && busy.seen().now == 1 {
                waiting = waiting.or(Some(*task).filter(|task| *task != tasks[0]));
            }
        }
        if waiting.is_some() {
            return true;
        }
        busy.open();
        first.reaches(tasks[2], State::Succeeded).await;
        busy.close();
        false
    })
    .await;
    let waiting = waiting.unwrap();
    let returned = first.reaches(waiting, State::Pending).await;
    assert_eq!((returned.failures, returned.interruptions), (0, 0), "it costs nothing");
    let other = replica(&place, &idle, 8).await;
    idle.open();
    other.reaches(waiting, State::Succeeded).await;
    assert_eq!(busy.seen().now, 1, "and the first one is still busy");
    busy.open();
    assert!(first.stop().await.is_clean() && other.stop().await.is_clean());
}
