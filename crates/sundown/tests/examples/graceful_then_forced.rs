//! `graceful_then_forced`: in peace until the deadline, by force after it.

use std::time::Duration;

use sundown_drill::process::Signal;

use crate::program::{Ended, end, example, start, wait_for};

fn assert_only_task_3_was_forced(ended: &Ended) {
    ended.in_order(&["task 3: connection closed", "to be done again at the next start: task 3"]);
    ended.in_order(&["final save: done", "stopped with trouble"]);
    ended.place("left behind: task 3 (ran ");
    assert!(!ended.has("task 3: finished"));
    assert_eq!(ended.count("left behind:"), 1);
}

#[test]
fn four_finish_and_the_hung_one_is_aborted_at_the_deadline_and_named() {
    let mut tasks = start(example("graceful_then_forced"));
    tasks.signal(Signal::Term).unwrap();
    let ended = end(tasks, 3);
    for task in [1, 2, 4, 5] {
        let finished = format!("task {task}: finished");
        ended.in_order(&[&finished, "task 3: connection closed", "final save: done"]);
    }
    assert_only_task_3_was_forced(&ended);
    ended.place("still running: task 3");
    assert!(ended.exit.took >= Duration::from_millis(900), "it had until its deadline");
    let warned = ended.exit.stderr.lines().any(|line| {
        line.contains("still running") && line.contains("task 3") && !line.contains("task 4")
    });
    assert!(warned, "who blocks is named while it blocks:\n{}", ended.exit.stderr);
}

#[test]
fn a_second_signal_does_not_wait_for_the_deadline_and_still_saves() {
    let mut tasks = start(example("graceful_then_forced"));
    tasks.signal_group(Signal::Int).unwrap();
    for task in [1, 2, 4, 5] {
        wait_for(&tasks, &format!("task {task}: connection closed"));
    }
    // That is said by the task itself; off the list of owned work it is a moment later.
    std::thread::park_timeout(Duration::from_millis(200));
    tasks.signal_group(Signal::Int).unwrap();
    let ended = end(tasks, 3);
    assert_only_task_3_was_forced(&ended);
    ended.place("second signal");
    ended.place("aborted");
}
