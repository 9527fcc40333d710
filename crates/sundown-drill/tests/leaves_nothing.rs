//! The driver leaves no process behind, however its test ends.

use std::time::{Duration, Instant};

use sundown_drill::process::{Launch, Output, Process, Signal};

const PATIENCE: Duration = Duration::from_secs(20);

fn sh(script: &str) -> Launch {
    Process::new("sh").args(["-c", script])
}

/// The process id that a line such as `child 4711` tells.
fn told(process: &Process, what: &str) -> u32 {
    let line = process.wait_for_line(|line| line.starts_with(what), PATIENCE).expect("it tells");
    line.text.rsplit(' ').next().and_then(|id| id.parse().ok()).expect("ends in a process id")
}

/// Whether the process runs: it exists, and is not a zombie left to whoever adopted it.
fn runs(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat"))
        .is_ok_and(|stat| stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.starts_with(" Z")))
}

fn ends_soon(id: u32) -> bool {
    let start = Instant::now();
    while runs(id) {
        if start.elapsed() > PATIENCE {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

#[test]
fn a_dropped_process_is_dead_and_reaped() {
    let process = Process::new("sleep").arg("60").spawn().unwrap();
    let id = process.id();
    assert!(runs(id));
    drop(process);
    let id = rustix::process::Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    assert_eq!(rustix::process::test_kill_process(id), Err(rustix::io::Errno::SRCH));
}

#[test]
fn a_dropped_process_takes_its_descendants_along() {
    let process = sh("sleep 60 & echo child $!; wait").spawn().unwrap();
    let child = told(&process, "child ");
    assert!(runs(child));
    drop(process);
    assert!(ends_soon(child));
}

#[test]
fn a_frozen_or_blocked_process_dies_like_any_other() {
    let mut frozen = Process::new("sleep").arg("60").spawn().unwrap();
    let blocked = sh("echo x").stdout(Output::FullPipe).spawn().unwrap();
    frozen.signal(Signal::Stop).unwrap();
    let ids = [frozen.id(), blocked.id()];
    drop((frozen, blocked));
    assert!(!ids.into_iter().any(runs));
}

#[test]
fn descendants_left_behind_are_listed_and_killed() {
    let process = sh("sleep 60 & echo child $!").spawn().unwrap();
    let child = told(&process, "child ");
    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(0));
    assert_eq!(exit.left_behind, [child]);
    assert!(exit.took < PATIENCE / 2, "the end is the process's own, not its descendants'");
    assert!(ends_soon(child));
}

#[test]
fn a_clean_end_leaves_nobody_and_does_not_linger() {
    let before = Instant::now();
    let exit = sh("sleep 0.01 & wait").spawn().unwrap().wait(PATIENCE).unwrap();
    assert!(exit.left_behind.is_empty());
    assert!(before.elapsed() < PATIENCE / 2);
}

#[test]
fn a_descendant_that_left_the_group_does_not_hold_up_the_end() {
    let process = sh("setsid sleep 5 & echo escaped $!").spawn().unwrap();
    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(0));
    assert!(exit.stdout.starts_with("escaped "), "what was printed is kept");
}

#[test]
fn a_signal_to_the_group_reaches_descendants() {
    let mut process = sh("sleep 60 & echo child $!; wait").spawn().unwrap();
    let child = told(&process, "child ");
    process.signal_group(Signal::Term).unwrap();
    assert!(ends_soon(child));
    assert_eq!(process.wait(PATIENCE).unwrap().signal, Some(15));
}

#[test]
fn the_process_dies_even_when_its_test_is_killed() {
    let program = sundown_drill::cargo::example("sundown-drill", "stop").unwrap();
    let mut test = Process::new(program).args(["sleep", "60"]).spawn().unwrap();
    let child = told(&test, "started ");
    assert!(runs(child));
    test.signal(Signal::Kill).unwrap();
    assert_eq!(test.wait(PATIENCE).unwrap().signal, Some(9));
    assert!(ends_soon(child));
}
