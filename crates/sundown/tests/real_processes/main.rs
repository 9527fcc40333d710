//! Real processes, real signals: every signal, the second and the third, every exit code, and what
//! a process under the worst of circumstances leaves behind. The program is the example
//! `misbehave`.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod last_words;
mod notify;
mod signals;
mod trouble;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use sundown::{Cause, Force, Outcome, Report, Verdict};
use sundown_drill::cargo::example;
use sundown_drill::process::{Exit, Launch, Output, Process, Signal};

/// Far more than anything here takes; the figures are the benchmark's affair.
const PATIENCE: Duration = Duration::from_secs(20);
const CAP: Duration = Duration::from_secs(2);
/// What a loaded machine may add to a figure that is asserted at all.
const SLACK: Duration = Duration::from_secs(3);

/// A directory for one test, gone at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sundown-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn report(&self) -> Report {
        Report::from_json(&fs::read_to_string(self.0.join("report.json")).unwrap()).unwrap()
    }

    fn misbehave(&self, arguments: &str) -> Launch {
        let report = self.0.join("report.json");
        let launch = Process::new(example("sundown", "misbehave").unwrap())
            .env_remove("KUBERNETES_SERVICE_HOST")
            .arg(format!("report={}", report.display()));
        arguments.split_whitespace().fold(launch, Launch::arg)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(launch: Launch) -> Process {
    let process = launch.spawn().unwrap();
    process.wait_for_line(|line| line == "ready", PATIENCE).unwrap();
    process
}

fn stop(mut process: Process, signal: Signal) -> Exit {
    process.signal(signal).unwrap();
    process.wait(PATIENCE).unwrap()
}

/// Starts it with these misdeeds, sends one SIGTERM, and expects this exit code.
fn check(test: &str, arguments: &str, code: i32) -> (Exit, Report) {
    let scratch = Scratch::new(test);
    let exit = stop(start(scratch.misbehave(arguments)), Signal::Term);
    assert_eq!(exit.code, Some(code), "{}\n{}", exit.stdout, exit.stderr);
    assert_eq!(exit.left_behind, [0_u32; 0]);
    let report = scratch.report();
    assert_eq!(report.exit_code.map(i32::from), Some(code));
    (exit, report)
}

fn outcome(report: &Report, name: &str) -> Outcome {
    report.waiter(name).unwrap_or_else(|| panic!("{name} is reported")).outcome.unwrap()
}

/// Waits for something that is bound to happen.
fn eventually(happened: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !happened() {
        assert!(began.elapsed() < PATIENCE, "it never happened");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Whether a process has a handler for SIGTERM by now.
fn catches_sigterm(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).unwrap() >> 14 & 1 == 1
}
