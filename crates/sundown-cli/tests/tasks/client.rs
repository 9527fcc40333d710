//! `sundown tasks`: the same from the command line, with exit codes for programs.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use sundown_drill::process::{Process, Signal};
use tokio::task::spawn_blocking;

use crate::api::{Desk, count, submit, until};
use crate::service::{PATIENCE, Scratch, Service, serving};

fn client(at: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sundown"));
    command.arg("tasks").args(arguments).args(["--url", at]).env_remove("SUNDOWN_WEB_TOKEN");
    command
}

fn url(at: SocketAddr) -> String {
    format!("http://{at}")
}

/// Runs it to its end, and demands this exit code.
async fn run(at: SocketAddr, arguments: &[&str], code: i32) -> Output {
    let mut command = client(&url(at), arguments);
    let ended = spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {ended:?}");
    ended
}

/// What it printed, each line JSON.
fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn error(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_handed_in_shown_listed_and_followed() {
    let desk = Desk::open("");
    let input = r#"{"to":3,"pause_ms":10}"#;
    let submit = ["submit", "count", input, "--key", "a", "--priority", "3", "--attempts", "2"];
    let started = lines(&run(desk.at(), &submit, 0).await).remove(0);
    let id = started["id"].as_str().unwrap();
    assert_eq!(started["is_new"], true);
    assert_eq!(lines(&run(desk.at(), &submit, 0).await)[0]["is_new"], false);

    let told = lines(&run(desk.at(), &["watch", id], 0).await);
    let names: Vec<&Value> = told.iter().map(|line| &line["event"]).collect();
    assert_eq!(names, ["progress", "progress", "progress", "over"]);
    assert_eq!(told[2]["data"]["data"], json!({ "done": 3, "total": 3 }));
    assert_eq!(told[3]["data"]["output"]["counted"], 3);

    let shown = lines(&run(desk.at(), &["show", id], 0).await).remove(0);
    assert_eq!((&shown["priority"], &shown["max_attempts"]), (&json!(3), &json!(2)));
    let page = ["list", "--state", "succeeded", "--kind", "count", "--limit", "1"];
    let page = lines(&run(desk.at(), &page, 0).await).remove(0);
    assert_eq!(page["tasks"][0]["id"], json!(id));
    let rest = ["list", "--cursor", id];
    assert_eq!(lines(&run(desk.at(), &rest, 0).await)[0]["tasks"], json!([]));
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_may_come_from_the_standard_input() {
    let desk = Desk::open("");
    let mut command = client(&url(desk.at()), &["submit", "count", "-", "--watch"]);
    let ended = spawn_blocking(move || {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = piped.unwrap();
        child.stdin.take().unwrap().write_all(b"{\"to\": 2}\n").unwrap();
        child.wait_with_output().unwrap()
    });
    let ended = ended.await.unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert_eq!(lines(&ended).last().unwrap()["data"]["output"]["counted"], 2);
    let text = run(desk.at(), &["submit", "count", "\"-\""], 2).await;
    assert!(error(&text).contains("the input is none"), "a text is no request to read: {text:?}");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_ended_begun_again_and_forgotten() {
    let desk = Desk::open("--tasks-concurrency 1");
    let first = submit(desk.at(), &count(100_000, 50)).await;
    until(desk.at(), &first, "running").await;
    let second = submit(desk.at(), &count(1, 0)).await;
    let said = lines(&run(desk.at(), &["cancel", &second, &first], 0).await);
    assert_eq!(said[0], json!({ "id": second, "state": "cancelled" }));
    assert_eq!(said[1], json!({ "id": first, "state": "running" }));
    run(desk.at(), &["watch", &first], 3).await;
    let said = lines(&run(desk.at(), &["requeue", &second], 0).await);
    assert_eq!(said, [json!({ "id": second, "state": "pending" })]);
    run(desk.at(), &["watch", &second], 0).await;
    // One that cannot be keeps nobody else from it.
    let said = run(desk.at(), &["discard", "999", &second], 2).await;
    assert_eq!(lines(&said), [json!({ "id": second })]);
    assert!(error(&said).contains("task 999: there is no task 999"), "{said:?}");
    for command in ["show", "watch"] {
        let said = run(desk.at(), &[command, &second], 2).await;
        assert!(error(&said).contains("there is no task"), "{said:?}");
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_told_with_what_to_do() {
    let desk = Desk::open("");
    for (arguments, culprit) in [
        (&["submit", "counts", "{}"][..], "there are: count"),
        (&["submit", "count", "{"], "INPUT is no JSON"),
        (&["list", "--state", "asleep"], "is no state (there are pending"),
        (&["watch", "999"], "there is no task 999"),
        (&["sleep"], "unknown command `sleep`"),
    ] {
        let said = run(desk.at(), arguments, 2).await;
        assert!(error(&said).contains(culprit), "{said:?}");
        assert!(said.stdout.is_empty(), "{said:?}");
    }
    let at = desk.at();
    desk.close();
    let said = run(at, &["list"], 2).await;
    let culprit = format!("cannot reach http://{at}: ");
    assert!(error(&said).contains(&culprit), "{said:?}");
    assert!(
        error(&said).contains("(is `sundown serve` running there? --url says where)"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_comes_from_the_environment() {
    let scratch = Scratch::new();
    let launch = Desk::launch(&scratch, "", "").env("SUNDOWN_WEB_TOKEN", "correct-horse");
    let mut service = serving(launch.spawn().unwrap());
    let said = run(service.web, &["list"], 2).await;
    assert!(error(&said).contains("(set SUNDOWN_WEB_TOKEN)"), "{said:?}");
    let mut command = client(&url(service.web), &["submit", "count", r#"{"to":1}"#, "--watch"]);
    command.env("SUNDOWN_WEB_TOKEN", "correct-horse");
    let ended = spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    service.signal(Signal::Term);
    service.ends_with(0);
}

/// Starts it once more, where it was.
fn again(desk: Desk) -> Desk {
    let Desk { service: Service { process, web, .. }, scratch } = desk;
    drop(process);
    let flags = format!("--listen {web}");
    let launch = sundown_again(&scratch, &flags);
    Desk { service: serving(launch), scratch }
}

fn sundown_again(scratch: &Scratch, flags: &str) -> Process {
    let launch = crate::service::sundown("serve --demo --admin-listen 127.0.0.1:0");
    let launch = launch.arg("--temp-directory").arg(scratch.path("tmp"));
    let launch = launch.arg("--store").arg(scratch.path("tasks.db"));
    launch.args(flags.split_whitespace()).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_does_not_notice_a_restart() {
    let mut desk = Desk::open("");
    let id = submit(desk.at(), &count(40, 50)).await;
    let watch = Process::new(env!("CARGO_BIN_EXE_sundown"))
        .args(["tasks", "watch", &id, "--url", &url(desk.at())])
        .spawn()
        .unwrap();
    watch.wait_for_line(|line| line.contains("\"done\":5,"), PATIENCE).unwrap();
    desk.service.signal(Signal::Term);
    desk.service.process.wait_for_line(|line| line.contains("\"sundown\":"), PATIENCE).unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let desk = again(desk);
    let ended = watch.wait(PATIENCE).unwrap();
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let told: Vec<Value> =
        ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ids: Vec<u64> = told.iter().filter_map(|line| line["id"].as_u64()).collect();
    assert_eq!(ids, (1..=ids.len() as u64).collect::<Vec<_>>(), "each once, in order");
    let events = |name: &str| told.iter().filter(|line| line["event"] == name).count();
    assert_eq!((events("progress"), events("interrupted"), events("over")), (40, 1, 1));
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_changed_by_a_filter() {
    let desk = Desk::open("");
    for _ in 0..3 {
        run(desk.at(), &["submit", "count", r#"{"to":1}"#, "--in", "1h"], 0).await;
    }
    for (arguments, count) in [
        (&["cancel", "--kind", "count", "--yes"][..], 3),
        (&["requeue", "--state", "cancelled", "--kind", "other", "--yes"], 0),
        (&["requeue", "--state", "cancelled", "--yes"], 3),
    ] {
        let changed = lines(&run(desk.at(), arguments, 0).await).remove(0);
        assert_eq!(changed["count"], count, "{arguments:?}");
    }
    for id in ["1", "2", "3"] {
        until(desk.at(), id, "succeeded").await;
    }
    let discard = ["discard", "--state", "succeeded", "--yes"];
    assert_eq!(lines(&run(desk.at(), &discard, 0).await)[0]["count"], 3);
    assert_eq!(lines(&run(desk.at(), &["list"], 0).await)[0]["tasks"], json!([]));
    let refused = error(&run(desk.at(), &["requeue", "--state", "pending", "--yes"], 2).await);
    assert!(refused.contains("failed") && refused.contains("dead"), "{refused}");
    desk.close();
}
