//! `flag_worker`: a polling thread stops between two orders.

use std::time::Duration;

use sundown_drill::process::Signal;

use crate::program::{Ended, end, example, start, wait_for};

/// Every order begun was finished before the next, and the thread was joined after the last.
fn assert_whole(ended: &Ended) -> usize {
    let orders: Vec<_> = ended.lines.iter().filter(|line| line.starts_with("order ")).collect();
    for (number, pair) in (1..).zip(orders.chunks(2)) {
        let [begun, done] = pair else { panic!("half an order: {pair:?}") };
        assert_eq!(**begun, format!("order {number}: executing"));
        assert_eq!(**done, format!("order {number}: done"));
    }
    let count = orders.len() / 2;
    ended.in_order(&[
        &format!("order {count}: done"),
        &format!("stopped between two orders, after order {count}"),
        &format!("joined the worker: {count} orders executed"),
        "stopped cleanly",
    ]);
    count
}

#[test]
fn a_signal_inside_an_order_lets_it_finish_and_leaves_the_rest_of_the_batch() {
    let mut worker = start(example("flag_worker"));
    wait_for(&worker, "order 2: executing");
    worker.signal(Signal::Term).unwrap();
    let ended = end(worker, 0);
    let count = assert_whole(&ended);
    assert!((2..10).contains(&count), "{count} orders\n{}", ended.exit.stdout);
}

#[test]
fn a_signal_wakes_a_worker_that_sleeps_until_the_next_batch() {
    let mut worker = start(example("flag_worker"));
    wait_for(&worker, "idle: the next batch is due in 10s");
    worker.signal_group(Signal::Int).unwrap();
    let ended = end(worker, 0);
    assert_eq!(assert_whole(&ended), 10, "no order is begun after waking up");
    assert!(ended.exit.took < Duration::from_secs(8), "it slept on for {:?}", ended.exit.took);
}
