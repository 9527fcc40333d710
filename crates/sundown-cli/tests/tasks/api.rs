//! The tasks API as a client sees it: requests, answers, and waiting for what becomes of a task.

use std::fs;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use sundown_drill::process::{Launch, Signal};
use tokio::time::{Instant, sleep};

use crate::http::{Answer, Client, get, request};
use crate::service::{PATIENCE, Scratch, Service, launch, serving};

pub(crate) const JSON: &str = "Content-Type: application/json\r\n";

/// A service, and the directory it lives in.
pub(crate) struct Desk {
    pub(crate) service: Service,
    pub(crate) scratch: Scratch,
}

impl Desk {
    /// One that knows the kind `count`.
    pub(crate) fn open(flags: &str) -> Self {
        Desk::configured("", flags)
    }

    /// One with a configuration file.
    pub(crate) fn configured(configuration: &str, flags: &str) -> Self {
        let scratch = Scratch::new();
        let service = serving(Desk::launch(&scratch, configuration, flags).spawn().unwrap());
        Desk { service, scratch }
    }

    pub(crate) fn launch(scratch: &Scratch, configuration: &str, flags: &str) -> Launch {
        let file = scratch.path("sundown.toml");
        fs::write(&file, configuration).unwrap();
        launch(scratch, flags).arg("--config").arg(file)
    }

    pub(crate) fn at(&self) -> SocketAddr {
        self.service.web
    }

    /// Stops it; whatever it did before must not have hurt it.
    pub(crate) fn close(mut self) {
        self.service.signal(Signal::Term);
        self.service.ends_with(0);
    }
}

/// Sends a body as JSON, and demands an answer.
pub(crate) async fn post(at: SocketAddr, path: &str, body: &Value) -> Answer {
    request(at, &format!("POST {path}"), JSON, &body.to_string()).await.unwrap()
}

/// Sends nothing but the line and these headers.
pub(crate) async fn ask(at: SocketAddr, line: &str, headers: &str) -> Answer {
    request(at, line, headers, "").await.unwrap()
}

/// What is in the body of an answer.
pub(crate) fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("no JSON: {answer:?}"))
}

/// The answer must have this status; what is in it.
pub(crate) fn expect(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{} {}", answer.head, answer.text());
    json_of(answer)
}

/// The answer must be a problem with this status and this code; what it says.
pub(crate) fn problem(answer: &Answer, status: u16, code: &str) -> String {
    let said = expect(answer, status);
    assert!(answer.head.contains("content-type: application/problem+json"), "{}", answer.head);
    assert_eq!((&said["code"], &said["status"]), (&json!(code), &json!(status)), "{said}");
    let is_for_later = answer.head.contains("retry-after: 1\r\n");
    assert_eq!(is_for_later, status == 503, "{}", answer.head);
    assert!(!said["title"].as_str().unwrap().is_empty(), "{said}");
    said["detail"].as_str().unwrap().to_owned()
}

/// Hands a task in, and answers its id.
pub(crate) async fn submit(at: SocketAddr, task: &Value) -> String {
    let started = expect(&post(at, "/tasks", task).await, 201);
    started["id"].as_str().unwrap().to_owned()
}

/// A task of the kind `count`.
pub(crate) fn count(to: u64, pause_ms: u64) -> Value {
    json!({ "kind": "count", "input": { "to": to, "pause_ms": pause_ms } })
}

pub(crate) async fn show(at: SocketAddr, id: &str) -> Value {
    expect(&ask(at, &format!("GET /tasks/{id}"), "").await, 200)
}

/// Waits until a task stands there.
pub(crate) async fn until(at: SocketAddr, id: &str, state: &str) -> Value {
    until_it(at, id, |task| task["state"] == state).await
}

pub(crate) async fn until_it(at: SocketAddr, id: &str, is: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let task = show(at, id).await;
        if is(&task) {
            return task;
        }
        assert!(Instant::now() < deadline, "{task}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// As `run_at` wants it.
pub(crate) fn in_an_hour() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the service reads it by its own clock")]
    let now = SystemTime::now();
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    u64::try_from(now.as_millis()).unwrap() + 3_600_000
}

/// Waits until the shutdown has begun.
pub(crate) async fn until_stopping(desk: &Desk) {
    let deadline = Instant::now() + PATIENCE;
    while get(desk.service.admin, "/readyz").await.unwrap().status != 503 {
        assert!(Instant::now() < deadline, "it does not stop");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Hands a task in, and waits for its end.
pub(crate) async fn end_of(at: SocketAddr, task: &Value, state: &str) -> Value {
    let id = submit(at, task).await;
    let ended =
        until_it(at, &id, |task| !matches!(task["state"].as_str(), Some("pending" | "running")));
    let ended = ended.await;
    assert_eq!(ended["state"], state, "{ended}");
    ended
}

/// Sends more than a body may have, a piece at a time.
pub(crate) async fn too_much(at: SocketAddr, path: &str) -> Answer {
    let mut client = Client::connect(at).await.unwrap();
    let headers = format!("{JSON}Transfer-Encoding: chunked\r\n");
    client.ask(&format!("POST {path}"), &headers).await.unwrap();
    let piece = format!("100000\r\n{}\r\n", "x".repeat(1 << 20));
    for _ in 0..100 {
        // It may be refused while it is still being sent.
        if client.send(piece.as_bytes()).await.is_err() {
            break;
        }
    }
    client.answer(Duration::ZERO).await.unwrap()
}
