//! What is refused before anything is opened, and what the other commands print and to whom.

use std::fs::OpenOptions;
use std::os::unix::ffi::OsStrExt as _;
use std::process::{Command, Stdio};

use sundown_drill::process::{Exit, Launch, Output, Signal};

use crate::http::{get, request};
use crate::service::{PATIENCE, Scratch, start, sundown};

fn run(launch: Launch) -> Exit {
    launch.spawn().unwrap().wait(PATIENCE).unwrap()
}

#[test]
fn a_configuration_that_cannot_work_is_refused_before_anything_is_opened() {
    for (arguments, culprit) in [
        ("serve --shutdown-flush 600s", "--shutdown-flush: `shutdown.timeout` of 600s leaves"),
        ("plan --shutdown-flush 600s", "--shutdown-flush: `shutdown.timeout` of 600s leaves"),
        ("config --shutdown-flush 600s", "--shutdown-flush: `shutdown.timeout` of 600s leaves"),
        ("serve --weeb", "--weeb: there is no such flag"),
        ("config --config /no/such/file", "cannot read /no/such/file"),
        ("serve --listen 0.0.0.0:0", "which others can reach"),
        (
            "serve --listen 192.0.2.1:80 --web-open --admin-listen 127.0.0.1:0",
            "cannot listen on 192.0.2.1:80",
        ),
        (
            "serve --shutdown-report-file /proc/no/such",
            "--shutdown-report-file: `shutdown.report_file`: cannot keep the shutdown report",
        ),
        (
            "serve --temp-directory /dev/null",
            "--temp-directory: `temp.directory`: cannot keep temporary files in /dev/null: ",
        ),
        (
            "serve --metrics-last-values /proc/no/such",
            "--metrics-last-values: `metrics.last_values`: cannot leave the last metrics in /proc",
        ),
    ] {
        let exit = run(sundown(arguments));
        assert_eq!(exit.code, Some(2), "{arguments}: {}", exit.stderr);
        assert!(exit.stderr.contains(culprit), "{arguments}: {}", exit.stderr);
    }
}

#[test]
fn arguments_that_are_no_text_are_refused_and_paths_are_taken() {
    let bytes = std::ffi::OsStr::from_bytes(b"/no/such/\xff");
    let exit = run(sundown("serve").arg(bytes));
    assert_eq!(exit.code, Some(2), "{}", exit.stderr);
    let exit = run(sundown("serve --listen").arg(bytes));
    assert_eq!(exit.code, Some(2), "{}", exit.stderr);
    assert!(exit.stderr.contains("is not UTF-8"), "{}", exit.stderr);
    let exit = run(sundown("config --config").arg(bytes));
    assert_eq!(exit.code, Some(2), "{}", exit.stderr);
    assert!(exit.stderr.contains("cannot read /no/such/"), "{}", exit.stderr);
    let exit = run(sundown("config").env("SUNDOWN_TEMP_DIRECTORY", bytes));
    assert_eq!(exit.code, Some(2), "{}", exit.stdout);
    assert!(exit.stderr.contains("SUNDOWN_TEMP_DIRECTORY: "), "{}", exit.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_timeout_alone_serves_and_stops() {
    let scratch = Scratch::new();
    let mut service = start(&scratch, "--shutdown-timeout 3s");
    assert_eq!(get(service.web, "/").await.unwrap().status, 200);
    service.signal(Signal::Term);
    service.ends_with(0);
}

#[test]
fn whoever_has_seen_enough_of_an_output_is_no_error_and_a_full_disk_is() {
    for command in ["plan", "config", "help", "--version", "demo --for 0.1"] {
        let exit = run(sundown(command).stdout(Output::Closed));
        assert_eq!((exit.code, &*without_lines(&exit)), (Some(0), ""), "{command}");
        if command.starts_with("demo") {
            continue;
        }
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_sundown"))
            .args(command.split(' '))
            .stdout(Stdio::from(full))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {told}");
        assert!(told.contains("cannot write to the standard output: No space"), "{told}");
    }
}

/// What it told beside log lines.
fn without_lines(exit: &Exit) -> String {
    exit.stderr.lines().filter(|line| line.contains("error") || line.contains("panic")).collect()
}

#[test]
fn text_for_a_file_has_the_date() {
    let scratch = Scratch::new();
    let launch = crate::service::launch(&scratch, "--log-format text");
    let mut process = launch.spawn().unwrap();
    let line = process.wait_for_line(|line| line.contains("serving"), PATIENCE).unwrap().text;
    let date: String = line.chars().take(11).collect();
    assert!(date.starts_with("20") && date.ends_with('T'), "{line}");
    process.signal(Signal::Term).unwrap();
    assert_eq!(process.wait(PATIENCE).unwrap().code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_public_listener_are_problems_with_what_to_do() {
    let scratch = Scratch::new();
    let mut service = start(&scratch, "");
    let mut client = crate::http::Client::connect(service.web).await.unwrap();
    client.ask("HEAD /", "Connection: close\r\n").await.unwrap();
    let head = String::from_utf8_lossy(&client.rest().await).to_lowercase();
    assert!(head.starts_with("http/1.1 200") && head.ends_with("\r\n\r\n"), "no body: {head}");

    let answer = request(service.web, "DELETE /", "", "").await.unwrap();
    assert_eq!(answer.status, 405, "{answer:?}");
    assert!(answer.head.contains("\r\nallow: get, head\r\n"), "{answer:?}");
    for answer in [answer, get(service.web, "/try/slow/abc").await.unwrap()] {
        assert!((400..500).contains(&answer.status), "{answer:?}");
        assert!(answer.head.contains("content-type: application/problem+json"), "{answer:?}");
    }
    service.signal(Signal::Term);
    service.ends_with(0);
}
