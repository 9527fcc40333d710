//! A service whose database is not there yet: alive, not ready, and patient.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use sundown_drill::postgres::{Fsync, Server, Stop};
use sundown_drill::process::{Process, Signal};
use tokio::time::{Instant, sleep};

use crate::http::{get, request};
use crate::service::{PATIENCE, Scratch, last_word, serving, sundown};

/// A server that has its port, and is down.
fn server_that_is_down() -> Server {
    let server = Server::start(Fsync::Off).unwrap();
    server.stop(Stop::Fast).unwrap();
    server
}

fn start(scratch: &Scratch, url: &str) -> Process {
    sundown("serve --demo --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --temp-directory")
        .arg(scratch.path("tmp"))
        .args(["--store", url])
        .args(["--shutdown-report-file", &scratch.path("stop.json")])
        .spawn()
        .unwrap()
}

/// Where probes are answered, which is said before there is a store.
fn admin(process: &Process) -> SocketAddr {
    let line = process.wait_for_line(|line| line.contains("\"message\":\"alive; "), PATIENCE);
    let told: Value = serde_json::from_str(&line.unwrap().text).unwrap();
    told["admin"].as_str().unwrap().parse().unwrap()
}

async fn is_alive_and_not_ready(admin: SocketAddr) {
    assert_eq!(get(admin, "/healthz").await.unwrap().status, 200);
    assert_eq!(get(admin, "/metrics").await.unwrap().status, 200);
    let ready = get(admin, "/readyz").await.unwrap();
    assert_eq!((ready.status, &*ready.text()), (503, "task service unhealthy"));
}

/// It says that it waits, and for what.
fn says_that_it_waits(process: &Process) {
    let waits = |line: &str| line.contains("there is no task store yet; waiting for it");
    let line = process.wait_for_line(waits, PATIENCE).unwrap().text;
    assert!(line.contains("onnect"), "the reason: {line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_started_before_its_database_is_alive_and_serves_when_that_comes() {
    let (scratch, server) = (Scratch::new(), server_that_is_down());
    let process = start(&scratch, &server.url());
    let admin = admin(&process);
    is_alive_and_not_ready(admin).await;
    says_that_it_waits(&process);
    is_alive_and_not_ready(admin).await;
    assert!(process.is_running());

    server.resume().unwrap();
    let mut service = serving(process);
    assert_eq!(service.admin, admin);
    let deadline = Instant::now() + PATIENCE;
    while get(admin, "/readyz").await.unwrap().status != 200 {
        assert!(Instant::now() < deadline, "it does not become ready");
        sleep(Duration::from_millis(20)).await;
    }
    let task = json!({ "kind": "count", "input": { "to": 1 } }).to_string();
    let json = "Content-Type: application/json\r\n";
    let answer = request(service.web, "POST /tasks", json, &task).await.unwrap();
    assert!(answer.status < 300, "{answer:?}");
    service.signal(Signal::Term);
    let exit = service.ends_with(0);
    assert!(exit.stderr.contains("\"the task store is there\""), "{}", exit.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_stopped_while_it_waits_ends_clean_and_reports() {
    let (scratch, server) = (Scratch::new(), server_that_is_down());
    let mut process = start(&scratch, &server.url());
    is_alive_and_not_ready(admin(&process)).await;
    process.signal(Signal::Term).unwrap();
    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
    let told = last_word(&exit);
    assert_eq!(told["sundown"], "clean", "{told}");
    let left = std::fs::read_to_string(scratch.path("stop.json")).unwrap();
    assert!(left.contains("\"clean\""), "{left}");
    assert!(!exit.stderr.contains("\"serving\""), "{}", exit.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_waiting_mends_is_refused_at_once() {
    let (scratch, server) = (Scratch::new(), Server::start(Fsync::Off).unwrap());
    let text = scratch.path("no.db");
    std::fs::write(&text, "this is no database, and will never be one".repeat(100)).unwrap();
    let stores = [
        (server.url_of("nowhere"), "3D000"),
        ("postgres://[".to_owned(), "its URL cannot be read"),
        (text, "no SQLite database"),
    ];
    for (store, why) in stores {
        let exit = start(&scratch, &store).wait(PATIENCE).unwrap();
        assert_eq!(exit.code, Some(2), "{store}: {}", exit.stderr);
        let last = exit.stderr.lines().last().unwrap();
        assert!(last.contains("`tasks.store`: ") && last.contains(why), "{store}: {last}");
    }
}
