//! Real processes on one root: killed, frozen, side by side, on a full disk. The program is the
//! example `drafts`.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sundown_drill::cargo::example;
use sundown_drill::process::{Launch, Process, Signal};

const PATIENCE: Duration = Duration::from_secs(30);

/// A directory for one test, gone at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let name = format!("sundown-drafts-{}-{test}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn root(&self) -> PathBuf {
        self.0.join("root")
    }

    fn reports(&self) -> PathBuf {
        self.0.join("reports")
    }

    fn launch(&self) -> Launch {
        self.equip(Process::new(example("sundown-tempfiles", "drafts").unwrap()))
    }

    fn equip(&self, launch: Launch) -> Launch {
        let variables = ["GRACEFUL_SHUTDOWN_TIMEOUT", "KUBERNETES_SERVICE_HOST"];
        let launch = variables.into_iter().fold(launch, Launch::env_remove);
        launch.arg(self.root()).arg(self.reports())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A running program, in the middle of a draft, and what it holds.
struct Writer {
    process: Process,
    dir: PathBuf,
    removed: u32,
}

impl Writer {
    fn start(launch: Launch) -> Self {
        let process = launch.spawn().unwrap();
        let word = |start: &str| {
            let line = process.wait_for_line(|line| line.starts_with(start), PATIENCE).unwrap();
            line.text[start.len()..].split(' ').next().unwrap().to_owned()
        };
        let removed = word("removed ").parse().unwrap();
        let dir = PathBuf::from(word("ready: "));
        word("draft: ");
        Writer { process, dir, removed }
    }

    /// What cannot be missing while it lives.
    fn is_unharmed(&self) -> bool {
        let caches: Vec<_> = children(&self.dir).into_iter().filter(|path| path.is_dir()).collect();
        caches.len() == 1 && caches[0].join("prices").is_file()
    }

    fn kill(mut self) -> PathBuf {
        self.process.signal(Signal::Kill).unwrap();
        self.process.wait(PATIENCE).unwrap();
        self.dir
    }

    fn stop(mut self) {
        self.process.signal(Signal::Term).unwrap();
        let exit = self.process.wait(PATIENCE).unwrap();
        assert_eq!(exit.code, Some(0), "{}\n{}", exit.stdout, exit.stderr);
        assert!(!self.dir.exists());
    }
}

fn children(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_stop_leaves_whole_reports_and_no_temporary_file() {
    let scratch = Scratch::new("stop");
    let writer = Writer::start(scratch.launch());
    writer.process.wait_for_line(|line| line.starts_with("report: "), PATIENCE).unwrap();
    writer.stop();
    assert_eq!(children(&scratch.root()), [] as [PathBuf; 0]);
    let reports = children(&scratch.reports());
    assert!(!reports.is_empty());
    for report in reports {
        assert_eq!(fs::read_to_string(report).unwrap().lines().count(), 1000);
    }
}

#[test]
fn after_kill_9_the_next_start_removes_what_was_left() {
    let scratch = Scratch::new("kill");
    let dead = Writer::start(scratch.launch()).kill();
    assert!(dead.exists(), "nobody was there to remove it");
    let next = Writer::start(scratch.launch());
    assert!(next.removed >= 1);
    assert!(!dead.exists());
    next.stop();
    assert_eq!(children(&scratch.root()), [] as [PathBuf; 0]);
}

#[test]
fn of_two_side_by_side_exactly_the_dead_ones_files_are_removed() {
    let scratch = Scratch::new("two");
    let living = Writer::start(scratch.launch());
    let killed = Writer::start(scratch.launch());
    assert_eq!((living.removed, killed.removed), (0, 0));
    let dead = killed.kill();
    let next = Writer::start(scratch.launch());
    assert!(next.removed >= 1);
    assert!(!dead.exists());
    assert!(living.is_unharmed());
    next.stop();
    assert!(living.is_unharmed(), "and a neighbour that stops takes only its own");
    living.stop();
    assert_eq!(children(&scratch.root()), [] as [PathBuf; 0]);
}

#[test]
fn a_frozen_process_is_a_living_one() {
    let scratch = Scratch::new("frozen");
    let mut frozen = Writer::start(scratch.launch());
    frozen.process.signal(Signal::Stop).unwrap();
    let next = Writer::start(scratch.launch());
    assert_eq!(next.removed, 0);
    assert!(frozen.is_unharmed());
    frozen.process.signal(Signal::Cont).unwrap();
    frozen.stop();
    assert!(next.is_unharmed());
    next.stop();
}

#[test]
fn killed_at_any_moment_nothing_is_left_after_the_next_start() {
    let scratch = Scratch::new("moments");
    for round in 0..20 {
        let mut process = scratch.launch().spawn().unwrap();
        if round % 2 == 0 {
            process.wait_for_line(|line| line.starts_with("draft: "), PATIENCE).unwrap();
        }
        process.signal(Signal::Kill).unwrap();
        process.wait(PATIENCE).unwrap();
    }
    Writer::start(scratch.launch()).stop();
    assert_eq!(children(&scratch.root()), [] as [PathBuf; 0]);
}

/// A limit on the size of files stands in for a disk without room: no page can be written whole.
#[test]
fn on_a_full_disk_it_says_so_and_leaves_nothing() {
    let scratch = Scratch::new("full");
    let program = example("sundown-tempfiles", "drafts").unwrap();
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    let launch = Process::new("sh").args(["-c", script, "sh"]).arg(program);
    let writer = Writer::start(scratch.equip(launch));
    let gave_up = |line: &str| line.starts_with("gave up on report 2: ");
    let line = writer.process.wait_for_line(gave_up, PATIENCE).unwrap().text;
    assert!(line.contains("File too large"), "{line}");
    writer.stop();
    assert_eq!(children(&scratch.root()), [] as [PathBuf; 0]);
    assert_eq!(children(&scratch.reports()), [] as [PathBuf; 0]);
}
