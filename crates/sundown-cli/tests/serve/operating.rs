//! What an operator relies on: the plan that was shown, tokens, what the last process left, the view
//! on a terminal.

use std::fs;
use std::time::Duration;

use serde_json::Value;
use sundown_drill::process::Signal;
use tokio::time::{sleep, timeout};

use crate::http::{get, request};
use crate::service::{PATIENCE, Scratch, files_below, last_word, launch, serving, start, sundown};

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

    let report = scratch.path("report.json");
    let mut service = start(&scratch, &format!("{flags} --shutdown-report-file {report}"));
    service.signal(Signal::Int);
    service.ends_with(0);
    let ran: Value = serde_json::from_str(&fs::read_to_string(report).unwrap()).unwrap();
    assert_eq!(participants(&shown), participants(&ran));
    for last in [&shown["phases"][3], &ran["phases"][3]] {
        let waiters = last["waiters"].as_array().unwrap();
        assert_eq!(waiters.last().unwrap()["name"], "last metrics", "{last}");
    }

    let text = sundown("plan --shutdown-timeout 30").spawn().unwrap().wait(PATIENCE).unwrap();
    assert!(text.stdout.contains("last words 250 ms = 30 s"), "{}", text.stdout);
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
async fn a_report_file_is_for_one_process_and_the_second_is_told_so() {
    let scratch = Scratch::new();
    let flags = format!("--shutdown-report-file {}", scratch.path("last.json"));
    let mut first = start(&scratch, &flags);
    let second = launch(&scratch, &flags).spawn().unwrap().wait(PATIENCE).unwrap();
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    let told = format!("belongs to process {}, which is alive", first.process.id());
    assert!(second.stderr.contains("--shutdown-report-file: "), "{}", second.stderr);
    assert!(second.stderr.contains(&told), "{}", second.stderr);
    first.signal(Signal::Term);
    first.ends_with(0);
    let mut third = start(&scratch, &flags);
    third.signal(Signal::Term);
    let exit = third.ends_with(0);
    assert!(!exit.stderr.contains("did not stop cleanly"), "{}", exit.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn times_in_the_log_are_numbers_with_their_unit() {
    let scratch = Scratch::new();
    let mut service = start(&scratch, "--log-level debug --shutdown-timeout 20s");
    service.signal(Signal::Term);
    let exit = service.ends_with(0);
    let mut units = 0;
    for line in exit.stderr.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        for (name, value) in event.as_object().unwrap() {
            let text = value.as_str().unwrap_or_default();
            assert!(!text.contains("Some("), "{line}");
            let is_time = name.ends_with("_ms");
            assert!(!is_time || value.is_u64(), "{line}");
            units += usize::from(is_time);
        }
        let is_about = |message: &str| event["message"] == message;
        assert!(!is_about("shutting down") || event["cap_ms"] == 20_000, "{line}");
        assert!(!is_about("phase begins") || event["budget_ms"].is_u64(), "{line}");
        assert!(!is_about("done") || event["took_ms"].is_u64(), "{line}");
    }
    assert!(units > 8, "{}", exit.stderr);
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
