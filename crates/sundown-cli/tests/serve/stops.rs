//! `sundown stops`: what is known of the stops of the past, and the timeline of the present one where
//! its output goes to a file.

use std::fs;

use serde_json::Value;
use sundown_drill::process::{Exit, Signal};

use crate::service::{PATIENCE, Scratch, Service, launch, start, sundown};

/// What `sundown stops` with these arguments says of the service that keeps its tasks here.
fn stops(scratch: &Scratch, arguments: &str) -> Exit {
    let store = scratch.path("tasks.db");
    sundown(&format!("stops {arguments} --store {store}")).spawn().unwrap().wait(PATIENCE).unwrap()
}

fn listed(scratch: &Scratch) -> Vec<(String, Option<String>)> {
    let exit = stops(scratch, "--json");
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    let list: Vec<Value> = serde_json::from_str(&exit.stdout).unwrap();
    for (index, stop) in list.iter().enumerate() {
        assert_eq!(stop["number"], index + 1);
    }
    let text = |stop: &Value, name: &str| stop[name].as_str().map(str::to_owned);
    list.iter().map(|stop| (text(stop, "verdict").unwrap(), text(stop, "cause"))).collect()
}

fn stop(mut service: Service, signal: Signal) {
    service.signal(signal);
    service.process.wait(PATIENCE).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn past_stops_are_listed_and_shown_also_those_that_were_lost() {
    let scratch = Scratch::new();
    let none = stops(&scratch, "");
    assert_eq!((none.code, stops(&scratch, "show").code), (Some(0), Some(2)));
    assert!(none.stderr.contains("no stop is known yet: the service keeps"), "{}", none.stderr);

    let of = |verdict: &str, cause: &str| (verdict.to_owned(), Some(cause.to_owned()));
    let lost = || ("lost".to_owned(), None);
    stop(start(&scratch, ""), Signal::Term);
    assert_eq!(listed(&scratch), [of("clean", "SIGTERM")]);
    stop(start(&scratch, ""), Signal::Kill);
    assert_eq!(listed(&scratch), [lost(), of("clean", "SIGTERM")]);
    let running = start(&scratch, "");
    assert_eq!(listed(&scratch), [lost(), of("clean", "SIGTERM")], "one that runs is no stop");
    stop(running, Signal::Int);
    assert_eq!(listed(&scratch), [of("clean", "SIGINT"), lost(), of("clean", "SIGTERM")]);

    let table = stops(&scratch, "");
    let lines: Vec<&str> = table.stdout.lines().collect();
    assert_eq!(lines.len(), 4, "{}", table.stdout);
    assert!(lines[1].starts_with("  1  ") && lines[1].ends_with("clean    SIGINT"), "{}", lines[1]);
    assert!(lines[2].contains("lost     killed or cut off"), "{}", lines[2]);

    let shown = stops(&scratch, "show");
    assert!(shown.stdout.starts_with("stopped cleanly in "), "{}", shown.stdout);
    assert!(shown.stdout.contains("drain") && shown.stdout.contains("web"), "{}", shown.stdout);
    assert_eq!(stops(&scratch, "show last").stdout, shown.stdout);
    assert!(stops(&scratch, "show 2").stdout.contains("ended without a report"));
    assert!(stops(&scratch, "show 3").stdout.contains("cause: SIGTERM"));
    let missing = stops(&scratch, "show 4");
    assert_eq!(missing.code, Some(2));
    assert!(missing.stderr.contains("there is no stop 4: 3 are kept"), "{}", missing.stderr);

    let json: Value = serde_json::from_str(&stops(&scratch, "show 3 --json").stdout).unwrap();
    assert_eq!(
        (&json["verdict"]["is"], &json["cause"]["signal"]),
        (&"clean".into(), &"SIGTERM".into())
    );
    assert!(stops(&scratch, "show --svg").stdout.starts_with("<svg "));
    let page = stops(&scratch, "show --html").stdout;
    assert!(page.starts_with("<!doctype html>") && page.contains("<svg "), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_reports_are_kept_and_no_more() {
    let scratch = Scratch::new();
    for _ in 0..4 {
        stop(start(&scratch, "--shutdown-keep-reports 2"), Signal::Term);
    }
    assert_eq!(listed(&scratch).len(), 3, "the last one, and two before it");
    let beside = scratch.0.join("tasks.last-stop.json.d");
    assert_eq!(fs::read_dir(beside).unwrap().count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_one_store_serves_without_a_report() {
    let scratch = Scratch::new();
    let first = start(&scratch, "");
    let mut second = start(&scratch, "");
    second.signal(Signal::Term);
    let exit = second.ends_with(0);
    let told = exit.line(|line| line.contains("no report of the stop will be kept")).unwrap();
    assert!(
        told.text.contains("\"level\":\"WARN\"") && told.text.contains("alive"),
        "{}",
        told.text
    );
    stop(first, Signal::Term);
    assert_eq!(listed(&scratch).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_reports_are_kept_it_says_how_to_have_some() {
    let scratch = Scratch::new();
    let exit = stops(&scratch, "--shutdown-report-file off");
    assert_eq!(exit.code, Some(2));
    assert!(exit.stderr.contains("`shutdown.report_file` is off"), "{}", exit.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_for_people_end_with_the_timeline_also_in_a_file() {
    let scratch = Scratch::new();
    let mut process = launch(&scratch, "--log-format text").spawn().unwrap();
    process.wait_for_line(|line| line.contains(" serving "), PATIENCE).unwrap();
    process.signal(Signal::Term).unwrap();
    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(
        exit.stdout.contains("stopped cleanly in ") && exit.stdout.contains('█'),
        "{}",
        exit.stdout
    );
}
