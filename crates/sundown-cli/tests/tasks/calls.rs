//! The kind `http`: what is allowed is asked for, nothing else is, and nobody can hold or fill it.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sundown_drill::process::Signal;

use crate::api::{Desk, end_of, in_an_hour, post, problem, submit, until, until_it};
use crate::service::{Scratch, serving};

/// A server that answers as its paths say, and remembers what it was asked.
pub(crate) struct Other {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Other {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let hears = heard.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hears = hears.clone();
                thread::spawn(move || answer(stream, &hears));
            }
        });
        Other { port, heard }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// One request, one answer, and the end; whoever asks may be gone before.
fn answer(stream: TcpStream, heard: &Mutex<Vec<String>>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut text, mut length) = (String::new(), 0);
    loop {
        let before = text.len();
        reader.read_line(&mut text).ok()?;
        let line = text[before..].trim_end().to_ascii_lowercase();
        if let Some(size) = line.strip_prefix("content-length: ") {
            length = size.parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    text.push_str(&String::from_utf8_lossy(&body));
    let path = text.split(' ').nth(1)?.to_owned();
    let count = {
        let mut heard = heard.lock().unwrap();
        heard.push(text);
        heard.iter().filter(|text| text.split(' ').nth(1) == Some(&path)).count()
    };
    if let Some(port) = path.strip_prefix("/in/to/") {
        let head = format!("Location: http://127.0.0.1:{port}/in/to-you\r\n");
        return write(stream, "307 Moved", &head, "");
    }
    let (status, header, body) = match path.as_str() {
        "/in/flaky" if count == 1 => ("500 Oops", "", "not now".to_owned()),
        "/in/missing" => ("404 Not Found", "", "never heard of it".to_owned()),
        "/in/slow" => {
            thread::park_timeout(Duration::from_secs(20));
            ("200 OK", "", String::new())
        }
        "/in/moved" => ("307 Moved", "Location: /in/ok\r\n", String::new()),
        "/in/lured" => ("307 Moved", "Location: /secret\r\n", String::new()),
        "/in/sent" => ("308 Moved", "Location: http://169.254.169.254/latest\r\n", String::new()),
        "/in/deep/relative" => ("308 Moved", "Location: ok?a=b\r\n", String::new()),
        "/in/deep/up" => ("307 Moved", "Location: ../ok#here\r\n", String::new()),
        "/in/dawdling" => {
            thread::park_timeout(Duration::from_millis(400));
            ("307 Moved", "Location: /in/dawdling\r\n", String::new())
        }
        "/in/round" => ("307 Moved", "Location: /in/round\r\n", String::new()),
        "/in/huge" => ("200 OK", "", "x".repeat(20 << 20)),
        _ => ("200 OK", "", "done".to_owned()),
    };
    write(stream, status, header, &body)
}

fn write(mut stream: TcpStream, status: &str, header: &str, body: &str) -> Option<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()
}

fn open(other: &Other) -> Desk {
    impatient(other, "20s")
}

/// One whose calls may take so long.
fn impatient(other: &Other, timeout: &str) -> Desk {
    Desk::open(&flags(&other.url("/in"), timeout))
}

pub(crate) fn flags(allow: &str, timeout: &str) -> String {
    format!("--http-allow {allow} --http-timeout {timeout} --http-answer-limit 4KiB")
}

pub(crate) fn call(url: &str) -> Value {
    json!({ "kind": "http", "input": { "url": url, "body": "hello" }, "max_attempts": 1 })
}

/// The key that came with a request.
pub(crate) fn key(request: &str) -> String {
    let lower = request.to_ascii_lowercase();
    let key = lower.lines().find_map(|line| line.strip_prefix("idempotency-key: "));
    key.unwrap_or_else(|| panic!("no key: {request}")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_asked_with_a_key_by_which_it_knows_who_asks_again() {
    let other = Other::start();
    let desk = open(&other);
    let mut task = call(&other.url("/in/flaky?a=b"));
    task["input"]["url"] = other.url("/in/flaky").into();
    task["input"]["headers"] = json!({ "X-Colour": "red" });
    task["max_attempts"] = 3.into();
    let ended = end_of(desk.at(), &task, "succeeded").await;
    assert_eq!(ended["output"], json!({ "status": 200, "body": "done", "is_truncated": false }));
    assert_eq!((&ended["attempt"], &ended["failures"]), (&json!(2), &json!(1)));
    let heard = other.heard();
    let end = format!("-{}", ended["id"].as_str().unwrap());
    assert_eq!((heard.len(), key(&heard[0])), (2, key(&heard[1])));
    assert!(key(&heard[0]).starts_with("sundown-") && key(&heard[0]).ends_with(&end));
    for request in heard {
        let lower = request.to_ascii_lowercase();
        assert!(lower.starts_with("post /in/flaky http/1.1"), "{request}");
        assert!(lower.contains("x-colour: red\r\n"), "{request}");
        assert!(request.ends_with("\r\n\r\nhello"), "{request}");
    }
    for method in ["GET", "DELETE", "PUT", "HEAD"] {
        let task =
            json!({ "kind": "http", "input": { "url": other.url("/in/a"), "method": method } });
        let ended = end_of(desk.at(), &task, "succeeded").await;
        assert_eq!(ended["output"]["status"], 200, "{ended}");
        assert!(other.heard().last().unwrap().starts_with(&format!("{method} /in/a ")));
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_fail_again_fails_for_good_and_the_rest_is_tried_again() {
    let other = Other::start();
    let desk = open(&other);
    let ended = end_of(desk.at(), &call(&other.url("/in/missing")), "failed").await;
    assert_eq!(ended["error"], "the server answered 404 Not Found: never heard of it");
    let mut nobody = call(&other.url("/in/flaky"));
    nobody["max_attempts"] = 2.into();
    let id = submit(desk.at(), &nobody).await;
    let failed = until_it(desk.at(), &id, |task| task["failures"] == 1).await;
    assert_eq!(failed["error"], "the server answered 500 Internal Server Error: not now");
    until_it(desk.at(), &id, |task| task["state"] == "succeeded").await;
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_timeout_is_for_the_whole_call_redirects_included() {
    let other = Other::start();
    let desk = impatient(&other, "1s");
    for path in ["/in/slow", "/in/dawdling"] {
        let ended = end_of(desk.at(), &call(&other.url(path)), "dead").await;
        assert!(ended["error"].as_str().unwrap().contains("timeout"), "{ended}");
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_followed_inside_what_is_allowed_and_not_off_it() {
    let other = Other::start();
    let desk = open(&other);
    let ended = end_of(desk.at(), &call(&other.url("/in/moved")), "succeeded").await;
    assert_eq!(ended["output"]["body"], "done");
    assert!(other.heard()[1].ends_with("\r\n\r\nhello"), "the body went along");
    for (path, culprit) in [
        ("/in/lured", "/secret` is not allowed"),
        ("/in/sent", "169.254.169.254/latest` is not allowed"),
    ] {
        let ended = end_of(desk.at(), &call(&other.url(path)), "failed").await;
        assert!(ended["error"].as_str().unwrap().contains(culprit), "{ended}");
    }
    let ended = end_of(desk.at(), &call(&other.url("/in/round")), "failed").await;
    assert_eq!(ended["error"], "more than 5 redirects");
    assert!(!other.heard().iter().any(|request| request.contains("/secret ")));
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_may_be_relative_to_where_it_stands() {
    let other = Other::start();
    let desk = open(&other);
    for (path, next) in [("/in/deep/relative", "/in/deep/ok?a=b"), ("/in/deep/up", "/in/ok")] {
        end_of(desk.at(), &call(&other.url(path)), "succeeded").await;
        let heard = other.heard();
        assert!(heard.last().unwrap().starts_with(&format!("POST {next} HTTP/1.1\r\n")), "{path}");
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_gets_no_header_that_could_be_a_secret() {
    let (first, second) = (Other::start(), Other::start());
    let desk = Desk::open(&flags(&format!("{},{}", first.url("/in"), second.url("/in")), "20s"));
    let mut task = call(&first.url(&format!("/in/to/{}", second.port)));
    task["input"]["headers"] = json!({
        "X-Api-Key": "hush", "Authorization": "Bearer hush", "Cookie": "hush", "X-Any": "hush",
        "Content-Type": "text/plain", "Accept": "text/html",
    });
    let ended = end_of(desk.at(), &task, "succeeded").await;
    let (before, after) = (first.heard().remove(0), second.heard().remove(0));
    assert_eq!(before.matches("hush").count(), 4, "{before}");
    assert!(!after.contains("hush"), "{after}");
    let lower = after.to_ascii_lowercase();
    assert!(key(&after).ends_with(&format!("-{}", ended["id"].as_str().unwrap())));
    for header in ["content-type: text/plain\r\n", "accept: text/html\r\n"] {
        assert!(lower.contains(header), "{after}");
    }
    assert!(after.ends_with("\r\n\r\nhello"), "{after}");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn no_proxy_of_the_environment_comes_in_between() {
    let (other, scratch) = (Other::start(), Scratch::new());
    let mut launch = Desk::launch(&scratch, "", &flags(&other.url("/in"), "20s"));
    for name in ["ALL_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "http_proxy"] {
        launch = launch.env(name, "http://127.0.0.1:1");
    }
    let desk = Desk { service: serving(launch.spawn().unwrap()), scratch };
    end_of(desk.at(), &call(&other.url("/in/ok")), "succeeded").await;
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_allowed_any_more_is_not_asked_for_and_waits_until_it_is_again() {
    let other = Other::start();
    let scratch = Scratch::new();
    let commands = "[commands.true]\nrun = [\"/bin/true\"]\n";
    let flags = flags(&other.url("/in"), "20s");
    let launch =
        |commands, flags: &str| serving(Desk::launch(&scratch, commands, flags).spawn().unwrap());
    let mut service = launch(commands, &flags);
    let mut ids = Vec::new();
    for mut task in
        [call(&other.url("/in/ok")), json!({ "kind": "command", "input": { "command": "true" } })]
    {
        task["run_at"] = in_an_hour().into();
        ids.push(submit(service.web, &task).await);
    }
    service.signal(Signal::Term);
    service.ends_with(0);
    let store = rusqlite::Connection::open(scratch.path("tasks.db")).unwrap();
    assert_eq!(store.execute("update task set run_at = 0", []).unwrap(), 2);
    drop(store);

    let others = "[commands.false]\nrun = [\"/bin/false\"]\n";
    let mut service = launch(others, &flags.replace("/in", "/elsewhere"));
    for (id, culprit) in ids.iter().zip(["is not allowed", "has the command `true`"]) {
        let waits = until_it(service.web, id, |task| !task["waits_for"].is_null()).await;
        assert!(waits["waits_for"].as_str().unwrap().contains(culprit), "{waits}");
        assert_eq!((&waits["failures"], &waits["interruptions"]), (&json!(0), &json!(0)));
    }
    assert_eq!(other.heard(), [""; 0]);
    service.signal(Signal::Term);
    service.ends_with(0);

    let desk = Desk { service: launch(commands, &flags), scratch };
    for id in &ids {
        until(desk.at(), id, "succeeded").await;
    }
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_huge_answer_is_cut() {
    let other = Other::start();
    let desk = open(&other);
    let ended = end_of(desk.at(), &call(&other.url("/in/huge")), "succeeded").await;
    assert_eq!(ended["output"]["body"].as_str().unwrap().len(), 4096);
    assert_eq!(ended["output"]["is_truncated"], true);
    desk.close();
}

/// It is not even taken in.
async fn refused(desk: &Desk, task: &Value) {
    problem(&post(desk.at(), "/tasks", task).await, 422, "invalid_input");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_is_ever_asked_for() {
    let other = Other::start();
    let desk = open(&other);
    let port = other.port;
    for url in [
        other.url("/"),
        other.url("/inside"),
        other.url("/in/../secret"),
        other.url("/in/%2e%2E/secret"),
        other.url("/in/..%2fsecret"),
        other.url("/in/%252e%252e/secret"),
        other.url("/in/..\\secret"),
        other.url("/in\r\nX: y"),
        other.url("/in").replace("http", "https"),
        format!("http://me@127.0.0.1:{port}/in"),
        format!("http://127.0.0.1:{port}@example.com/in"),
        format!("http://localhost:{port}/in"),
        format!("http://127.1:{port}/in"),
        format!("http://2130706433:{port}/in"),
        format!("http://[::ffff:127.0.0.1]:{port}/in"),
        "http://127.0.0.1/in".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        format!("ftp://127.0.0.1:{port}/in"),
        "file:///etc/passwd".to_owned(),
        format!("http://127.0.0.1:{}/in", u32::from(port) + 65536),
        String::new(),
    ] {
        refused(&desk, &call(&url)).await;
    }
    for (field, value) in [
        ("method", json!("CONNECT")),
        ("method", json!("get it")),
        ("headers", json!({ "Host": "example.com" })),
        ("headers", json!({ "Idempotency-Key": "mine" })),
        ("headers", json!({ "X": "a\r\nY: b" })),
        ("headers", json!({ "": "x" })),
    ] {
        let mut task = call(&other.url("/in/ok"));
        task["input"][field] = value;
        refused(&desk, &task).await;
    }
    assert_eq!(other.heard(), [""; 0]);
    desk.close();
}
