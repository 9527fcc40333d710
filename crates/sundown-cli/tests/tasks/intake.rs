//! Tasks are handed in, found again and listed.

use serde_json::{Value, json};

use crate::api::{Desk, JSON, ask, count, expect, in_an_hour, json_of, post, show, submit, until};
use crate::http::{Client, request};

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_handed_in_run_and_found_again() {
    let desk = Desk::open("");
    let answer = post(desk.at(), "/tasks", &count(3, 0)).await;
    let started = expect(&answer, 201);
    let id = started["id"].as_str().unwrap();
    assert!(answer.head.contains(&format!("location: /tasks/{id}\r\n")), "{}", answer.head);
    assert_eq!(
        started,
        json!({ "id": id, "stream_url": format!("/tasks/{id}/events"), "is_new": true })
    );
    let task = until(desk.at(), id, "succeeded").await;
    assert_eq!(task["output"], json!({ "counted": 3, "from": 0 }));
    assert_eq!(
        (&task["attempt"], &task["failures"], &task["error"]),
        (&json!(1), &json!(0), &Value::Null)
    );
    assert!(task["ended_at"].as_u64() >= task["created_at"].as_u64(), "{task}");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_the_same_task_in_the_body_or_in_the_head() {
    let desk = Desk::open("");
    let mut keyed = count(1, 0);
    keyed["key"] = "order-17".into();
    let first = expect(&post(desk.at(), "/tasks", &keyed).await, 201);
    let again = expect(&post(desk.at(), "/tasks", &keyed).await, 200);
    let headers = format!("{JSON}Idempotency-Key: order-17\r\n");
    let body = count(1, 0).to_string();
    let header = expect(&request(desk.at(), "POST /tasks", &headers, &body).await.unwrap(), 200);
    let both = request(desk.at(), "POST /tasks", &headers, &keyed.to_string()).await.unwrap();
    for known in [again, header, expect(&both, 200)] {
        assert_eq!((&known["id"], &known["is_new"]), (&first["id"], &json!(false)));
    }
    let id = first["id"].as_str().unwrap();
    until(desk.at(), id, "succeeded").await;
    assert_eq!(expect(&post(desk.at(), "/tasks", &keyed).await, 200)["id"], first["id"]);
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_answered_each_by_itself_in_its_order() {
    let desk = Desk::open("");
    let tasks =
        [count(1, 0), json!({ "kind": "nonsense" }), count(2, 0), json!({ "kind": "count" })];
    let answer = expect(&post(desk.at(), "/tasks/batch", &json!({ "tasks": tasks })).await, 200);
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    for (at, code) in [(1, "unknown_kind"), (3, "invalid_input")] {
        assert_eq!(results[at]["error"]["code"], code, "{answer}");
        assert_eq!(results[at]["error"]["status"], 422, "{answer}");
    }
    for (at, counted) in [(0, 1), (2, 2)] {
        let task = until(desk.at(), results[at]["id"].as_str().unwrap(), "succeeded").await;
        assert_eq!(task["output"]["counted"], counted);
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_listed_by_state_by_kind_and_page_by_page() {
    let desk = Desk::open("--tasks-concurrency 1");
    // It holds the only place, so that the others wait.
    let first = submit(desk.at(), &count(100_000, 50)).await;
    until(desk.at(), &first, "running").await;
    let waiting = json!({ "tasks": vec![count(1, 0); 7] });
    let batch = expect(&post(desk.at(), "/tasks/batch", &waiting).await, 200);
    let ids: Vec<&Value> =
        batch["results"].as_array().unwrap().iter().map(|one| &one["id"]).collect();

    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let path = format!("GET /tasks?state=pending&kind=count&limit=3{cursor}");
        let page = expect(&ask(desk.at(), &path, "").await, 200);
        let tasks = page["tasks"].as_array().unwrap();
        assert!(tasks.iter().all(|task| task["state"] == "pending"), "{page}");
        seen.extend(tasks.iter().map(|task| task["id"].clone()));
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!((seen.iter().rev().collect::<Vec<_>>(), pages), (ids, 3), "the newest first");
    let running = expect(&ask(desk.at(), "GET /tasks?state=running", "").await, 200);
    assert_eq!(running["tasks"][0]["id"], json!(first));
    let others = expect(&ask(desk.at(), "GET /tasks?kind=other%26kind", "").await, 200);
    assert_eq!(others, json!({ "tasks": [], "next": null }));
    assert_eq!(
        expect(&ask(desk.at(), "GET /tasks", "").await, 200)["tasks"].as_array().unwrap().len(),
        8
    );
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_large_tasks_is_short_and_the_next_goes_on() {
    let desk = Desk::configured("[commands.cat]\nrun = [\"/bin/cat\"]\n", "");
    let stdin = "x".repeat(700_000);
    let large = json!({
        "kind": "command",
        "input": { "command": "cat", "stdin": stdin },
        "run_at": in_an_hour(),
    });
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.insert(0, json!(submit(desk.at(), &large).await));
    }
    let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let answer = ask(desk.at(), &format!("GET /tasks?limit=500{cursor}"), "").await;
        assert!(answer.body.len() < 2_000_000, "{} bytes", answer.body.len());
        let page = expect(&answer, 200);
        seen.extend(page["tasks"].as_array().unwrap().iter().map(|task| task["id"].clone()));
        pages += 1;
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ids);
    assert!(pages >= 3, "{pages}");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_more_urgent_comes_first_and_nobody_before_his_time() {
    let desk = Desk::open("--tasks-concurrency 1");
    let first = submit(desk.at(), &count(100_000, 50)).await;
    until(desk.at(), &first, "running").await;
    let mut ids = Vec::new();
    for priority in [0, 5, -5] {
        let mut task = count(1, 0);
        task["priority"] = priority.into();
        ids.push(submit(desk.at(), &task).await);
    }
    let mut late = count(1, 0);
    late["run_at"] = in_an_hour().into();
    let late = submit(desk.at(), &late).await;
    assert_eq!(ask(desk.at(), &format!("DELETE /tasks/{first}"), "").await.status, 202);
    let mut begun = Vec::new();
    for id in &ids {
        begun.push(until(desk.at(), id, "succeeded").await["started_at"].as_u64().unwrap());
    }
    assert!(begun[1] <= begun[0] && begun[0] <= begun[2], "{begun:?}");
    assert_eq!(show(desk.at(), &late).await["state"], "pending");
    let gone = json_of(&ask(desk.at(), &format!("DELETE /tasks/{late}"), "").await);
    assert_eq!(gone["state"], "cancelled");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_as_get_without_the_body() {
    let desk = Desk::open("");
    let id = submit(desk.at(), &count(1, 0)).await;
    until(desk.at(), &id, "succeeded").await;
    let mut client = Client::connect(desk.at()).await.unwrap();
    for path in ["/tasks?limit=1", &format!("/tasks/{id}"), "/openapi.json"] {
        client.ask(&format!("HEAD {path}"), "").await.unwrap();
        let head = client.head().await.unwrap();
        assert!(head.starts_with("http/1.1 200 "), "{path}: {head}");
        // What follows on the connection is the next answer, and not a body.
        let got = client.get(path).await.unwrap();
        let kind = "content-type: application/json\r\n";
        assert!(got.status == 200 && got.head.contains(kind) && head.contains(kind), "{got:?}");
    }
    client.ask(&format!("HEAD /tasks/{id}/events"), "").await.unwrap();
    let head = client.head().await.unwrap();
    assert!(head.starts_with("http/1.1 405 ") && head.contains("allow: get\r\n"), "{head}");
    desk.close();
}
