//! `fault_tolerant`: nobody's failure is anybody else's, and the next start repairs just that.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sundown_drill::process::{Process, Signal};

use crate::program::{Directory, Ended, PATIENCE, end, example, start};

fn components(directory: &Path) -> Process {
    start(example("fault_tolerant").arg(directory))
}

fn stop(mut process: Process, code: i32) -> Ended {
    process.signal(Signal::Term).unwrap();
    end(process, code)
}

/// The components that a start said it recovers, in alphabetical order.
fn recovered(ended: &Ended) -> Vec<&str> {
    let names = ended.lines.iter().filter_map(|line| line.strip_prefix("recovering "));
    let mut names: Vec<_> = names.filter_map(|rest| Some(rest.split_once(':')?.0)).collect();
    names.sort_unstable();
    names
}

#[test]
fn failures_alert_and_are_saved_and_the_next_start_recovers_just_what_was_left() {
    let directory = Directory::new("faults");
    let first = stop(components(directory.path()), 3);
    assert_eq!(recovered(&first), [""; 0], "there is nothing before the first start");
    for alert in [
        "ALERT: order gateway failed in drain: the other side does not answer",
        "ALERT: price recorder panicked in drain: the index of the price recorder is damaged",
        "ALERT: audit upload timed out in flush",
    ] {
        first.in_order(&[alert, "stopped with trouble"]);
    }
    assert_eq!(first.count("ALERT"), 3, "what was recovered and what went well alerts nobody");
    first.place("recovered: failed: the other side does not answer");
    first.place("connections: stopped");

    let local_copy = directory.path().join("positions.txt");
    assert_eq!(fs::read_to_string(&local_copy).unwrap().lines().count(), 2, "the fallback saved");
    let report = fs::read_to_string(directory.path().join("shutdown.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["exit_code"], 3);
    assert!(report.to_string().contains("the index of the price recorder is damaged"), "{report}");

    let second = stop(components(directory.path()), 0);
    assert_eq!(recovered(&second), ["audit upload", "order gateway", "price recorder"]);
    second.in_order(&["positions: 2 taken over from the local copy", "ready", "stopped cleanly"]);
    assert!(!local_copy.exists(), "taken over once");
    assert!(!second.has("ALERT"));

    let third = stop(components(directory.path()), 0);
    third.in_order(&["nothing to recover: the last stop was clean", "ready"]);
    assert_eq!(recovered(&third), [""; 0]);
}

#[test]
fn after_kill_9_there_is_no_report_so_everything_is_recovered() {
    let directory = Directory::new("killed");
    let mut killed = components(directory.path());
    killed.signal(Signal::Kill).unwrap();
    let exit = killed.wait(PATIENCE).unwrap();
    assert_eq!((exit.code, exit.signal, exit.left_behind.len()), (None, Some(9), 0));

    let next = stop(components(directory.path()), 0);
    assert_eq!(
        recovered(&next),
        ["audit upload", "connections", "order gateway", "positions", "price recorder"]
    );
    next.place("the last process was lost");
}
