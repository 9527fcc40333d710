//! `signal_manager`: all four signals, named by every subscriber, with nothing queued lost.

use std::fs;
use std::thread;
use std::time::Instant;

use sundown_drill::process::{Error, Output, Process, Signal};

use crate::program::{PATIENCE, end, example, start, wait_for};

fn check(signal: Signal, send: fn(&mut Process, Signal) -> Result<Instant, Error>) {
    let mut services = start(example("signal_manager"));
    // By then more were sent, and wait in the queue.
    wait_for(&services, "10 executed so far");
    send(&mut services, signal).unwrap();
    let ended = end(services, 0);
    ended.in_order(&[
        &format!("market data: caught {signal}, closing the feed"),
        "market data: feed closed",
        "order executor: session closed",
        "stopped cleanly",
    ]);
    ended.in_order(&[&format!("order executor: caught {signal}"), "order executor: session"]);
    ended.place(&format!("cause: {signal};"));
    let sent = ended.between("feed closed, ", " orders sent");
    let executed = ended.between("session closed, ", " orders executed");
    assert_eq!(sent, executed, "every order sent is executed");
    assert_ne!(sent, "0");
}

#[test]
fn sigterm_is_named_and_every_service_cleans_up() {
    check(Signal::Term, Process::signal);
}

#[test]
fn ctrl_c_is_named_and_every_service_cleans_up() {
    check(Signal::Int, Process::signal_group);
}

#[test]
fn sigquit_is_named_and_every_service_cleans_up_without_a_core_dump() {
    check(Signal::Quit, Process::signal_group);
}

#[test]
fn sighup_is_named_and_every_service_cleans_up() {
    check(Signal::Hup, Process::signal_group);
}

/// The terminal is gone, so every line the services print is an error.
#[test]
fn sighup_of_a_terminal_that_is_gone_still_ends_cleanly() {
    let launch = example("signal_manager").stdout(Output::Closed).stderr(Output::Closed);
    let mut services = launch.spawn().unwrap();
    let patience = Instant::now() + PATIENCE;
    while !catches_hangup(services.id()) {
        assert!(services.is_running() && Instant::now() < patience, "it does not catch SIGHUP");
        thread::yield_now();
    }
    services.signal(Signal::Hup).unwrap();
    let exit = services.wait(PATIENCE).unwrap();
    assert_eq!((exit.code, exit.left_behind.len()), (Some(0), 0));
}

/// Whether the process has a handler for SIGHUP, which is number 1.
fn catches_hangup(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).unwrap();
    u64::from_str_radix(caught.trim(), 16).unwrap() & 1 == 1
}
