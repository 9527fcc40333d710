//! The commands of the README's "Try it", one after the other as a new user would run them, on a terminal.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::http::get;
use crate::service::{PATIENCE, Scratch, state_directory};
use crate::terminal::{Terminal, without_escapes};

const README: &str = include_str!("../../../../README.md");
/// The repository, where the README's commands are run.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The lines of all `sh` blocks below "Try it".
fn commands() -> Vec<&'static str> {
    let (_, part) = README.split_once("\n## Try it\n").expect("the README has it");
    let (part, _) = part.split_once("\n## ").expect("more follows");
    let blocks = part.split("```sh\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    blocks.flat_map(str::lines).collect()
}

/// The arguments of `cargo run -- …`, as a shell without variables reads them.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.extend(Some(std::mem::take(&mut word))),
            c => word.push(c),
        }
    }
    words.push(word);
    words
}

/// The binary with these arguments; it finds the service on a port of its own.
fn sundown(line: &str, service: Option<SocketAddr>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sundown"));
    command.args(words(line)).current_dir(ROOT).env_remove("KUBERNETES_SERVICE_HOST");
    command.env("STATE_DIRECTORY", state_directory()).env_remove("SUNDOWN_WEB_TOKEN");
    if let Some(at) = service.filter(|_| line.starts_with("tasks ")) {
        command.arg(format!("--url=http://{at}"));
    }
    command
}

/// Runs it to its end; what it printed.
fn run(line: &str, service: Option<SocketAddr>) -> String {
    let output = sundown(line, service).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A client that follows a task, and the lines it prints.
struct Follower(Child, Receiver<String>);

impl Follower {
    fn start(line: &str, service: SocketAddr) -> Self {
        // The task of the README takes twenty seconds; this one outlasts the request all the same.
        let shorter = line.replace("\"pause_ms\": 200", "\"pause_ms\": 50");
        assert_ne!(shorter, line, "the task pauses 200 ms");
        let mut child = sundown(&shorter, Some(service)).stdout(Stdio::piped()).spawn().unwrap();
        let printed = child.stdout.take().unwrap();
        let (tell, told) = sync_channel(1000);
        thread::spawn(move || {
            for line in BufReader::new(printed).lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Follower(child, told)
    }

    fn line(&self) -> Option<String> {
        self.1.recv_timeout(PATIENCE).ok()
    }

    /// Waits for its end: its exit code, and the rest of its lines.
    fn end(mut self) -> (Option<i32>, Vec<String>) {
        let mut lines = Vec::new();
        lines.extend(std::iter::from_fn(|| self.line()));
        (self.0.wait().unwrap().code(), lines)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_readme_does_what_it_says() {
    let scratch = Scratch::new();
    let mut service: Option<Terminal> = None;
    let mut follower = None;
    let mut rest = Vec::new();
    for line in commands() {
        let at = service.as_ref().map(|service| service.address("web"));
        match (line.strip_prefix("cargo run -- "), line.strip_prefix("curl 'http://127.0.0.1:8080"))
        {
            (Some("demo"), _) => assert!(run("demo", None).contains("stopped"), "it accounts"),
            (Some("demo --hang"), _) => {
                let output = sundown("demo --hang", None).output().unwrap();
                assert_eq!(output.status.code(), Some(3), "{output:?}");
            }
            (Some("serve"), _) => service = Some(Terminal::plain(&scratch)),
            (Some(line), _) if line.ends_with("--watch") => {
                follower = Some(Follower::start(line, at.unwrap()));
            }
            (None, Some(rest)) => {
                let path = rest.trim_end_matches('\'').replace("seconds=8", "seconds=2");
                assert_ne!(path, rest.trim_end_matches('\''), "it takes eight seconds");
                let (old, watching) = (service.take().unwrap(), follower.take().unwrap());
                service = Some(stopped_and_started_again(&scratch, old, &path, watching).await);
            }
            (Some("stops"), _) => {
                let stops = run(&format!("stops --store {}", scratch.path("t.db")), None);
                assert!(stops.contains("clean    SIGINT"), "{stops}");
            }
            (Some(line), _) => {
                assert!(!run(line, at).trim().is_empty(), "{line} prints something");
                rest.push(line);
            }
            (None, None) => panic!("nobody tries `{line}` of the README"),
        }
    }
    assert_eq!(rest, ["tasks list", "plan", "help", "check deploy/rendered/prod.yaml"]);
    let service = service.unwrap();
    service.signal(Signal::INT);
    assert_eq!(service.wait().0, Some(0));
}

/// Ctrl-C while a request is answered and a task runs, and a new start; the new service.
async fn stopped_and_started_again(
    scratch: &Scratch,
    service: Terminal,
    path: &str,
    follower: Follower,
) -> Terminal {
    let at = service.address("web");
    let first = follower.line().expect("the task tells of its progress");
    assert!(first.contains("\"progress\""), "{first}");
    let slow = get(at, path);
    let stop = async {
        // The request is waited for, so it must have arrived: it counts as active by then.
        tokio::time::sleep(Duration::from_millis(300)).await;
        service.signal(Signal::INT);
    };
    let (slow, ()) = tokio::join!(slow, stop);
    assert_eq!(slow.unwrap().text(), "that took 2 s\n");
    let (code, seen) = service.wait();
    let seen = without_escapes(&seen);
    assert_eq!(code, Some(0), "{seen}");
    let shows = |name: &str| seen.lines().any(|line| line.trim_start().starts_with(name));
    assert!(seen.contains("stopping: drain") && shows("web  for "), "who is waited for: {seen}");
    assert!(seen.contains("stopped cleanly in "), "the timeline: {seen}");

    let began = Instant::now();
    let again = Terminal::plain_at(scratch, at);
    let (code, lines) = follower.end();
    assert_eq!(code, Some(0), "after {:?}: {lines:?}", began.elapsed());
    let numbers: Vec<u64> = lines.iter().filter_map(|line| progress(line)).collect();
    let expected: Vec<u64> = (2..=100).collect();
    assert_eq!(numbers, expected, "each step once, across the restart");
    again
}

/// How far a line of progress says that the task is.
fn progress(line: &str) -> Option<u64> {
    let told: serde_json::Value = serde_json::from_str(line).unwrap();
    told["data"]["data"]["done"].as_u64().filter(|_| told["event"] == "progress")
}
