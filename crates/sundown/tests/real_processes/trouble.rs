//! Everything that can go wrong inside, and what becomes of the others.

use super::*;

#[test]
fn with_every_runtime_thread_blocked_the_process_still_ends_at_the_cap() {
    for (test, stderr) in [("blocked", Output::Captured), ("blocked-full", Output::FullPipe)] {
        let scratch = Scratch::new(test);
        let process = start(scratch.misbehave("block-runtime").stderr(stderr));
        let exit = stop(process, Signal::Term);
        assert_eq!(exit.code, Some(1), "{test}");
        assert!(
            exit.took >= CAP.mul_f64(0.95) && exit.took < CAP + SLACK,
            "{test}: {:?}",
            exit.took
        );
        let report = scratch.report();
        assert_eq!(report.verdict, Verdict::Forced { by: Force::Cap });
        assert_eq!(report.cause, Some(Cause::from(sundown::Signal::Term)));
        assert!(!outcome(&report, "server").is_good(), "{test}: it could not run");
        let culprits = report.left.iter().filter(|work| work.name == "spinner" && work.on_thread);
        assert_eq!(culprits.count(), 2, "{test}: who blocks the threads is named");
    }
}

#[test]
fn a_waiter_that_blocks_its_thread_is_left_behind_at_its_deadline() {
    let (exit, report) = check("block-thread", "block-thread", 3);
    assert_eq!(outcome(&report, "blocks"), Outcome::TimedOut);
    assert_eq!(outcome(&report, "save"), Outcome::Done);
    assert!(exit.took < CAP + SLACK);
}

#[test]
fn a_blocking_function_that_ignores_its_deadline_is_left_behind() {
    let (_, report) = check("deaf", "ignore-deadline", 3);
    assert_eq!(outcome(&report, "deaf"), Outcome::TimedOut);
    assert_eq!(outcome(&report, "save"), Outcome::Done);
}

#[test]
fn a_leaked_blocking_call_cannot_hold_a_process_that_stopped_cleanly() {
    let (exit, report) = check("leak", "leak-blocking", 0);
    assert_eq!(report.verdict, Verdict::Clean);
    assert!(exit.took < SLACK, "{:?}", exit.took);
}

#[test]
fn trouble_is_reported_alerted_and_told_by_the_exit_code() {
    let misdeeds = "fail-drain panic-drain panic-fallback hang-drain fail-hook hang-work";
    let (exit, report) = check("trouble", misdeeds, 3);
    assert_eq!(report.verdict, Verdict::Failed);
    for (name, expected) in [
        ("fails", Outcome::Failed),
        ("panics", Outcome::Panicked),
        ("doomed", Outcome::Failed),
        ("hangs", Outcome::TimedOut),
        ("unlock", Outcome::Failed),
        ("owned work", Outcome::TimedOut),
        ("server", Outcome::Done),
        ("save", Outcome::Done),
        ("tidy", Outcome::Done),
    ] {
        assert_eq!(outcome(&report, name), expected, "{name}");
        let alert = format!("alert: {name} {expected} in ");
        let alerted = exit.line(|line| line.starts_with(&alert));
        assert_eq!(alerted.is_some(), !expected.is_good(), "{name}: {}", exit.stdout);
    }
    for percent in [50, 80, 100] {
        let line = format!("percent={percent} waiter=hangs");
        assert!(exit.stderr.contains(&line), "who blocks is said live: {}", exit.stderr);
    }
    let doomed = report.waiter("doomed").unwrap().detail.as_deref();
    assert_eq!(doomed, Some("failed: disk full; its fallback: panicked: spare disk full"));
    assert_eq!(report.left.len(), 1);
    assert_eq!(report.left[0].name, "reindex");
}

#[test]
fn a_good_fallback_keeps_the_stop_clean() {
    let (exit, report) = check("recover", "recover", 0);
    assert_eq!(outcome(&report, "remote"), Outcome::Recovered);
    assert!(exit.stdout.contains("kept on disk instead"));
}

#[test]
fn notifications_that_panic_or_block_stop_nobody() {
    for misdeed in ["panic-notification", "block-notification"] {
        let (exit, report) = check(misdeed, misdeed, 3);
        assert!(exit.stdout.contains("notified"), "{misdeed}: the one behind it was run");
        assert_eq!(outcome(&report, "server"), Outcome::Done);
        assert_eq!(report.notifications.len(), 2);
        assert!(!report.notifications[0].outcome.is_good());
        assert!(report.notifications[1].outcome.is_good());
    }
}

#[test]
fn alert_callbacks_that_panic_or_block_change_nothing() {
    for how in ["panic", "block"] {
        let (exit, report) =
            check(&format!("alerts-{how}"), &format!("fail-drain alerts={how}"), 3);
        assert_eq!(outcome(&report, "save"), Outcome::Done);
        assert!(exit.took < CAP + SLACK, "{how}");
    }
}

#[test]
fn a_failed_component_takes_the_service_down_in_good_order() {
    for (misdeed, error) in
        [("fail-component", "schema changed"), ("panic-component", "panicked: schema changed")]
    {
        let scratch = Scratch::new(misdeed);
        let exit = scratch.misbehave(misdeed).spawn().unwrap().wait(PATIENCE).unwrap();
        assert_eq!(exit.code, Some(3), "a supervisor must see that it failed: {}", exit.stderr);
        assert_eq!(scratch.report().cause, Some(Cause::failed("ingest", error)));
        assert_eq!(outcome(&scratch.report(), "save"), Outcome::Done);
    }
}

#[test]
fn what_needs_no_runtime_is_saved_although_every_worker_is_blocked() {
    for threads in ["", " threads=one"] {
        let misdeeds = format!("block-runtime save-blocking{threads}");
        let (exit, report) = check("saved", &format!("{misdeeds} cap=6000"), 1);
        assert!(exit.stdout.contains("saved on a thread"), "{}", exit.stdout);
        assert_eq!(outcome(&report, "save-blocking"), Outcome::Done);
        assert_eq!(outcome(&report, "save"), Outcome::Skipped, "this one needs a worker");
        // By a third signal, too: in the 40 ms that it leaves.
        let scratch = Scratch::new("saved-by-three");
        let mut process = start(scratch.misbehave(&format!("{misdeeds} cap=60000")));
        for _ in 0..3 {
            process.signal(Signal::Term).unwrap();
            std::thread::park_timeout(Duration::from_millis(100));
        }
        let exit = process.wait(PATIENCE).unwrap();
        assert_eq!(exit.code, Some(1));
        assert!(exit.stdout.contains("saved on a thread"), "{}", exit.stdout);
    }
}
