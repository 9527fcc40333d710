//! Replicas of one store with different configurations, as every rolling update makes them: what one
//! side knows waits for that side, and nothing fails or is lost.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use sundown_drill::postgres::{Fsync, Server};
use sundown_drill::process::{Process, Signal};
use tokio::time::{Instant, sleep};

use crate::api::{ask, expect, post, show, submit, until, until_it};
use crate::calls::Other;
use crate::http::get;
use crate::service::{PATIENCE, Scratch, Service, serving, sundown};

/// How many tasks there are in all: in each round so many of each kind and side.
const ROUNDS: usize = 3;
const OF_A_KIND: usize = 50;

/// One of the two configurations: a command and a server that the other one does not have.
struct Side {
    command: &'static str,
    server: Other,
}

impl Side {
    fn new(command: &'static str) -> Self {
        Side { command, server: Other::start() }
    }

    /// A replica with this configuration.
    fn start(&self, scratch: &Scratch, store: &str) -> Service {
        let name = self.command;
        let run = "run = [\"/bin/sh\", \"-c\", \"sleep 0.02\"]";
        let configuration = format!("[commands.{name}]\n{run}\n[tasks]\nconcurrency = 4\n");
        let file = scratch.path(&format!("{name}.toml"));
        fs::write(&file, configuration).unwrap();
        let launch = sundown("serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0")
            .args(["--config", &file, "--store", store, "--shutdown-timeout", "20s"])
            .args(["--http-allow", &self.server.url("/in")])
            .args(["--temp-directory", &scratch.path("tmp")]);
        serving(launch.spawn().unwrap())
    }

    /// Hands in so many tasks of each kind that only this side can run.
    async fn submit(&self, at: SocketAddr, count: usize, ids: &mut Vec<String>) {
        let command = json!({ "kind": "command", "input": { "command": self.command } });
        let call = json!({ "kind": "http", "input": { "url": self.server.url("/in/ok") } });
        let tasks: Vec<Value> =
            [command, call].into_iter().flat_map(|task| vec![task; count]).collect();
        let taken = expect(&post(at, "/tasks/batch", &json!({ "tasks": tasks })).await, 200);
        for one in taken["results"].as_array().unwrap() {
            ids.push(one["id"].as_str().unwrap_or_else(|| panic!("{one}")).to_owned());
        }
    }
}

/// How many tasks stand where, and which of them wait for a replica.
async fn standing(at: SocketAddr, ids: &[String]) -> (BTreeMap<String, usize>, Vec<Value>) {
    let (mut states, mut waiting) = (BTreeMap::new(), Vec::new());
    for id in ids {
        let task = show(at, id).await;
        *states.entry(task["state"].as_str().unwrap().to_owned()).or_default() += 1;
        if !task["waits_for"].is_null() {
            waiting.push(task);
        }
    }
    (states, waiting)
}

async fn stop(mut service: Service) {
    service.signal(Signal::Term);
    service.ends_with(0);
}

async fn is_rolled_three_times(store: &str) {
    let (scratch, sides) = (Scratch::new(), [Side::new("oldcmd"), Side::new("newcmd")]);
    let mut ids = Vec::new();
    let mut living = sides[0].start(&scratch, store);
    for round in 0..ROUNDS {
        let (before, after) = (&sides[round % 2], &sides[(round + 1) % 2]);
        let next = after.start(&scratch, store);
        // 17 + 17 + 16.
        let count = (OF_A_KIND + ROUNDS - 1 - round) / ROUNDS;
        before.submit(living.web, count, &mut ids).await;
        after.submit(next.web, count, &mut ids).await;
        stop(living).await;
        living = next;
    }
    assert_eq!(ids.len(), 4 * OF_A_KIND);
    // The last roll left one side alone: the tasks of the other one wait, and say for what.
    let at = living.web;
    let absent = &sides[(ROUNDS + 1) % 2];
    let late = sides[ROUNDS % 2].command;
    let deadline = Instant::now() + PATIENCE;
    let waiting = loop {
        let (states, waiting) = standing(at, &ids).await;
        let [done, pending] =
            ["succeeded", "pending"].map(|state| states.get(state).copied().unwrap_or(0));
        assert_eq!(states.get("failed").or(states.get("dead")), None, "{states:?}");
        if done + pending == ids.len() && waiting.len() == pending {
            break waiting;
        }
        assert!(Instant::now() < deadline, "{states:?}");
        sleep(Duration::from_millis(100)).await;
    };
    for task in &waiting {
        let said = task["waits_for"].as_str().unwrap();
        let has = |part: &str| said.contains(part);
        assert!(has(absent.command) || has("no running replica has the http `http://"), "{task}");
        assert!(!has(late), "{task}");
    }
    let last = absent.start(&scratch, store);
    for id in &ids {
        let task = until(at, id, "succeeded").await;
        assert_eq!((&task["failures"], &task["waits_for"]), (&json!(0), &Value::Null), "{task}");
    }
    for side in &sides {
        assert!(side.server.heard().len() >= OF_A_KIND, "each call was made");
    }
    stop(living).await;
    stop(last).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_of_two_configurations_fails_no_task_in_a_file() {
    let scratch = Scratch::new();
    is_rolled_three_times(&scratch.path("shared.db")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_update_of_two_configurations_fails_no_task_in_postgres() {
    let server = Server::start(Fsync::Off).unwrap();
    is_rolled_three_times(&server.url()).await;
}

fn lines(process: &Process, of: &str) -> usize {
    process.lines().iter().filter(|line| line.text.contains(of)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_gone_from_every_configuration_is_waited_for_and_comes_back() {
    let (scratch, store) = (Scratch::new(), Scratch::new());
    let store = store.path("shared.db");
    let (gone, other) = (Side::new("gone"), Side::new("other"));
    let mut first = gone.start(&scratch, &store);
    let mut ids = Vec::new();
    for _ in 0..3 {
        let task = json!({ "kind": "command", "input": { "command": "gone" },
            "run_at": crate::api::in_an_hour() });
        ids.push(submit(first.web, &task).await);
    }
    first.signal(Signal::Term);
    first.ends_with(0);
    let file = rusqlite::Connection::open(&store).unwrap();
    assert_eq!(file.execute("update task set run_at = 0", []).unwrap(), 3);
    drop(file);

    let second = other.start(&scratch, &store);
    let waiting = until_it(second.web, &ids[0], |task| !task["waits_for"].is_null()).await;
    assert_eq!(waiting["waits_for"], "no running replica has the command `gone`");
    assert_eq!((&waiting["state"], &waiting["attempt"]), (&json!("pending"), &json!(0)));
    let listed = expect(&ask(second.web, "GET /tasks", "").await, 200);
    assert_eq!(listed["tasks"][0]["waits_for"], waiting["waits_for"]);
    let said = "tasks wait that no running replica can run";
    let line = second.process.wait_for_line(|line| line.contains(said), PATIENCE).unwrap();
    let line: Value = serde_json::from_str(&line.text).unwrap();
    let told = (&line["level"], &line["kind"], &line["route"], &line["tasks"]);
    assert_eq!(told, (&json!("WARN"), &json!("command"), &json!("gone"), &json!(3)), "{line}");
    let metrics = get(second.admin, "/metrics").await.unwrap().text();
    let gauge = "sundown_tasks_unserved{kind=\"command\"} 3";
    assert!(metrics.lines().any(|line| line == gauge), "{metrics}");

    let third = gone.start(&scratch, &store);
    for id in &ids {
        let ended = until(third.web, id, "succeeded").await;
        assert_eq!((&ended["failures"], &ended["interruptions"]), (&json!(0), &json!(0)));
    }
    let served = "no task waits any more for a replica that can run it";
    second.process.wait_for_line(|line| line.contains(served), PATIENCE).unwrap();
    assert_eq!((lines(&second.process, said), lines(&second.process, served)), (1, 1));
    stop(second).await;
    stop(third).await;
}
