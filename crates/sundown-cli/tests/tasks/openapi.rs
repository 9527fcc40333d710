//! `openapi.json` says what is served, and what is served is as it says.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sundown_drill::process::Signal;

use crate::api::{Desk, JSON, ask, count, in_an_hour, submit, too_much, until, until_stopping};
use crate::events::follow;
use crate::http::{Answer, get, request};
use crate::schema::{check, resolved};
use crate::service::{Scratch, serving};

const DOCUMENT: &str = include_str!("../../openapi.json");
const ROUTES: &str = include_str!("../../src/serve/tasks.rs");
const METHODS: [&str; 5] = ["get", "put", "post", "delete", "patch"];

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

/// Whether a path is one of the admin listener.
fn is_admin(item: &Value) -> bool {
    item.get("servers").is_some()
}

/// Every path of the tasks API with every method.
fn operations(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().unwrap().iter();
    let paths = paths.filter(|(_, item)| !is_admin(item));
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys().filter(|name| *name != "parameters");
            methods.map(move |method| (path.clone(), method.clone()))
        })
        .collect()
}

/// Demands that an answer is one of those that are documented.
fn as_documented(document: &Value, (path, method): (&str, &str), answer: &Answer) {
    let (status, operation) = (answer.status, &document["paths"][path][method]);
    let at = format!("{method} {path} {status}");
    let documented = &operation["responses"][status.to_string()];
    assert!(documented.is_object(), "{at} is undocumented: {}", answer.text());
    let documented = resolved(document, documented);
    for header in documented["headers"].as_object().into_iter().flatten().map(|(name, _)| name) {
        let name = format!("\r\n{}: ", header.to_lowercase());
        assert!(answer.head.contains(&name), "{at}: no {header}: {}", answer.head);
    }
    let Some(content) = documented["content"].as_object() else {
        assert!(answer.body.is_empty(), "{at}: {}", answer.text());
        return;
    };
    let (kind, media) = content.iter().next().unwrap();
    let is_typed = answer.head.contains(&format!("content-type: {kind}"));
    assert!(kind == "*/*" || is_typed, "{at}: {}", answer.head);
    if kind.ends_with("json") {
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        check(document, &media["schema"], &body, &at).unwrap();
    }
}

#[test]
fn its_examples_are_as_their_schemas_say() {
    let document = document();
    let mut examples = 0;
    let mut look = vec![(String::new(), &document)];
    while let Some((at, value)) = look.pop() {
        if let (Some(example), Some(schema)) = (value.get("example"), value.get("schema")) {
            check(&document, schema, example, &at).unwrap();
            examples += 1;
        }
        let fields = value.as_object().into_iter().flatten();
        look.extend(fields.map(|(name, field)| (format!("{at}/{name}"), field)));
    }
    assert!(examples > 15, "{examples}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_served_and_has_every_route_and_no_other() {
    let desk = Desk::open("");
    let served = get(desk.at(), "/openapi.json").await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&served.body).unwrap(), document());
    let document = document();
    let (begin, _) = ROUTES.split_once("async fn document").unwrap();
    let quoted = begin.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/'));
    let paths = document["paths"].as_object().unwrap().iter();
    let paths: BTreeSet<&str> =
        paths.filter(|(_, item)| !is_admin(item)).map(|(path, _)| path.as_str()).collect();
    for part in quoted {
        assert!(paths.iter().any(|path| path.ends_with(part)), "{part} is undocumented");
    }
    let operations = operations(&document);
    for path in paths {
        let real = path.replace("{id}", "999999");
        let allowed =
            |method: &&&str| operations.contains(&(path.to_owned(), (**method).to_owned()));
        let allow: Vec<&str> = METHODS.iter().filter(allowed).copied().collect();
        for method in METHODS.iter().filter(|method| !allow.contains(method)) {
            let answer = ask(desk.at(), &format!("{} {real}", method.to_uppercase()), "").await;
            assert_eq!(answer.status, 405, "{method} {path} is undocumented");
            // Where there is no stream, HEAD is taken with GET.
            let has_head = allow.contains(&"get") && !path.ends_with("/events");
            let allow = allow.join(", ").replace("get", if has_head { "get, head" } else { "get" });
            assert!(answer.head.contains(&format!("allow: {allow}\r\n")), "{path}");
        }
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_answers_as_it_says() {
    let commands = "[commands.fails]\nrun = [\"/bin/false\"]\n";
    let mut desk = Desk::configured(commands, "--shutdown-announce 10s");
    let at = desk.at();
    let fails = json!({ "kind": "command", "input": { "command": "fails" }, "max_attempts": 1 });
    let dead = submit(at, &fails).await;
    until(at, &dead, "dead").await;
    let running = submit(at, &count(100_000, 60_000)).await;
    until(at, &running, "running").await;
    let done = submit(at, &count(2, 0)).await;
    until(at, &done, "succeeded").await;
    let mut keyed = count(1, 0);
    keyed["key"] = "a".into();
    let (keyed, mut taken) = (keyed.to_string(), count(2, 0));
    taken["key"] = "a".into();
    let batch = json!({ "tasks": [count(1, 0), {"kind": "x"}] }).to_string();
    let taken = taken.to_string();
    let (id, events) = ("/tasks/{id}", "/tasks/{id}/events");
    let (requeue, discard) = ("/tasks/{id}/requeue", "/tasks/{id}/discard");
    let document = document();
    for (path, method, id, body, status) in [
        ("/tasks", "post", "", keyed.as_str(), 201),
        ("/tasks", "post", "", &keyed, 200),
        ("/tasks", "post", "", "{", 400),
        ("/tasks", "post", "", &taken, 409),
        ("/tasks", "post", "", r#"{"kind":"x"}"#, 422),
        ("/tasks", "get", "", "", 200),
        ("/tasks", "get", "?limit=0", "", 400),
        ("/tasks/batch", "post", "", &batch, 200),
        ("/tasks/batch", "post", "", "[]", 400),
        ("/tasks/cancel", "post", "", r#"{"kind":"x"}"#, 200),
        ("/tasks/requeue", "post", "", r#"{"state":"dead","dry_run":true}"#, 200),
        ("/tasks/discard", "post", "", r#"{"kind":"x","state":"failed"}"#, 200),
        ("/tasks/discard", "post", "", "{}", 400),
        (id, "get", &done, "", 200),
        (id, "get", "999", "", 404),
        (id, "delete", "999", "", 404),
        (id, "delete", &done, "", 409),
        (id, "delete", &running, "", 202),
        (events, "get", &done, "", 200),
        (events, "get", "999", "", 404),
        (requeue, "post", "999", "", 404),
        (requeue, "post", &done, "", 409),
        (requeue, "post", &dead, "", 202),
        (discard, "post", "999", "", 404),
        (discard, "post", &done, "", 204),
        ("/openapi.json", "get", "", "", 200),
    ] {
        let real = path.replace("{id}", id);
        let query = if id.starts_with('?') { id } else { "" };
        let line = format!("{} {real}{query}", method.to_uppercase());
        let answer = request(at, &line, JSON, body).await.unwrap();
        assert_eq!(answer.status, status, "{line}: {}", answer.text());
        as_documented(&document, (path, method), &answer);
    }
    let form = request(at, "POST /tasks", "Content-Type: text/plain\r\n", "{}").await.unwrap();
    as_documented(&document, ("/tasks", "post"), &form);
    for path in ["/tasks", "/tasks/batch"] {
        as_documented(&document, (path, "post"), &too_much(at, path).await);
    }
    let far = json!({ "kind": "count", "input": { "to": 1 }, "run_at": in_an_hour() });
    let far = submit(at, &far).await;
    let gone = ask(at, &format!("DELETE /tasks/{far}"), "").await;
    assert_eq!(gone.status, 200);
    as_documented(&document, (id, "delete"), &gone);

    desk.service.signal(Signal::Term);
    until_stopping(&desk).await;
    let late = request(at, "POST /tasks", JSON, &keyed).await.unwrap();
    assert_eq!(late.status, 503);
    as_documented(&document, ("/tasks", "post"), &late);
    desk.service.ends_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_numbers_and_ids_are_read_as_it_says() {
    let desk = Desk::open("");
    let whole =
        r#"{"kind":"count","input":{"to":1},"priority":-2.0,"run_at":222.0,"max_attempts":3.0}"#;
    let answer = request(desk.at(), "POST /tasks", JSON, whole).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.text());
    let task = ask(desk.at(), "GET /tasks/1", "").await;
    let task: Value = serde_json::from_slice(&task.body).unwrap();
    assert_eq!((&task["priority"], &task["max_attempts"]), (&json!(-2), &json!(3)));
    for (field, value) in [("priority", "1.5"), ("run_at", "1e300"), ("max_attempts", "\"3\"")] {
        let body = format!(r#"{{"kind":"count","input":{{"to":1}},"{field}":{value}}}"#);
        let answer = request(desk.at(), "POST /tasks", JSON, &body).await.unwrap();
        assert_eq!(answer.status, 400, "{body}: {}", answer.text());
    }
    // What the pattern of an id forbids is no id.
    for id in ["0", "01", "+1", "1.0", "-1"] {
        assert_eq!(ask(desk.at(), &format!("GET /tasks/{id}"), "").await.status, 404, "{id}");
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_as_it_says() {
    let desk = Desk::open("");
    let document = document();
    let id = submit(desk.at(), &count(1200, 0)).await;
    until(desk.at(), &id, "succeeded").await;
    for event in follow(desk.at(), &id, "", "").await {
        let schema = match event.name.as_str() {
            "reset" => "Reset",
            "over" => "Over",
            _ => "LogEvent",
        };
        let schema = &document["components"]["schemas"][schema];
        check(&document, schema, &event.data, &event.name).unwrap();
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_admin_listener_answers_as_it_says() {
    let scratch = Scratch::new();
    let launch = Desk::launch(&scratch, "", "--shutdown-announce 2s");
    let launch = launch.env("SUNDOWN_ADMIN_TOKEN", "correct-horse-battery");
    let service = serving(launch.spawn().unwrap());
    let document = document();
    let token = "Authorization: Bearer correct-horse-battery\r\n";
    for (path, method, headers, body, status) in [
        ("/healthz", "get", "", "", 200),
        ("/readyz", "get", "", "", 200),
        ("/metrics", "get", "", "", 200),
        ("/shutdown", "get", "", "", 200),
        ("/shutdown", "post", "", "", 401),
        ("/shutdown", "post", token, "{", 400),
        ("/shutdown", "post", token, r#"{"reason":"a test"}"#, 202),
        ("/readyz", "get", "", "", 503),
        ("/healthz", "get", "", "", 200),
    ] {
        let line = format!("{} {path}", method.to_uppercase());
        let answer = request(service.admin, &line, headers, body).await.unwrap();
        assert_eq!(answer.status, status, "{line}: {}", answer.text());
        as_documented(&document, (path, method), &answer);
    }
    let paths = document["paths"].as_object().unwrap().iter();
    assert_eq!(paths.filter(|(_, item)| is_admin(item)).count(), 4);
    service.ends_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_token_every_operation_is_refused_as_it_says() {
    let scratch = Scratch::new();
    let launch = Desk::launch(&scratch, "", "").env("SUNDOWN_WEB_TOKEN", "correct-horse");
    let mut service = serving(launch.spawn().unwrap());
    let document = document();
    for (path, method) in operations(&document) {
        let line = format!("{} {}", method.to_uppercase(), path.replace("{id}", "1"));
        let answer = ask(service.web, &line, JSON).await;
        assert_eq!(answer.status, 401, "{line}");
        as_documented(&document, (&path, &method), &answer);
    }
    service.signal(Signal::Term);
    service.ends_with(0);
}
