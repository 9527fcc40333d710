//! Many tasks are cancelled, begun again and forgotten by state and kind.

use serde_json::{Value, json};

use crate::api::{Desk, ask, count, expect, in_an_hour, post, problem, until};

const COMMANDS: &str = "[commands.fails]\nrun = [\"/bin/false\"]\n";

/// So many tasks, each in that state.
async fn tasks(desk: &Desk, task: &Value, count: usize, state: &str) -> Vec<String> {
    let batch = json!({ "tasks": vec![task; count] });
    let answer = expect(&post(desk.at(), "/tasks/batch", &batch).await, 200);
    let started = answer["results"].as_array().unwrap().iter();
    let ids: Vec<String> = started.map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    for id in &ids {
        until(desk.at(), id, state).await;
    }
    ids
}

async fn change(desk: &Desk, operation: &str, which: &Value) -> Value {
    expect(&post(desk.at(), &format!("/tasks/{operation}"), which).await, 200)
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_tasks_begin_again_by_state_and_kind_after_they_were_counted() {
    let desk = Desk::configured(COMMANDS, "");
    let fails = json!({ "kind": "command", "input": { "command": "fails" }, "max_attempts": 1 });
    let dead = tasks(&desk, &fails, 7, "dead").await;
    let done = tasks(&desk, &count(1, 0), 2, "succeeded").await;

    let which = |dry_run: bool| json!({ "state": "dead", "kind": "command", "dry_run": dry_run });
    let counted = json!({ "count": 7, "next": null });
    assert_eq!(change(&desk, "requeue", &which(true)).await, counted);
    assert_eq!(change(&desk, "requeue", &which(true)).await, counted, "nothing was changed");
    let of_another = json!({ "state": "dead", "kind": "count" });
    assert_eq!(change(&desk, "requeue", &of_another).await["count"], 0);

    // In pages, while those that were requeued die again.
    let mut which = json!({ "state": "dead", "limit": 3.0 });
    let mut pages = Vec::new();
    loop {
        let page = change(&desk, "requeue", &which).await;
        pages.push(page["count"].as_u64().unwrap());
        which["cursor"] = page["next"].clone();
        if page["next"].is_null() {
            break;
        }
    }
    assert_eq!(pages, [3, 3, 1]);
    for id in &dead {
        let task = crate::api::until_it(desk.at(), id, |task| task["attempt"] == 2).await;
        assert!(task["failures"].as_u64() <= Some(1), "{task}");
        until(desk.at(), id, "dead").await;
    }
    let forgotten = change(&desk, "discard", &json!({ "kind": "command" })).await;
    assert_eq!(forgotten, json!({ "count": 7, "next": null }));
    let left = expect(&ask(desk.at(), "GET /tasks", "").await, 200);
    assert_eq!(left["tasks"].as_array().unwrap().len(), done.len());
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_and_what_runs_is_cancelled_by_kind() {
    let desk = Desk::configured(COMMANDS, "");
    let running = tasks(&desk, &count(100_000, 60_000), 2, "running").await;
    let mut later = count(1, 0);
    later["run_at"] = in_an_hour().into();
    let pending = tasks(&desk, &later, 3, "pending").await;
    let mut other = json!({ "kind": "command", "input": { "command": "fails" } });
    other["run_at"] = in_an_hour().into();
    let other = tasks(&desk, &other, 1, "pending").await;
    let done = change(&desk, "cancel", &json!({ "kind": "count" })).await;
    assert_eq!(done, json!({ "count": 5, "next": null }));
    for id in running.iter().chain(&pending) {
        until(desk.at(), id, "cancelled").await;
    }
    until(desk.at(), &other[0], "pending").await;
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_says_nothing_or_nonsense_changes_nothing() {
    let desk = Desk::open("");
    let done = tasks(&desk, &count(1, 0), 1, "succeeded").await;
    for (operation, which, culprit) in [
        ("discard", json!({}), "which tasks?"),
        ("discard", json!({ "state": "gone" }), "`gone` is no state"),
        ("discard", json!({ "state": "running" }), "cannot be discarded"),
        ("requeue", json!({ "state": "succeeded" }), "failed, cancelled, dead can"),
        ("cancel", json!({ "state": "dead" }), "pending, running can"),
        ("discard", json!({ "kind": "count", "limit": 0 }), "1 to 1000"),
        ("discard", json!({ "kind": "count", "limit": 1001 }), "1 to 1000"),
        ("discard", json!({ "kind": "count", "cursor": "x" }), "is no cursor"),
        ("discard", json!({ "kind": "a\0b" }), "zero byte"),
    ] {
        let answer = post(desk.at(), &format!("/tasks/{operation}"), &which).await;
        let detail = problem(&answer, 400, "bad_request");
        assert!(detail.contains(culprit), "{which}: {detail}");
    }
    for which in [json!({ "kinds": "count" }), json!([]), json!({ "kind": "count", "limit": 1.5 })]
    {
        problem(&post(desk.at(), "/tasks/discard", &which).await, 400, "malformed");
    }
    until(desk.at(), &done[0], "succeeded").await;
    desk.close();
}
