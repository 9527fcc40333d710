//! `hooks`: by priority, whatever the order of registration.

use std::path::Path;

use sundown_drill::process::Signal;

use crate::program::{end, example, start};

#[test]
fn hooks_run_from_critical_to_cleanup_and_flush_comes_before() {
    let mut hooks = start(example("hooks"));
    let ready = hooks.wait_for_line(|line| line.starts_with("ready"), crate::program::PATIENCE);
    let ready = ready.unwrap().text;
    let scratch = Path::new(ready.split_once(" at ").unwrap().1);
    assert!(scratch.is_file(), "{} is in use", scratch.display());
    hooks.signal(Signal::Term).unwrap();

    let ended = end(hooks, 0);
    ended.in_order(&[
        "registered exchanges (Low)",
        "registered risk limits (Critical)",
        "registered orders (Normal)",
        "registered positions (High)",
        "registered scratch file (Cleanup)",
        "registered ledger (Critical, async, in flush)",
        "ready",
        "ledger: written and confirmed",
        "risk limits: final figures saved",
        "positions: hedges confirmed",
        "orders: order book archived",
        "exchanges: logged out",
        "scratch file: removed",
        "stopped cleanly",
    ]);
    assert!(!scratch.exists(), "{} was to be removed", scratch.display());
}
