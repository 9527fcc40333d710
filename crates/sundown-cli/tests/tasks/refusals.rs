//! Whatever cannot be is refused: with a status, a code, and what to do next; and the service lives.

use std::time::Duration;

use serde_json::json;
use sundown_drill::process::Signal;

use crate::api::{
    Desk, JSON, ask, count, expect, post, problem, submit, too_much, until, until_stopping,
};
use crate::http::{Client, get, request};

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_make_no_sense_are_refused() {
    let desk = Desk::open("");
    for (body, status, code, culprit) in [
        ("{", 400, "malformed", "EOF"),
        ("", 400, "malformed", "EOF"),
        ("[]", 400, "malformed", "invalid"),
        ("\u{feff}{}", 400, "malformed", "expected value"),
        (r#"{"input":{}}"#, 400, "malformed", "missing field `kind`"),
        (r#"{"kind":7}"#, 400, "malformed", "expected a string"),
        (r#"{"kind":"count","kinds":1}"#, 400, "malformed", "unknown field `kinds`"),
        (r#"{"kind":"count","priority":40000}"#, 400, "malformed", "i16"),
        (r#"{"kind":"count","run_at":-1}"#, 400, "malformed", "u64"),
        (r#"{"kind":"count","max_attempts":0}"#, 400, "bad_request", "at least 1"),
        (r#"{"kind":"\ud800"}"#, 400, "malformed", "escape"),
        (r#"{"kind":"counts"}"#, 422, "unknown_kind", "there are: count"),
        (r#"{"kind":""}"#, 422, "unknown_kind", "no kind ``"),
        (r#"{"kind":"count"}"#, 422, "invalid_input", "`count`"),
        (r#"{"kind":"count","input":{"to":"x"}}"#, 422, "invalid_input", "expected u64"),
        (r#"{"kind":"count","input":{"to":1,"too":1}}"#, 422, "invalid_input", "`too`"),
        (r#"{"kind":"count","input":{"to":1},"key":""}"#, 422, "bad_key", "1 to 200"),
        (r#"{"kind":"count","input":{"to":1},"key":"a\nb"}"#, 422, "bad_key", "control"),
    ] {
        let answer = request(desk.at(), "POST /tasks", JSON, body).await.unwrap();
        let detail = problem(&answer, status, code);
        assert!(detail.contains(culprit), "{body}: {detail}");
    }
    for (run_at, culprit) in
        [("18446744073709551615", "ten years"), ("4102444800000000", "ten years")]
    {
        let body = format!(r#"{{"kind":"count","input":{{"to":1}},"run_at":{run_at}}}"#);
        let answer = request(desk.at(), "POST /tasks", JSON, &body).await.unwrap();
        let detail = problem(&answer, 400, "bad_request");
        assert!(detail.contains(culprit), "{detail}");
    }
    let deep = format!(r#"{{"kind":"count","input":{}1{}}}"#, "[".repeat(5000), "]".repeat(5000));
    problem(&request(desk.at(), "POST /tasks", JSON, &deep).await.unwrap(), 422, "invalid_input");
    let mut long = count(1, 0);
    long["key"] = "x".repeat(201).into();
    problem(&post(desk.at(), "/tasks", &long).await, 422, "bad_key");
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let answer = request(desk.at(), "POST /tasks", form, "{}").await.unwrap();
    assert!(problem(&answer, 415, "no_json").contains("application/json"));
    for (charset, status) in [("latin1", 415), ("utf-16", 415), ("UTF-8", 422), ("\"utf-8\"", 422)]
    {
        let header = format!("Content-Type: application/json; charset={charset}\r\n");
        for (path, body, fine) in
            [("/tasks", r#"{"kind":"x"}"#, status), ("/tasks/batch", "{", 400)]
        {
            let expected = if status == 415 { 415 } else { fine };
            let answer = request(desk.at(), &format!("POST {path}"), &header, body).await.unwrap();
            assert_eq!(answer.status, expected, "{charset}: {}", answer.text());
            assert!(expected != 415 || answer.text().contains("UTF-8"), "{}", answer.text());
        }
    }
    assert_eq!(expect(&ask(desk.at(), "GET /tasks", "").await, 200)["tasks"], json!([]));
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_does_not_echo_a_megabyte() {
    let desk = Desk::open("--web-body-limit 8MiB");
    let long = "ü".repeat(1 << 20);
    for (task, status, code) in [
        (json!({ "kind": "count", "input": { "to": long } }), 422, "invalid_input"),
        (json!({ "kind": "count", "input": { (&long): 1 } }), 422, "invalid_input"),
        (json!({ "kind": long }), 422, "unknown_kind"),
        (json!({ (&long): "count" }), 400, "malformed"),
    ] {
        let answer = post(desk.at(), "/tasks", &task).await;
        let detail = problem(&answer, status, code);
        assert!(detail.len() < 300 && answer.body.len() < 600, "{detail}");
        if status == 422 {
            let batch = json!({ "tasks": [task] });
            let answer = expect(&post(desk.at(), "/tasks/batch", &batch).await, 200);
            let error = &answer["results"][0]["error"];
            assert_eq!((&error["code"], &error["detail"]), (&json!(code), &json!(detail)));
        }
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_are_refused() {
    let desk = Desk::open("");
    let mut keyed = count(1, 0);
    keyed["key"] = "a".into();
    let first = submit(desk.at(), &keyed).await;
    let mut other = count(2, 0);
    other["key"] = "a".into();
    let detail = problem(&post(desk.at(), "/tasks", &other).await, 409, "key_taken");
    assert!(detail.contains(&format!("task {first} ")), "{detail}");
    for (header, culprit) in [
        ("b", "differ"),
        ("\u{e4}", "no text"),
        ("a\r\nIdempotency-Key: a", "came twice"),
        ("a\r\nIdempotency-Key: b", "came twice"),
    ] {
        let headers = format!("{JSON}Idempotency-Key: {header}\r\n");
        let answer = request(desk.at(), "POST /tasks", &headers, &keyed.to_string()).await.unwrap();
        let detail = problem(&answer, 400, "bad_request");
        assert!(detail.contains(culprit), "{detail}");
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_make_no_sense_are_refused_as_a_whole() {
    let desk = Desk::open("");
    let mut never = count(1, 0);
    never["max_attempts"] = 0.into();
    for (batch, code, culprit) in [
        (json!({ "tasks": [] }), "bad_request", "not 0"),
        (json!({ "tasks": vec![count(1, 0); 1001] }), "bad_request", "not 1001"),
        (json!({ "tasks": [count(1, 0), never] }), "bad_request", "task 1: "),
        (json!({ "tasks": [{}] }), "malformed", "kind"),
        (json!({ "task": [] }), "malformed", "unknown field"),
    ] {
        let detail = problem(&post(desk.at(), "/tasks/batch", &batch).await, 400, code);
        assert!(detail.contains(culprit), "{detail}");
    }
    let keyed = format!("{JSON}Idempotency-Key: a\r\n");
    let one = json!({ "tasks": [count(1, 0)] }).to_string();
    let answer = request(desk.at(), "POST /tasks/batch", &keyed, &one).await.unwrap();
    assert!(problem(&answer, 400, "bad_request").contains("each of its tasks"));
    assert_eq!(expect(&ask(desk.at(), "GET /tasks", "").await, 200)["tasks"], json!([]));
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_queries_and_methods_that_cannot_be_are_refused() {
    let desk = Desk::open("");
    let id = submit(desk.at(), &count(1, 0)).await;
    until(desk.at(), &id, "succeeded").await;
    for none in [
        "999",
        "0",
        "-1",
        "x",
        "1.5",
        "%2e%2e",
        "18446744073709551616",
        "%00",
        "%ff",
        "9223372036854775808",
    ] {
        for line in ["GET /tasks/", "DELETE /tasks/"] {
            problem(&ask(desk.at(), &format!("{line}{none}"), "").await, 404, "no_task");
        }
        for (method, rest) in [("GET", "events"), ("POST", "requeue"), ("POST", "discard")] {
            let line = format!("{method} /tasks/{none}/{rest}");
            problem(&ask(desk.at(), &line, "").await, 404, "no_task");
        }
    }
    for query in [
        "state=asleep",
        "state=",
        "cursor=x",
        "cursor=-1",
        "limit=0",
        "limit=501",
        "limit=x",
        "colour=red",
        "kind=%00",
        "limit=1&limit=2",
    ] {
        let answer = ask(desk.at(), &format!("GET /tasks?{query}"), "").await;
        let detail = problem(&answer, 400, "bad_request");
        let (name, _) = query.split_once('=').unwrap();
        assert!(detail.contains(name), "{query}: {detail}");
    }
    for query in ["?after=x", "?after=-1", "?before=1"] {
        let answer = ask(desk.at(), &format!("GET /tasks/{id}/events{query}"), "").await;
        let name = &query[1..query.len() - 2].trim_end_matches('=');
        assert!(problem(&answer, 400, "bad_request").contains(name), "{}", answer.text());
    }
    for last in ["x", "-1", "1.5", "", "\u{e4}", "18446744073709551616"] {
        let header = format!("Last-Event-ID: {last}\r\n");
        let answer = ask(desk.at(), &format!("GET /tasks/{id}/events"), &header).await;
        assert!(problem(&answer, 400, "bad_request").contains("Last-Event-ID"), "{last:?}");
    }
    for (line, allow) in [
        ("PUT /tasks", "get, head, post"),
        ("GET /tasks/batch", "post"),
        ("POST /tasks/1", "get, head, delete"),
    ] {
        let answer = ask(desk.at(), line, "").await;
        problem(&answer, 405, "not_allowed");
        assert!(answer.head.contains(&format!("allow: {allow}\r\n")), "{}", answer.head);
    }
    assert_eq!(ask(desk.at(), "GET /tasks/1/else", "").await.status, 404);
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_answered_without_a_problem_as_documented() {
    let desk = Desk::open("");
    let long = format!("GET /tasks HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(1 << 18));
    for (request, status) in [
        ("GARBAGE\r\n\r\n", "400"),
        ("POST /tasks HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", "400"),
        ("GET /tasks HTTP/9.9\r\nHost: localhost\r\n\r\n", "400"),
        (&long, "431"),
    ] {
        let mut client = Client::connect(desk.at()).await.unwrap();
        // It may be refused while it is still being sent; then the answer may be lost, too.
        let _ = client.send(request.as_bytes()).await;
        let answer = String::from_utf8_lossy(&client.rest().await).into_owned();
        let is_lost = answer.is_empty() && request.len() > 1000;
        let is_short =
            answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.ends_with("\r\n\r\n");
        assert!(is_lost || is_short, "{answer}");
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_are_refused_and_the_service_lives() {
    let desk = Desk::open("");
    let mut client = Client::connect(desk.at()).await.unwrap();
    let size = 100 << 20;
    client.ask("POST /tasks", &format!("{JSON}Content-Length: {size}\r\n")).await.unwrap();
    let declared = client.answer(Duration::ZERO).await.unwrap();
    assert!(declared.closes(), "{declared:?}");
    problem(&declared, 413, "too_large");
    problem(&too_much(desk.at(), "/tasks").await, 413, "too_large");
    let id = submit(desk.at(), &count(1, 0)).await;
    until(desk.at(), &id, "succeeded").await;
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_and_still_knows_its_keys() {
    let desk = Desk::open("--tasks-concurrency 1 --tasks-queue-limit 2");
    let first = submit(desk.at(), &count(100_000, 50)).await;
    until(desk.at(), &first, "running").await;
    let mut keyed = count(1, 0);
    keyed["key"] = "a".into();
    let waiting = submit(desk.at(), &keyed).await;
    submit(desk.at(), &count(1, 0)).await;
    let detail = problem(&post(desk.at(), "/tasks", &count(1, 0)).await, 503, "queue_full");
    assert!(detail.contains("2 tasks wait"), "{detail}");
    let batch =
        expect(&post(desk.at(), "/tasks/batch", &json!({ "tasks": [count(1, 0)] })).await, 200);
    assert_eq!(batch["results"][0]["error"]["code"], "queue_full", "{batch}");
    assert_eq!(expect(&post(desk.at(), "/tasks", &keyed).await, 200)["id"], json!(waiting));
    expect(&ask(desk.at(), &format!("DELETE /tasks/{waiting}"), "").await, 200);
    submit(desk.at(), &count(1, 0)).await;
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_takes_nothing_in_and_says_so_while_it_still_answers() {
    let mut desk = Desk::open("--shutdown-announce 10s");
    let running = submit(desk.at(), &count(100_000, 10)).await;
    until(desk.at(), &running, "running").await;
    desk.service.signal(Signal::Term);
    until_stopping(&desk).await;
    let detail = problem(&post(desk.at(), "/tasks", &count(1, 0)).await, 503, "shutting_down");
    assert_eq!(detail, "service is shutting down");
    let batch =
        expect(&post(desk.at(), "/tasks/batch", &json!({ "tasks": [count(1, 0)] })).await, 200);
    assert_eq!(batch["results"][0]["error"]["code"], "shutting_down", "{batch}");
    assert_eq!(ask(desk.at(), &format!("GET /tasks/{running}"), "").await.status, 200);
    assert_eq!(get(desk.service.admin, "/healthz").await.unwrap().status, 200);
    desk.service.ends_with(0);
}
