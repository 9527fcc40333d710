//! Replicas that are configured differently: each runs what it can, and nothing fails because it came to
//! the wrong one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sundown_tasks::{Entry, Kind, Settings, State};

use super::desk::{Place, Replica, settings, start, start_with, until};

/// A kind whose tasks name a program; it runs those of this list.
fn programs(names: &[&str]) -> Kind {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    Kind::blocking("program", |name: String, _| Ok(name)).routed(names, String::clone)
}

/// Waits until the task says that it waits for this.
async fn is_waiting(replica: &Replica, task: sundown_tasks::TaskId, what: &str) -> Entry {
    let mut found = None;
    until("the task is known to wait for a replica", async || {
        found = replica.service.get(task).await.unwrap();
        found.as_ref().is_some_and(|entry| entry.waits_for.as_deref() == Some(what))
    })
    .await;
    found.unwrap()
}

pub(crate) async fn each_replica_runs_what_it_can(place: Place) {
    let old = start(&place, vec![programs(&["old", "both"])]).await;
    let new = start(&place, vec![programs(&["new", "both"])]).await;
    let mut tasks = Vec::new();
    for _ in 0..30 {
        for (replica, name) in [(&old, "old"), (&new, "new"), (&old, "both"), (&new, "both")] {
            tasks.push((replica.hand_in("program", json!(name)).await, name));
        }
    }
    let refused = old.service.start_task(super::desk::request("program", json!("new"))).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("there is no program `new` here (there are: both, old)"), "{refused}");
    for (task, name) in tasks {
        let entry = old.reaches(task, State::Succeeded).await;
        assert_eq!((entry.attempt, entry.failures, entry.error), (1, 0, None), "{name}");
        assert_eq!(entry.route, name);
    }
    old.stop().await;
    new.stop().await;
}

pub(crate) async fn what_no_replica_can_run_waits_and_says_so_and_runs_when_one_can(place: Place) {
    let first = start(&place, vec![programs(&["new"]).concurrency(0)]).await;
    let task = first.hand_in("program", json!("new")).await;
    first.stop().await;
    let other = start(&place, vec![programs(&["old"])]).await;
    let entry = is_waiting(&other, task, "no running replica has the program `new`").await;
    assert_eq!((entry.state, entry.attempt), (State::Pending, 0), "nobody has touched it");
    let listed = other.service.list(sundown_tasks::Filter { limit: 9, ..Default::default() }).await;
    assert_eq!(listed.unwrap()[0].waits_for, entry.waits_for);
    let last = start(&place, vec![programs(&["new"])]).await;
    let entry = other.reaches(task, State::Succeeded).await;
    assert_eq!((entry.attempt, entry.failures, entry.waits_for), (1, 0, None));
    other.stop().await;
    last.stop().await;
}

/// Runs numbers below a bound, and counts.
fn below(bound: u64, ran: &Arc<AtomicU32>) -> Kind {
    let ran = ran.clone();
    Kind::blocking("number", move |number: u64, _| {
        ran.fetch_add(1, Ordering::SeqCst);
        Ok(number)
    })
    .attempts(1)
    .checking(|number: &u64| if *number < 1000 { Ok(()) } else { Err("no number".to_owned()) })
    .running_here(move |number: &u64| {
        if *number < bound { Ok(()) } else { Err(format!("{number} is too much here")) }
    })
}

pub(crate) async fn what_cannot_run_here_is_left_to_others_and_never_fails(place: Place) {
    let (small_ran, large_ran) = (Arc::default(), Arc::default());
    let taker = start(&place, vec![below(1000, &large_ran).concurrency(0)]).await;
    let task = taker.hand_in("number", json!(700)).await;
    let small = start(&place, vec![below(10, &small_ran)]).await;
    let said = "a replica that can run it; the last one could not: 700 is too much here";
    is_waiting(&taker, task, said).await;
    until("it was tried again", async || {
        taker.service.get(task).await.unwrap().is_some_and(|entry| entry.attempt >= 2)
    })
    .await;
    // Others are not kept waiting meanwhile.
    let easy = small.hand_in("number", json!(1)).await;
    assert_eq!(small.reaches(easy, State::Succeeded).await.attempt, 1);
    let entry = taker.service.get(task).await.unwrap().unwrap();
    assert_eq!((entry.failures, entry.interruptions, entry.last_event), (0, 0, 0));
    // Who claims it next is chance; two that can run it make it soon enough.
    let large = start(&place, vec![below(1000, &large_ran)]).await;
    let larger = start(&place, vec![below(1000, &large_ran)]).await;
    let entry = taker.reaches(task, State::Succeeded).await;
    assert_eq!((entry.failures, entry.interruptions), (0, 0));
    let ran = [&small_ran, &large_ran].map(|ran| ran.load(Ordering::SeqCst));
    assert_eq!(ran, [1, 1], "what is declined has not begun");
    for replica in [taker, small, large, larger] {
        replica.stop().await;
    }
}

pub(crate) async fn what_no_process_could_run_fails_for_good(place: Place) {
    let any = Kind::blocking("number", |number: Value, _| Ok(number)).concurrency(0);
    let taker = start(&place, vec![any]).await;
    let [word, large] = [json!("seven"), json!(1000)].map(|input| taker.hand_in("number", input));
    let (word, large) = (word.await, large.await);
    let replica = start(&place, vec![below(10, &Arc::default())]).await;
    for (task, why) in [(word, "expected u64"), (large, "no number")] {
        let error = replica.reaches(task, State::Failed).await.error.unwrap();
        assert!(error.starts_with("its input: ") && error.contains(why), "{error}");
    }
    taker.stop().await;
    replica.stop().await;
}

/// Many that nobody here can run are no reason to leave those alone that one can.
pub(crate) async fn many_that_cannot_run_here_keep_no_other_waiting(place: Place) {
    let taker = start(&place, vec![programs(&["old", "new"]).concurrency(0)]).await;
    let requests = (0..3000).map(|_| super::desk::request("program", json!("new")).priority(9));
    for taken in taker.service.start_batch(requests.collect()).await.unwrap() {
        taken.unwrap();
    }
    let cap = Duration::from_secs(20);
    let few: Settings = settings().concurrency(2);
    let replica = start_with(&place, vec![programs(&["old"])], few, cap).await;
    for _ in 0..20 {
        let task = replica.hand_in("program", json!("old")).await;
        assert_eq!(replica.reaches(task, State::Succeeded).await.attempt, 1);
    }
    assert_eq!(replica.service.counts().await.unwrap().dead, 0);
    taker.stop().await;
    replica.stop().await;
}
