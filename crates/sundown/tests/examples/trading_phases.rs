//! `trading_phases`: five phases of the application's own, in order, and a state file that is
//! whole however impatient the operator is.

use std::path::Path;

use serde_json::Value;
use sundown_drill::process::{Process, Signal};

use crate::program::{Directory, Ended, end, example, start, wait_for};

fn desk(state: &Path) -> Process {
    start(example("trading_phases").arg(state))
}

fn state(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

/// The symbols in a list of the state file: of positions, or of pairs with a profit.
fn symbols(list: &Value) -> Vec<&str> {
    let items = list.as_array().unwrap().iter();
    items.map(|item| item.get("symbol").unwrap_or(&item[0]).as_str().unwrap()).collect()
}

/// Late orders were refused, the last of them by the name of the phase, and none was taken after.
fn assert_late_orders_refused(ended: &Ended) {
    assert_eq!(ended.count("refused: no new orders"), 3, "{}", ended.exit.stdout);
    let first = ended.place("refused: no new orders");
    ended.place("refused: no new orders in phase stop_new_orders");
    assert!(!ended.lines[first..].iter().any(|line| line.contains("quoted")), "taken after all");
}

#[test]
fn five_phases_run_in_order_around_the_standard_four_and_leave_the_desk_flat() {
    let directory = Directory::new("flat");
    let file = directory.path().join("state.json");
    let mut desk = desk(&file);
    wait_for(&desk, "ORD-3 quoted");
    desk.signal(Signal::Term).unwrap();

    let ended = end(desk, 0);
    let monitor = ended.lines.iter().filter_map(|line| line.strip_prefix("monitor: phase "));
    assert_eq!(
        monitor.collect::<Vec<_>>(),
        [
            "announce",
            "stop_new_orders",
            "drain",
            "cancel_pending",
            "close_positions",
            "flush",
            "save_state",
            "disconnect",
            "release"
        ]
    );
    assert_late_orders_refused(&ended);
    ended.in_order(&[
        "refused: no new orders in phase stop_new_orders",
        "cancelled ORD-",
        "closing BTCUSDT",
        "closing ETHUSDT",
        "closing SOLUSDT",
        "and verified",
        "exchange: logged out",
        "closing report:",
        "stopped cleanly",
    ]);
    assert_eq!(ended.count("cancelled ORD-"), 3, "one quote stood in each market");
    for figure in ["+$208.00", "-$51.25", "+$40.00", "+$196.75", "0 orders still pending"] {
        ended.place(figure);
    }

    let state = state(&file);
    assert_eq!(state["pending"], serde_json::json!({}));
    assert_eq!(symbols(&state["positions"]), [""; 0]);
    assert_eq!(
        state["closed"],
        serde_json::json!([["BTCUSDT", 20_800], ["ETHUSDT", -5_125], ["SOLUSDT", 4_000]])
    );
}

#[test]
fn a_second_signal_still_saves_a_whole_state_which_the_next_start_takes_over() {
    let directory = Directory::new("twice");
    let file = directory.path().join("state.json");
    let mut first = desk(&file);
    first.signal(Signal::Term).unwrap();
    wait_for(&first, "closing BTCUSDT");
    first.signal(Signal::Term).unwrap();

    let ended = end(first, 3);
    assert_late_orders_refused(&ended);
    ended.in_order(&["closing BTCUSDT", "and verified", "logged out", "second signal"]);
    let saved = state(&file);
    let (open, closed) = (symbols(&saved["positions"]), symbols(&saved["closed"]));
    assert!(!open.is_empty(), "the second signal cut it short:\n{}", ended.exit.stdout);
    let mut all = [open.clone(), closed].concat();
    all.sort_unstable();
    assert_eq!(all, ["BTCUSDT", "ETHUSDT", "SOLUSDT"], "each position is open or closed, once");
    for symbol in &open {
        ended.place(&format!("{symbol} is still open"));
    }

    let mut second = desk(&file);
    second.signal(Signal::Term).unwrap();
    let ended = end(second, 0);
    let left = format!("left by the last stop: 0 pending orders, {} open positions", open.len());
    ended.place(&left);
    for symbol in open {
        ended.place(&format!("closing {symbol}"));
    }
    assert_eq!(symbols(&state(&file)["positions"]), [""; 0], "flat at last");
}

#[test]
fn signals_in_the_very_first_phase_lose_neither_orders_nor_positions() {
    let directory = Directory::new("at-once");
    let file = directory.path().join("state.json");
    let mut desk = desk(&file);
    wait_for(&desk, "ORD-2 quoted");
    desk.signal(Signal::Int).unwrap();
    wait_for(&desk, "refused: no new orders");
    desk.signal(Signal::Term).unwrap();

    let ended = end(desk, 3);
    assert!(!ended.has("closing BTCUSDT"), "it skipped to the saving:\n{}", ended.exit.stdout);
    let saved = state(&file);
    let quoted = ended.count("quoted").min(3);
    assert_eq!(saved["pending"].as_object().unwrap().len(), quoted, "{saved}");
    assert_eq!(symbols(&saved["positions"]), ["SOLUSDT", "ETHUSDT", "BTCUSDT"]);
    ended.place(&format!("{quoted} orders still pending"));
}

#[test]
fn a_state_file_that_cannot_be_read_stops_the_start_and_not_the_shutdown() {
    let directory = Directory::new("damaged");
    let file = directory.path().join("state.json");
    std::fs::write(&file, "{ half a").unwrap();
    let desk = example("trading_phases").arg(&file).spawn().unwrap();
    let ended = crate::program::end_without_report(desk, 2);
    assert!(ended.exit.stderr.starts_with("error: "), "{}", ended.exit.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "{ half a", "and is left as it is");
}
