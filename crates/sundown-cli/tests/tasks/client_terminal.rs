//! `sundown tasks` on a terminal: tables and progress for people, and nothing that could take the terminal
//! over.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Command;
use std::thread;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::api::{Desk, submit, until};

/// Runs the client on a terminal of its own: its exit code, and what was on the screen.
fn run(at: SocketAddr, arguments: &[&str]) -> (Option<i32>, String) {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
    let no_control = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
    let stdout =
        OpenOptions::new().read(true).write(true).custom_flags(no_control).open(name).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sundown"));
    command.arg("tasks").args(arguments).arg(format!("--url=http://{at}")).stdout(stdout);
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
    assert!(list.contains("there are more: --cursor 1"), "{list}");
    assert!(seen(&desk, &["show", "1"], 0).await.contains("state          succeeded"));
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
