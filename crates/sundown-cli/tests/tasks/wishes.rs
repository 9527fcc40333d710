//! Tasks are ended, begun again and forgotten.

use serde_json::json;

use crate::api::{Desk, ask, count, end_of, expect, problem, show, submit, until, until_it};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_ended_wherever_it_stands() {
    let desk = Desk::open("--tasks-concurrency 1");
    let running = submit(desk.at(), &count(100_000, 60_000)).await;
    until(desk.at(), &running, "running").await;
    let pending = submit(desk.at(), &count(1, 0)).await;
    let answer = expect(&ask(desk.at(), &format!("DELETE /tasks/{pending}"), "").await, 200);
    assert_eq!(answer, json!({ "id": pending, "state": "cancelled" }));
    let answer = expect(&ask(desk.at(), &format!("DELETE /tasks/{running}"), "").await, 202);
    assert_eq!(answer, json!({ "id": running, "state": "running" }));
    let ended = until(desk.at(), &running, "cancelled").await;
    assert_eq!(ended["failures"], 0, "{ended}");
    let again = ask(desk.at(), &format!("DELETE /tasks/{running}"), "").await;
    assert!(problem(&again, 409, "impossible").contains("is cancelled"), "{}", again.text());
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_task_begins_again_and_a_finished_one_does_not() {
    let desk = Desk::open("");
    let id = submit(desk.at(), &count(3, 300)).await;
    until_it(desk.at(), &id, |task| task["last_event"] == 1).await;
    let requeue = format!("POST /tasks/{id}/requeue");
    problem(&ask(desk.at(), &requeue, "").await, 409, "impossible");
    let answer = ask(desk.at(), &format!("POST /tasks/{id}/discard"), "").await;
    assert!(problem(&answer, 409, "impossible").contains("DELETE it first"));
    ask(desk.at(), &format!("DELETE /tasks/{id}"), "").await;
    until(desk.at(), &id, "cancelled").await;
    let answer = expect(&ask(desk.at(), &requeue, "").await, 202);
    assert_eq!(answer, json!({ "id": id, "state": "pending" }));
    let ended = until(desk.at(), &id, "succeeded").await;
    assert_eq!(ended["output"], json!({ "counted": 3, "from": 0 }), "from the beginning");
    problem(&ask(desk.at(), &requeue, "").await, 409, "impossible");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_task_is_listed_begun_again_and_forgotten() {
    let commands = "[commands.fails]\nrun = [\"/bin/false\"]\n";
    let desk = Desk::configured(commands, "");
    let task = json!({ "kind": "command", "input": { "command": "fails" }, "max_attempts": 1 });
    let dead = end_of(desk.at(), &task, "dead").await;
    let id = dead["id"].as_str().unwrap();
    let listed = expect(&ask(desk.at(), "GET /tasks?state=dead", "").await, 200);
    assert_eq!(listed["tasks"][0]["id"], json!(id));
    expect(&ask(desk.at(), &format!("POST /tasks/{id}/requeue"), "").await, 202);
    let dead =
        until_it(desk.at(), id, |task| task["state"] == "dead" && task["attempt"] == 2).await;
    assert_eq!(dead["failures"], 1, "counted from the beginning: {dead}");
    let gone = ask(desk.at(), &format!("POST /tasks/{id}/discard"), "").await;
    assert_eq!((gone.status, gone.body.len()), (204, 0));
    for line in [format!("GET /tasks/{id}"), format!("POST /tasks/{id}/discard")] {
        problem(&ask(desk.at(), &line, "").await, 404, "no_task");
    }
    let left = submit(desk.at(), &count(1, 0)).await;
    assert_ne!(left, id, "a number is never used again");
    until(desk.at(), &left, "succeeded").await;
    show(desk.at(), &left).await;
    desk.close();
}
