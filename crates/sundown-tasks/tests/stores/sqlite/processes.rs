//! Real processes on one file: killed, frozen, without room. The program is the example `one_file`.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use sundown_drill::cargo::example;
use sundown_drill::process::{Launch, Process, Signal};
use sundown_tasks::{Filter, State};

use super::Scratch;
use crate::conformance::Bench;
use crate::conformance::support::*;

const MINUTE: &str = "60000";

fn one_file() -> Launch {
    Process::new(example("sundown-tasks", "one_file").unwrap())
}

fn worker(database: &Path, lease: &str, each: &str) -> Process {
    one_file().arg("work").arg(database).args([lease, each]).spawn().unwrap()
}

fn waits_for(process: &Process, start: &str) -> String {
    process.wait_for_line(|line| line.starts_with(start), PATIENCE).unwrap().text
}

fn kill(mut process: Process) {
    process.signal(Signal::Kill).unwrap();
    process.wait(PATIENCE).unwrap();
}

#[tokio::test]
async fn after_kill_9_another_takes_over_long_before_the_lease_ends() {
    let scratch = Scratch::create("kill");
    let store = scratch.open().await;
    let doomed = worker(&scratch.database(), MINUTE, MINUTE);
    let mut greeting = task("greet");
    greeting.max_interruptions = 9;
    let id = enqueue(&store, greeting).await;
    waits_for(&doomed, &format!("begin {id}, attempt 1"));
    let heir = worker(&scratch.database(), MINUTE, "1");
    waits_for(&heir, "open as");
    let killed = Instant::now();
    kill(doomed);
    waits_for(&heir, &format!("rescued {id}, attempt 1"));
    waits_for(&heir, &format!("end {id}, attempt 2: Now(Succeeded)"));
    assert!(killed.elapsed() < Duration::from_secs(15), "{:?}", killed.elapsed());
    assert_eq!(seen(&get(&store, id).await), (State::Succeeded, 0, 1, false));
    kill(heir);
}

#[tokio::test]
async fn a_frozen_one_loses_its_lease_and_is_refused_when_it_comes_back() {
    let scratch = Scratch::create("frozen");
    let store = scratch.open().await;
    let id = enqueue(&store, task("greet")).await;
    let mut zombie = worker(&scratch.database(), "500", "1500");
    waits_for(&zombie, &format!("begin {id}, attempt 1"));
    zombie.signal(Signal::Stop).unwrap();
    let heir = worker(&scratch.database(), MINUTE, "1500");
    waits_for(&heir, &format!("rescued {id}, attempt 1"));
    waits_for(&heir, &format!("begin {id}, attempt 2"));
    zombie.signal(Signal::Cont).unwrap();
    waits_for(&zombie, &format!("end {id}, attempt 1: Superseded"));
    waits_for(&heir, &format!("end {id}, attempt 2: Now(Succeeded)"));
    kill(zombie);
    kill(heir);
}

#[tokio::test]
async fn killed_at_any_moment_nothing_acknowledged_is_lost_or_doubled() {
    let scratch = Scratch::create("moments");
    let mut acknowledged = std::collections::HashMap::new();
    let submit = || one_file().arg("submit").arg(scratch.database()).spawn().unwrap();
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    for round in 0..10 {
        let (mut first, mut second) = (submit(), submit());
        let number = if round == 0 { 20 } else { random.u64(0..20) };
        waits_for(&second, "taken in 0 as");
        waits_for(&first, &format!("taken in {number} as"));
        tokio::time::sleep(Duration::from_micros(random.u64(0..5000))).await;
        for process in [&mut first, &mut second] {
            process.signal(Signal::Kill).unwrap();
        }
        for process in [first, second] {
            for line in process.wait(PATIENCE).unwrap().lines {
                let Some(rest) = line.text.strip_prefix("taken in ") else { continue };
                let Some((number, id)) = rest.split_once(" as ") else { continue };
                let known = acknowledged.entry(number.to_owned()).or_insert(id.to_owned());
                assert_eq!(known, id, "seed {seed}: {number} was taken in twice");
            }
        }
    }
    let store = scratch.open().await;
    let all = store.list(Filter { limit: 1_000_000, ..Filter::default() }).await.unwrap();
    assert!(acknowledged.len() > 20, "seed {seed}: {}", acknowledged.len());
    for (number, id) in &acknowledged {
        let id = id.parse().unwrap();
        let task = all.iter().find(|task| task.id == id);
        let task = task.unwrap_or_else(|| panic!("seed {seed}: {number} is lost"));
        assert_eq!(task.input.get(), number);
    }
    store.rescue(10).await.unwrap();
    let pending = all.len() as u64;
    counts_become(&store, sundown_tasks::Counts { pending, running: 0, dead: 0 }).await;
    let files = std::fs::read_dir(scratch.path("tasks.db-owners")).unwrap().count();
    assert_eq!(files, 1, "those of the dead are gone");
}

/// A limit on the size of files stands in for a disk without room.
#[tokio::test]
async fn without_room_it_says_so_and_goes_on_when_there_is_some() {
    let scratch = Scratch::create("full");
    let program = example("sundown-tasks", "one_file").unwrap();
    let launch = Process::new("sh").args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]).arg(program);
    let submit = launch.arg("submit").arg(scratch.database()).spawn().unwrap();
    waits_for(&submit, "taken in 0 as");
    let id = Pid::from_raw(i32::try_from(submit.id()).unwrap());
    let limit = |bytes| {
        let new = Rlimit { current: bytes, maximum: None };
        prlimit(id, Resource::Fsize, new).unwrap();
    };
    limit(Some(64 << 10));
    let refusal = waits_for(&submit, "not taken in");
    assert!(refusal.contains("not available") && refusal.contains("tasks.db"), "{refusal}");
    let number: u64 = refusal.split([' ', ':']).nth(3).unwrap().parse().unwrap();
    limit(None);
    waits_for(&submit, &format!("taken in {} as", number + 20));
    kill(submit);
    let store = scratch.open().await;
    let all = store.list(Filter { limit: 1_000_000, ..Filter::default() }).await.unwrap();
    let inputs: Vec<u64> = all.iter().rev().map(|task| task.input.get().parse().unwrap()).collect();
    assert_eq!(inputs, (0..inputs.len() as u64).collect::<Vec<_>>(), "one of each, in order");
}
