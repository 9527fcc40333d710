//! `sundown tasks` on a terminal: tables and progress for people, and nothing that could take the terminal
//! over.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;
use std::thread;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::api::{Desk, submit, until};
use crate::client_wire::{Other, body, json as answers};

/// Runs the client with its output on a terminal: its exit code, and what was on the screen.
fn run(at: SocketAddr, arguments: &[&str]) -> (Option<i32>, String) {
    run_on(&format!("http://{at}"), arguments, 120, None)
}

/// The same on a terminal so wide.
fn run_on(
    url: &str,
    arguments: &[&str],
    columns: u16,
    answer: Option<&str>,
) -> (Option<i32>, String) {
    let url = format!("--url={url}");
    on_terminal(&[&["tasks"][..], arguments, &[url.as_str()]].concat(), columns, answer)
}

/// Runs the binary with its output on a terminal; with an answer to a question, everything is on it.
fn on_terminal(arguments: &[&str], columns: u16, answer: Option<&str>) -> (Option<i32>, String) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
    let no_control = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
    let stdout =
        OpenOptions::new().read(true).write(true).custom_flags(no_control).open(name).unwrap();
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&screen, size).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sundown"));
    command.args(arguments).env("TERM", "xterm").env_remove("SUNDOWN_WEB_TOKEN");
    if let Some(answer) = answer {
        command.stdin(stdout.try_clone().unwrap()).stderr(stdout.try_clone().unwrap());
        File::from(screen.try_clone().unwrap()).write_all(answer.as_bytes()).unwrap();
    }
    command.stdout(stdout);
    let mut child = command.spawn().unwrap();
    // The terminal ends when nobody has it open any more.
    drop(command);
    let reader = thread::spawn(move || {
        let (mut screen, mut seen, mut bytes) = (File::from(screen), Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = screen.read(&mut bytes) {
            seen.extend_from_slice(&bytes[..count]);
        }
        String::from_utf8_lossy(&seen).into_owned()
    });
    let status = child.wait().unwrap();
    (status.code(), reader.join().unwrap())
}

async fn seen(desk: &Desk, arguments: &[&str], code: i32) -> String {
    let at = desk.at();
    let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
    let ran = spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        run(at, &arguments)
    });
    let (ended, seen) = ran.await.unwrap();
    assert_eq!(ended, Some(code), "{seen}");
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_is_a_bar_and_tasks_are_a_table() {
    let desk = Desk::open("");
    let input = r#"{"to":4,"pause_ms":30}"#;
    let watched = seen(&desk, &["submit", "count", input, "--watch"], 0).await;
    assert!(
        watched.contains(&format!("[{}]  50 %", "█".repeat(15) + &"·".repeat(15))),
        "{watched}"
    );
    assert!(watched.contains("] 100 %"), "{watched}");
    assert!(
        watched.trim_end().ends_with(r#"task 1 succeeded: {"counted":4,"from":0}"#),
        "{watched}"
    );
    let list = seen(&desk, &["list", "--limit", "1"], 0).await;
    assert!(list.contains("id  state") && list.contains(" 1  succeeded  count "), "{list}");
    assert!(list.contains(" s ago ") && list.contains("there are more: --cursor 1"), "{list}");
    let shown = seen(&desk, &["show", "1"], 0).await;
    for line in ["state       succeeded", "attempts    1 begun, 0 of 5 failed", " ago)", "took   "]
    {
        assert!(shown.contains(line), "{line}: {shown}");
    }
    let json = seen(&desk, &["show", "1", "-o", "json"], 0).await;
    assert!(json.starts_with('{') && json.contains(r#""state":"succeeded""#), "{json}");
    let ended = seen(&desk, &["discard", "1"], 0).await;
    assert_eq!(ended, "task 1: gone\r\n");
    desk.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_says_does_not_move_the_cursor() {
    let says = r"printf '\033[2J\033]0;mine\007first\n'; printf 'why\033[31m' >&2; exit 1";
    let commands =
        format!("[commands.rude]\nrun = [\"/bin/sh\", \"-c\", '''{says}''']\nlines = true\n");
    let desk = Desk::configured(&commands, "");
    let task = json!({ "kind": "command", "input": { "command": "rude" }, "max_attempts": 1 });
    let id = submit(desk.at(), &task).await;
    until(desk.at(), &id, "dead").await;
    for (command, code) in [("watch", 3), ("show", 0), ("list", 0)] {
        let arguments = if command == "list" { vec![command] } else { vec![command, &id] };
        // Our own are there to clear the line.
        let text = seen(&desk, &arguments, code).await.replace("\r\x1b[K", "");
        assert!(text.contains("why"), "{text:?}");
        let hostile = |c: char| c.is_control() && c != '\n' && c != '\r';
        assert!(!text.contains(hostile), "{text:?}");
    }
    desk.close();
}

#[test]
fn a_change_by_filter_says_how_many_and_asks() {
    for (answer, code, requests) in [("y\n", 0, 2), ("n\n", 2, 1), ("\n", 2, 1)] {
        let other = Other::who(|_, _| answers(r#"{"count":37,"next":null}"#));
        let arguments = ["requeue", "--state", "dead"];
        let (ended, seen) = run_on(&other.url, &arguments, 80, Some(answer));
        assert_eq!(ended, Some(code), "{seen}");
        assert!(seen.contains("requeue 37 tasks of state dead? [y/N] "), "{seen}");
        let heard = other.heard();
        assert_eq!(heard.len(), requests, "{heard:?}");
        assert_eq!(body(&heard[0]), r#"{"state":"dead","dry_run":true}"#);
        assert_eq!(seen.contains("37 tasks requeued"), code == 0, "{seen}");
    }
    let none = Other::who(|_, _| answers(r#"{"count":0,"next":null}"#));
    let (ended, seen) = run_on(&none.url, &["discard", "--kind", "x"], 80, Some(""));
    assert_eq!((ended, none.heard().len()), (Some(0), 1), "nobody is asked about nothing: {seen}");
}

#[test]
fn a_table_fits_the_terminal() {
    let task = |id: u32| {
        let input = "x".repeat(300);
        format!(
            r#"{{"id":"{id}","kind":"{}","state":"succeeded","attempt":1,"input":"{input}","created_at":1,"started_at":1,"ended_at":2}}"#,
            "k".repeat(40)
        )
    };
    let page = format!(r#"{{"tasks":[{},{}],"next":null}}"#, task(7), task(123_456));
    for columns in [60, 80, 120] {
        let page = page.clone();
        let other = Other::who(move |_, _| answers(&page));
        let (ended, seen) = run_on(&other.url, &["list"], columns, None);
        assert_eq!(ended, Some(0), "{seen}");
        let widest = seen.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(widest <= columns.into(), "{widest} of {columns}: {seen}");
        assert_eq!(seen.lines().count(), 3, "{seen}");
    }
}

#[test]
fn timelines_fit_the_terminal() {
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/rendered/prod.yaml");
    for columns in [60, 120] {
        for arguments in [&["plan"][..], &["check", manifests], &["demo", "--for", "0.1"]] {
            let (ended, seen) = on_terminal(arguments, columns, None);
            assert_eq!(ended, Some(0), "{seen}");
            let bars = || seen.lines().filter(|line| line.contains(['█', '░', '├']));
            assert!(bars().count() > 3, "{seen}");
            for line in bars() {
                assert!(line.chars().count() <= columns.into(), "{columns}: {line}\n{seen}");
            }
        }
    }
}
