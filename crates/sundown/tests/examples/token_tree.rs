//! `token_tree`: one branch is cut alone, the signal fells the rest.

use sundown_drill::process::Signal;

use crate::program::{PATIENCE, end, example, start};

#[test]
fn one_branch_is_cancelled_alone_and_a_signal_ends_the_others() {
    let mut tree = start(example("token_tree"));
    // Its sibling goes on: it is seen ticking twice after the cut.
    let (mut is_cut, mut ticks) = (false, 0);
    let ticked = tree.wait_for_line(
        |line| {
            is_cut |= line == "ETHUSDT: feed closed";
            ticks += u32::from(is_cut && line.starts_with("BTCUSDT: 6"));
            ticks == 2
        },
        PATIENCE,
    );
    ticked.unwrap();
    assert!(!tree.lines().iter().any(|line| line.text.starts_with("executor: closed")));
    tree.signal(Signal::Term).unwrap();

    let ended = end(tree, 0);
    ended.in_order(&[
        "ETHUSDT is delisted",
        "ETHUSDT: feed closed",
        "BTCUSDT: feed closed",
        "stopped cleanly",
    ]);
    ended.in_order(&["ETHUSDT: feed closed", "executor: closed after", "stopped cleanly"]);
    let closed = ended.place("ETHUSDT: feed closed");
    let is_eth = |line: &&String| line.starts_with("ETHUSDT");
    assert_eq!(ended.lines[closed + 1..].iter().find(is_eth), None, "a cut branch is silent");
    assert_eq!(ended.count("feed closed"), 2);
}

#[test]
fn a_signal_before_any_branch_was_cut_ends_the_whole_tree() {
    let mut tree = start(example("token_tree"));
    tree.signal_group(Signal::Int).unwrap();
    let ended = end(tree, 0);
    for end in ["ETHUSDT: feed closed", "BTCUSDT: feed closed", "executor: closed after"] {
        ended.in_order(&[end, "stopped cleanly"]);
    }
    assert!(!ended.has("delisted"));
}
