//! What `sundown tasks` sends and takes, to the letter, and what it makes of somebody who is not the
//! service.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::api::Desk;

const STARTED: &str = r#"{"id":"7","stream_url":"/tasks/7/events","is_new":true}"#;

/// Somebody who answers as this function says, or hangs up.
pub(crate) struct Other {
    pub(crate) url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Other {
    pub(crate) fn who(says: impl Fn(&str, usize) -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let hears = heard.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                let line = request.lines().next().unwrap().to_owned();
                let count = {
                    let mut hears = hears.lock().unwrap();
                    hears.push(request);
                    hears.len()
                };
                if let Some(answer) = says(&line, count) {
                    let _ = (&stream).write_all(answer.as_bytes());
                }
            }
        });
        Other { url, heard }
    }

    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

fn read(stream: &TcpStream) -> Option<String> {
    let mut reader = BufReader::new(stream);
    let (mut text, mut length) = (String::new(), 0);
    while !text.ends_with("\r\n\r\n") {
        let before = text.len();
        if reader.read_line(&mut text).ok()? == 0 {
            return None;
        }
        if let Some(size) = text[before..].to_ascii_lowercase().strip_prefix("content-length: ") {
            length = size.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(text + &String::from_utf8(body).ok()?)
}

pub(crate) fn answer(status: &str, kind: &str, body: &str) -> Option<String> {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    ))
}

pub(crate) fn json(body: &str) -> Option<String> {
    answer("200 OK", "application/json", body)
}

fn run(url: &str, arguments: &[&str], code: i32) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sundown"));
    command.arg("tasks").args(arguments).args(["--url", url]).env_remove("SUNDOWN_WEB_TOKEN");
    let ended = command.output().unwrap();
    assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {ended:?}");
    ended
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

pub(crate) fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn an_input_goes_and_comes_to_the_last_digit() {
    let input = r#"{"n":12345678901234567890.123456789,"n":1,"t":"\u00fc ü"}"#;
    let task = format!("{{\"id\":\"7\",\n  \"input\": {input}}}");
    let other = Other::who(move |line, _| match line {
        line if line.starts_with("POST") => json(STARTED),
        _ => json(&task),
    });
    run(&other.url, &["submit", "x", input, "--key", "k"], 0);
    let sent = format!(r#"{{"kind":"x","input":{input},"key":"k"}}"#);
    assert_eq!(body(&other.heard()[0]), sent);
    let shown = String::from_utf8(run(&other.url, &["show", "7"], 0).stdout).unwrap();
    assert_eq!(shown, format!("{{\"id\":\"7\",   \"input\": {input}}}\n"));
}

#[test]
fn somebody_else_at_the_address_is_found_out() {
    let page = Other::who(|_, _| answer("200 OK", "text/html", "<p>Welcome</p>"));
    let submit = ["submit", "x", "{}"];
    for arguments in [&submit[..], &["list"], &["show", "7"], &["watch", "7"], &["cancel", "7"]] {
        let said = said(&run(&page.url, arguments, 2));
        let culprit = format!("{} answers with no JSON", page.url);
        assert!(said.contains(&culprit), "{arguments:?}: {said}");
    }
    let elsewhere = Other::who(|_, _| {
        Some("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n".to_owned())
    });
    assert!(said(&run(&elsewhere.url, &["list"], 2)).contains("answered 302"));
    let no_stream = Other::who(|_, _| json(STARTED));
    let said = said(&run(&no_stream.url, &["watch", "7"], 2));
    assert!(said.contains(&format!("{} answers with no stream", no_stream.url)), "{said}");
}

/// The key that a request was sent with.
fn key(request: &str) -> String {
    let body: Value = serde_json::from_str(body(request)).unwrap();
    body["key"].as_str().unwrap().to_owned()
}

#[test]
fn a_task_that_was_cut_off_is_handed_in_again_with_the_same_key() {
    let deaf = Other::who(|_, count| match count {
        1 => None,
        2 => answer("503 Later", "application/problem+json", r#"{"code":"store","detail":"x"}"#),
        _ => json(STARTED),
    });
    let ended = run(&deaf.url, &["submit", "x", "{}"], 0);
    assert_eq!(String::from_utf8(ended.stdout).unwrap(), format!("{STARTED}\n"));
    let keys: Vec<String> = deaf.heard().iter().map(|request| key(request)).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|other| *other == keys[0]), "{keys:?}");
    run(&deaf.url, &["submit", "x", "{}"], 0);
    assert_ne!(key(&deaf.heard()[3]), keys[0], "another task has another key");
}

#[test]
fn whoever_gives_up_says_with_which_key_to_ask_again() {
    for (given, expected) in [(&[][..], "sundown-tasks-"), (&["--key", "order-17"], "order-17")] {
        let deaf = Other::who(|_, _| None);
        let arguments = [&["submit", "x", "{}"][..], given].concat();
        let said = said(&run(&deaf.url, &arguments, 2));
        let key = key(&deaf.heard()[0]);
        assert!(key.starts_with(expected), "{key}");
        assert!(said.contains(&format!("nobody knows (ask again with --key {key})")), "{said}");
        assert!(!said.contains("cannot reach"), "{said}");
    }
    let full = Other::who(|_, _| {
        answer("503 Later", "application/problem+json", r#"{"code":"queue_full","detail":"full"}"#)
    });
    assert_eq!(said(&run(&full.url, &["submit", "x", "{}"], 2)), "error: full\n");
    assert_eq!(full.heard().len(), 1, "it was not taken in, and that is known");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_proxy_of_the_environment_comes_in_between() {
    let desk = Desk::open("");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sundown"));
    command.args(["tasks", "list", "--url", &format!("http://{}", desk.at())]);
    for name in ["ALL_PROXY", "HTTP_PROXY", "all_proxy", "http_proxy"] {
        command.env(name, "http://127.0.0.1:1");
    }
    let ended = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    desk.close();
}

#[test]
fn control_characters_of_a_refusal_are_written_out() {
    let detail =
        r#"{"code":"unknown_kind","detail":"no kind `\u001b]0;mine\u0007\u009b2J`\nerror: fake"}"#;
    let rude = Other::who(move |_, _| answer("422 No", "application/problem+json", detail));
    for arguments in [&["submit", "x", "{}"][..], &["cancel", "7"], &["list"]] {
        let said = said(&run(&rude.url, arguments, 2));
        assert!(said.contains(r"no kind `\u{1b}]0;mine\u{7}\u{9b}2J` error: fake"), "{said:?}");
        assert_eq!(said.lines().count(), 1, "{said:?}");
        assert!(!said.trim_end().contains(|c: char| c.is_control()), "{said:?}");
    }
}

#[test]
fn a_task_that_begins_later_is_sent_with_its_time() {
    let other = Other::who(|_, _| json(STARTED));
    run(&other.url, &["submit", "x", "{}", "--key", "k", "--at", "2027-01-31T09:00:00+01:00"], 0);
    let sent = r#"{"kind":"x","input":{},"key":"k","run_at":1801382400000}"#;
    assert_eq!(body(&other.heard()[0]), sent);
}

#[test]
fn tasks_are_changed_by_a_filter_page_by_page_and_not_without_consent() {
    let service = || {
        Other::who(|_, count| match count {
            1 => json(r#"{"count":1000,"next":"17"}"#),
            2 => json(r#"{"count":0,"next":"9"}"#),
            _ => json(r#"{"count":37,"next":null}"#),
        })
    };
    let other = service();
    let requeue = ["requeue", "--state", "dead", "--kind", "mail"];
    // Nobody can be asked: the standard input is no terminal.
    let said = said(&run(&other.url, &requeue, 2));
    assert!(said.contains("say --yes") && other.heard().is_empty(), "{said}");

    let done = run(&other.url, &[&requeue[..], &["--yes"]].concat(), 0);
    assert_eq!(String::from_utf8(done.stdout).unwrap(), "{\"count\":1037}\n");
    let heard = other.heard();
    assert!(heard.iter().all(|request| request.starts_with("POST /tasks/requeue ")), "{heard:?}");
    let bodies: Vec<&str> = heard.iter().map(|request| body(request)).collect();
    assert_eq!(
        bodies,
        [
            r#"{"state":"dead","kind":"mail","dry_run":false}"#,
            r#"{"state":"dead","kind":"mail","dry_run":false,"cursor":"17"}"#,
            r#"{"state":"dead","kind":"mail","dry_run":false,"cursor":"9"}"#,
        ]
    );
    for (operation, path) in
        [("cancel", "POST /tasks/cancel "), ("discard", "POST /tasks/discard ")]
    {
        let other = service();
        let table = [operation, "--kind", "mail", "--yes", "-o", "table"];
        let told = String::from_utf8(run(&other.url, &table, 0).stdout).unwrap();
        assert!(told.starts_with("1037 tasks "), "{told}");
        assert!(other.heard()[0].starts_with(path), "{:?}", other.heard());
    }
}

#[test]
fn tables_tell_ages_attempts_and_what_a_task_waits_for() {
    let now = jiff::Timestamp::now().as_millisecond();
    let task = |id: u32, state: &str, more: &str| {
        let created = now - 190_000;
        format!(
            r#"{{"id":"{id}","kind":"mail","state":"{state}","attempt":2,"failures":1,"max_attempts":5,
            "interruptions":1,"input":{{"to":"me"}},"created_at":{created},"run_at":{created}{more}}}"#
        )
    };
    let (began, ended, due) = (now - 100_000, now - 98_200, now + 305_000);
    let tasks = [
        task(
            1,
            "dead",
            &format!(r#","started_at":{began},"ended_at":{ended},"error":"no\u001b[2Jroute""#),
        ),
        task(2, "pending", r#","waits_for":"no running replica has the command `newcmd`""#),
        task(3, "pending", "")
            .replace(&format!("\"run_at\":{}", now - 190_000), &format!("\"run_at\":{due}")),
    ];
    let page = format!(r#"{{"tasks":[{}],"next":null}}"#, tasks.join(","));
    let dead = tasks[0].clone();
    let other =
        Other::who(move |line, _| json(if line.contains("/tasks/1") { &dead } else { &page }));
    let table = String::from_utf8(run(&other.url, &["list", "-o", "table"], 0).stdout).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(rows[0], ["id", "state", "kind", "age", "took", "tries", "what"]);
    assert_eq!(rows[1], ["1", "dead", "mail", "3 m ago", "1.8 s", "2", r"no\u{1b}[2Jroute"]);
    assert_eq!(
        rows[2],
        [
            "2",
            "pending",
            "mail",
            "3 m ago",
            "2",
            "waits: no running replica has the command `newcmd`"
        ]
    );
    assert_eq!(rows[3], ["3", "pending", "mail", "3 m ago", "2", "due in 5 m"]);
    let shown =
        String::from_utf8(run(&other.url, &["show", "1", "-o", "table"], 0).stdout).unwrap();
    for line in [
        "took        1.8 s\n",
        "attempts    2 begun, 1 of 5 failed, 1 interrupted\n",
        " (3 m ago)\n",
    ] {
        assert!(shown.contains(line), "{line}: {shown}");
    }
}
