//! What an operator relies on: the plan that was shown, tokens, what the last process left, the view
//! on a terminal.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use sundown_drill::process::{Process, Signal};
use tokio::time::{sleep, timeout};

use crate::http::{get, request};
use crate::service::{PATIENCE, Scratch, files_below, last_word, serving, start, sundown};

/// The participants of a plan or a report, phase by phase.
fn participants(plan: &Value) -> Vec<(String, Vec<String>)> {
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let phases = plan["phases"].as_array().unwrap().iter();
    let mut phases: Vec<(String, Vec<String>)> = phases
        .map(|phase| (name(phase), phase["waiters"].as_array().unwrap().iter().map(name).collect()))
        .collect();
    for (_, waiters) in &mut phases {
        waiters.sort_unstable();
    }
    phases
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_that_is_shown_is_the_one_that_runs() {
    let scratch = Scratch::new();
    let flags = "--shutdown-timeout 20s --shutdown-announce 1s --shutdown-flush 2s";
    let shown = sundown(&format!("plan --json {flags}")).spawn().unwrap().wait(PATIENCE).unwrap();
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown["cap_ms"], 20_000.0);
    assert_eq!(shown["phases"][0]["end_ms"], 1000.0);

    let mut service = start(&scratch, flags);
    let runs = get(service.admin, "/shutdown").await.unwrap().text();
    assert_eq!(participants(&shown), participants(&serde_json::from_str(&runs).unwrap()));
    service.signal(Signal::Int);
    service.ends_with(0);

    let text = sundown("plan --shutdown-timeout 30").spawn().unwrap().wait(PATIENCE).unwrap();
    assert!(text.stdout.contains("last words 250 ms = 30 s"), "{}", text.stdout);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_before_anything_is_opened() {
    for (arguments, culprit) in [
        ("serve --shutdown-timeout 5s", "the fixed budgets"),
        ("plan --shutdown-timeout 5s", "the fixed budgets"),
        ("serve --weeb", "--weeb: there is no such flag"),
        ("config --config /no/such/file", "cannot read /no/such/file"),
        ("serve --listen 0.0.0.0:0", "which others can reach"),
        ("serve --listen 192.0.2.1:80 --web-open", "cannot listen on 192.0.2.1:80"),
    ] {
        let exit = sundown(arguments).spawn().unwrap().wait(PATIENCE).unwrap();
        assert_eq!(exit.code, Some(2), "{arguments}: {}", exit.stderr);
        assert!(exit.stderr.contains(culprit), "{arguments}: {}", exit.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn off_loopback_the_public_port_wants_the_token_and_probes_never_do() {
    let scratch = Scratch::new();
    let process = sundown("serve --listen 0.0.0.0:0 --admin-listen 0.0.0.0:0 --temp-directory")
        .arg(scratch.path("tmp"))
        .env("SUNDOWN_WEB_TOKEN", "correct-horse")
        .env("SUNDOWN_ADMIN_TOKEN", "battery-staple")
        .spawn()
        .unwrap();
    let service = serving(process);
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for (headers, status) in
        [(String::new(), 401), (bearer("battery-staple"), 401), (bearer("correct-horse"), 200)]
    {
        let answer = request(service.web, "GET /", &headers, "").await.unwrap();
        assert_eq!(answer.status, status, "{answer:?}");
        let answer = request(service.web, "GET /no/such", &headers, "").await.unwrap();
        assert_eq!(answer.status, if status == 200 { 404 } else { 401 }, "{answer:?}");
    }
    for path in ["/healthz", "/readyz", "/metrics", "/shutdown"] {
        assert_eq!(get(service.admin, path).await.unwrap().status, 200, "{path}");
    }
    let stop = |headers: String| async move {
        request(service.admin, "POST /shutdown", &headers, r#"{"reason": "enough"}"#).await.unwrap()
    };
    assert_eq!(stop(bearer("correct-horse")).await.status, 401);
    assert_eq!(stop(bearer("battery-staple")).await.status, 202);
    let exit = service.ends_with(0);
    assert!(last_word(&exit)["cause"].to_string().contains("enough"), "{}", exit.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nobody_can_stop_it_from_outside() {
    let scratch = Scratch::new();
    let mut service = start(&scratch, "");
    let answer = request(service.admin, "POST /shutdown", "", "").await.unwrap();
    assert!(matches!(answer.status, 404 | 405), "{answer:?}");
    service.signal(Signal::Term);
    service.ends_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_the_next_one_tells_of_it_and_tidies_up() {
    let scratch = Scratch::new();
    let flags = format!("--shutdown-report-file {}", scratch.path("last.json"));
    let mut first = start(&scratch, &flags);
    let mut upload = crate::http::Client::connect(first.web).await.unwrap();
    upload.ask("POST /try/upload", "Content-Length: 1000\r\n").await.unwrap();
    upload.send(&[b'x'; 500]).await.unwrap();
    let is_there = async {
        while files_below(&scratch.0.join("tmp")) == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, is_there).await.unwrap();
    first.signal(Signal::Kill);
    first.process.wait(PATIENCE).unwrap();
    assert!(files_below(&scratch.0.join("tmp")) > 0, "a killed process leaves something");

    let mut second = start(&scratch, &flags);
    second.signal(Signal::Term);
    let exit = second.ends_with(0);
    let told =
        exit.line(|line| line.contains("the previous process did not stop cleanly")).unwrap();
    assert!(told.text.contains("\"verdict\":\"lost\""), "{}", told.text);
    assert!(exit.stderr.contains("removed what a dead process had left"), "{}", exit.stderr);
    assert_eq!(files_below(&scratch.0.join("tmp")), 0);
    let report = fs::read_to_string(scratch.path("last.json")).unwrap();
    assert!(report.contains("clean"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_values_are_left_in_a_file() {
    let scratch = Scratch::new();
    let path = scratch.path("last.prom");
    let mut service = start(&scratch, &format!("--metrics-last-values {path}"));
    service.signal(Signal::Term);
    service.ends_with(0);
    let values = fs::read_to_string(path).unwrap();
    assert!(values.contains("graceful_shutdown_duration_seconds_count 1"), "{values}");
}

/// `script` gives it a terminal.
#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_a_stop_shows_who_is_waited_for() {
    let scratch = Scratch::new();
    let command = format!(
        "{} serve --web-tryout --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --temp-directory {}",
        env!("CARGO_BIN_EXE_sundown"),
        scratch.path("tmp")
    );
    let process = Process::new("script")
        .args(["-q", "-e", "-c", &command, "/dev/null"])
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("SUNDOWN_ADMIN_TOKEN", "battery-staple")
        .spawn()
        .unwrap();
    let line = process.wait_for_line(|line| line.contains("serving"), PATIENCE).unwrap().text;
    let address = |name: &str| {
        let plain = without_escapes(&line);
        let (_, rest) = plain.split_once(&format!("{name}=")).unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    let (web, admin) = (address("web"), address("admin"));
    let slow = get(web, "/try/slow/1500");
    let stop = async {
        sleep(Duration::from_millis(200)).await;
        let bearer = "Authorization: Bearer battery-staple\r\n";
        request(admin, "POST /shutdown", bearer, "").await.unwrap()
    };
    let (slow, stop) = tokio::join!(slow, stop);
    assert_eq!((slow.unwrap().status, stop.status), (200, 202));
    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(0), "{}", exit.stdout);
    let seen = without_escapes(&exit.stdout);
    assert!(seen.contains("stopping: drain, "), "{seen}");
    assert!(seen.lines().any(|line| line.trim_start().starts_with("web  for ")), "{seen}");
    assert!(seen.contains("stopped cleanly in "), "the timeline follows: {seen}");
    assert!(!seen.contains("{\"timestamp\""), "text, not JSON: {seen}");
}

/// Text as it would be read: without colours, and without the movements of the cursor.
fn without_escapes(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, escaped)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        let end =
            escaped.find(|c: char| c.is_ascii_alphabetic()).map_or(escaped.len(), |at| at + 1);
        rest = &escaped[end..];
    }
    plain + rest
}
