//! Tasks that are over without success are in the log: each, or counted.

use serde_json::{Value, json};
use sundown_drill::process::Signal;

use crate::api::{Desk, expect, post, until};

const COMMANDS: &str = "[commands.fails]\n\
     run = [\"/bin/sh\", \"-c\", \"printf 'bad\\\\033[31mluck' >&2; exit 7\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn every_task_that_fails_for_good_is_logged_or_counted() {
    let mut desk = Desk::configured(COMMANDS, "");
    let task = json!({ "kind": "command", "input": { "command": "fails" }, "max_attempts": 1 });
    let batch = json!({ "tasks": vec![&task; 13] });
    let answer = expect(&post(desk.at(), "/tasks/batch", &batch).await, 200);
    for started in answer["results"].as_array().unwrap() {
        until(desk.at(), started["id"].as_str().unwrap(), "dead").await;
    }
    desk.service.signal(Signal::Term);
    let exit = desk.service.ends_with(0);
    let lines = exit.lines.iter().map(|line| line.text.as_str());
    let lines: Vec<Value> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
    let is_one = |line: &&Value| line["message"] == "a task is over without success";
    let warnings: Vec<&Value> = lines.iter().filter(is_one).collect();
    for warning in &warnings {
        assert_eq!(warning["level"], "WARN", "{warning}");
        assert_eq!((&warning["kind"], &warning["state"]), (&json!("command"), &json!("dead")));
        assert_eq!(warning["attempt"], 1, "{warning}");
        let error = warning["error"].as_str().unwrap();
        assert!(error.contains("bad\\u{1b}[31mluck"), "{error}");
    }
    let suppressed: u64 =
        warnings.iter().map(|warning| warning["suppressed"].as_u64().unwrap()).sum();
    assert_eq!(warnings.len() as u64 + suppressed, 13, "{warnings:?}");
    assert!(suppressed > 0, "not all of them one by one: {warnings:?}");
}
