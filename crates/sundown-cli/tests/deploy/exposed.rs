//! The metrics that the binary really tells: of a service that has been through everything, and of the
//! last values it leaves.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::json;
use sundown_drill::process::Signal;
use tokio::time::{Instant, sleep};

use crate::api::{Desk, JSON, count, end_of, post, submit, until};
use crate::http::{Client, get, request};
use crate::service::{PATIENCE, Scratch, Service, serving};

/// Names of all samples in a text of the format of Prometheus.
fn samples(text: &str) -> BTreeSet<String> {
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
}

async fn scrape(service: &Service) -> BTreeSet<String> {
    samples(&get(service.admin, "/metrics").await.unwrap().text())
}

/// Everything that can be scraped: while it serves, when it takes over from one that was killed, and at
/// the end of a stop that is cut short.
pub(crate) async fn names() -> BTreeSet<String> {
    let scratch = Scratch::new();
    let kept = format!("--shutdown-report-file {}", scratch.path("stop.json"));
    let flags = format!("{kept} --http-allow http://127.0.0.1:1/ --http-timeout 1s");
    let mut first = serving(Desk::launch(&scratch, "", &flags).spawn().unwrap());
    tasks_of_every_fate(&first).await;
    let mut names = scrape(&first).await;
    let killed = submit(first.web, &count(100_000, 50)).await;
    until(first.web, &killed, "running").await;
    first.signal(Signal::Kill);
    first.process.wait(PATIENCE).unwrap();

    let last = scratch.path("last.prom");
    let flags =
        format!("{kept} --shutdown-timeout 4s --shutdown-announce 1s --metrics-last-values {last}");
    let second = serving(Desk::launch(&scratch, "", &flags).spawn().unwrap());
    let deadline = Instant::now() + PATIENCE;
    while !scrape(&second).await.contains("sundown_tasks_rescued_total") {
        assert!(Instant::now() < deadline, "nothing was taken back");
        sleep(Duration::from_millis(50)).await;
    }
    until(second.web, &killed, "running").await;
    stop_in_the_middle(second).await;
    names.extend(samples(&fs::read_to_string(last).unwrap()));
    names
}

async fn tasks_of_every_fate(service: &Service) {
    let at = service.web;
    end_of(at, &count(2, 0), "succeeded").await;
    let nobody = json!({ "url": "http://127.0.0.1:1/" });
    let dead = json!({ "kind": "http", "input": nobody, "max_attempts": 1 });
    end_of(at, &dead, "dead").await;
    assert_eq!(post(at, "/tasks", &json!({ "kind": "none", "input": 1 })).await.status, 422);
    let sent = request(at, "POST /try/upload", JSON, "some bytes").await.unwrap();
    assert!(sent.status < 300, "{sent:?}");
}

/// A request that outlives the time to drain is cut off, and one comes after the signal.
async fn stop_in_the_middle(mut service: Service) {
    let mut slow = Client::connect(service.web).await.unwrap();
    slow.ask("GET /try/slow/60000", "").await.unwrap();
    // It has begun when another one behind it has been answered.
    assert_eq!(get(service.web, "/try/slow/50").await.unwrap().status, 200);
    service.signal(Signal::Term);
    let deadline = Instant::now() + PATIENCE;
    while get(service.admin, "/readyz").await.unwrap().status != 503 {
        assert!(Instant::now() < deadline, "it does not announce");
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(get(service.web, "/").await.unwrap().status, 200);
    service.ends_with(3);
}
