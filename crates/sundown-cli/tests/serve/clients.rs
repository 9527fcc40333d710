//! The clients that `cargo xtask e2e kubernetes` starts in the cluster, against a service that is restarted
//! on one host, and against one that nobody waits for.

use std::net::SocketAddr;

use serde_json::Value;
use sundown_drill::process::{Process, Signal};

use crate::service::{PATIENCE, Scratch, last_word, start, sundown};

fn clients(web: SocketAddr) -> Process {
    let process = sundown(&format!("__load {web} 4 2")).spawn().unwrap();
    let answered = |line: &str| line.contains("\"answered\"") && !line.contains("\"answered\":0,");
    process.wait_for_line(answered, PATIENCE).unwrap();
    process
}

fn counted(mut process: Process) -> Value {
    process.signal(Signal::Term).unwrap();
    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
    last_word(&exit)
}

#[tokio::test(flavor = "multi_thread")]
async fn they_notice_nothing_of_a_service_that_serves() {
    let scratch = Scratch::new();
    let mut service = start(&scratch, "");
    let counted = counted(clients(service.web));
    assert_eq!((&counted["failed"], &counted["sent_again"]), (&0.into(), &0.into()), "{counted}");
    assert!(counted["answered"].as_u64().unwrap() >= 20, "{counted}");
    service.signal(Signal::Term);
    service.ends_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn they_notice_one_that_waits_for_nobody() {
    let scratch = Scratch::new();
    let service = start(&scratch, "--shutdown-timeout 1s");
    let clients = clients(service.web);
    drop(service);
    let noticed =
        |line: &str| line.contains("GET /try/slow/100: ") && line.contains("GET /try/bytes/");
    clients.wait_for_line(noticed, PATIENCE).unwrap();
    let counted = counted(clients);
    assert!(counted["failed"].as_u64().unwrap() >= 2, "{counted}");
}
