//! What the clients of `cargo xtask e2e kubernetes` find out: tasks of the kind `http` that follow a stream.

use serde_json::json;
use sundown_drill::process::Signal;

use crate::api::{submit, until};
use crate::service::{Scratch, Service, launch, serving, start};

/// One that follows the events of a replica, and does so once.
async fn follow(load: &Service, replica: &Service) -> String {
    let input = json!({ "url": format!("http://{}/try/events", replica.web), "method": "GET" });
    let task = json!({ "kind": "http", "input": input, "max_attempts": 1 });
    let id = submit(load.web, &task).await;
    until(load.web, &id, "running").await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_succeeds_that_ends_with_its_replica_and_none_that_is_cut() {
    let scratches = [Scratch::new(), Scratch::new(), Scratch::new()];
    // While it announces, whoever has not connected yet still can.
    let [mut stopped, mut killed] =
        [0, 1].map(|index| start(&scratches[index], "--shutdown-announce 3s"));
    let allow = format!("http://{}/,http://{}/", stopped.web, killed.web);
    let flags = format!("--http-allow {allow} --http-timeout 10m --http-answer-limit 1MiB");
    let mut load = serving(launch(&scratches[2], &flags).spawn().unwrap());
    let whole = follow(&load, &stopped).await;
    let cut = follow(&load, &killed).await;
    stopped.signal(Signal::Term);
    killed.signal(Signal::Kill);
    until(load.web, &whole, "succeeded").await;
    until(load.web, &cut, "dead").await;
    stopped.ends_with(0);
    load.signal(Signal::Term);
    load.ends_with(0);
}
