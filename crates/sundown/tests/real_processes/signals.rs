//! Every signal, the second, the third, and signals at the worst of moments.

use super::*;

#[test]
fn every_signal_starts_a_clean_stop_and_is_named_as_the_cause() {
    for (sent, cause) in [
        (Signal::Term, sundown::Signal::Term),
        (Signal::Int, sundown::Signal::Int),
        (Signal::Quit, sundown::Signal::Quit),
        (Signal::Hup, sundown::Signal::Hup),
    ] {
        let scratch = Scratch::new(&format!("signal-{sent}"));
        let exit = stop(start(scratch.misbehave("")), sent);
        assert_eq!(exit.code, Some(0), "{sent}: {}", exit.stderr);
        assert_eq!(scratch.report().cause, Some(Cause::from(cause)));
        assert_eq!(scratch.report().verdict, Verdict::Clean);
    }
}

#[test]
fn a_signal_while_the_service_still_starts_stops_it_once_it_runs() {
    let scratch = Scratch::new("early");
    let process = scratch.misbehave("slow-start").spawn().unwrap();
    process.wait_for_line(|line| line == "listening", PATIENCE).unwrap();
    let exit = stop(process, Signal::Term);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(exit.line(|line| line == "ready").is_some(), "the start was not torn");
    assert_eq!(outcome(&scratch.report(), "save"), Outcome::Done);
}

#[test]
fn nohup_keeps_its_promise() {
    let scratch = Scratch::new("nohup");
    let program = example("sundown", "misbehave").unwrap();
    let script = format!("trap '' HUP; exec {}", program.display());
    let mut process = start(Process::new("sh").arg("-c").arg(script));
    process.signal(Signal::Hup).unwrap();
    process.signal(Signal::Term).unwrap();
    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(0));
    assert!(exit.stdout.contains("cause: SIGTERM"), "{}", exit.stdout);
    drop(scratch);
}

#[test]
fn a_second_signal_goes_to_flush_and_a_fallback_is_not_run_for_it() {
    let scratch = Scratch::new("second");
    let mut process = start(scratch.misbehave("hang-drain cap=60000"));
    process.signal(Signal::Term).unwrap();
    process.wait_for_line(|line| line == "drained", PATIENCE).unwrap();
    let sent = process.signal(Signal::Term).unwrap();
    let saved = process.wait_for_line(|line| line == "saved", PATIENCE).unwrap();
    assert!(saved.at.duration_since(sent) < SLACK, "{:?}", saved.at.duration_since(sent));
    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(3));
    let report = scratch.report();
    assert!(report.escalated.is_some());
    assert_eq!(outcome(&report, "hangs"), Outcome::Aborted);
    assert_eq!(outcome(&report, "save"), Outcome::Done);
    assert_eq!(outcome(&report, "tidy"), Outcome::Done);
}

#[test]
fn a_third_signal_ends_the_process_and_the_report_says_who_was_cut_off() {
    let scratch = Scratch::new("third");
    let mut process = start(scratch.misbehave("hang-drain hang-flush cap=60000 flush=30000"));
    process.signal(Signal::Term).unwrap();
    process.wait_for_line(|line| line == "drained", PATIENCE).unwrap();
    process.signal(Signal::Int).unwrap();
    process.wait_for_line(|line| line == "saved", PATIENCE).unwrap();
    let sent = process.signal(Signal::Term).unwrap();
    let exit = process.wait(PATIENCE).unwrap();
    assert!(exit.ended.duration_since(sent) < SLACK);
    assert_eq!(exit.code, Some(1));
    let report = scratch.report();
    assert_eq!(report.verdict, Verdict::Forced { by: Force::ThirdSignal });
    let hangs: Vec<_> = report.waiters().filter(|(_, waiter)| waiter.name == "hangs").collect();
    assert!(hangs.iter().all(|(_, waiter)| waiter.outcome == Some(Outcome::Aborted)), "{hangs:?}");
    assert_eq!(hangs.len(), 2, "one in drain and one in flush");
    assert_eq!(outcome(&report, "tidy"), Outcome::Skipped);
}

#[test]
fn of_many_requests_at_once_one_is_the_cause_and_a_signal_after_it_is_the_first() {
    let scratch = Scratch::new("request");
    let mut process = start(scratch.misbehave("request hang-drain"));
    process.wait_for_line(|line| line == "drained", PATIENCE).unwrap();
    process.signal(Signal::Term).unwrap();
    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(3));
    let report = scratch.report();
    assert!(matches!(report.cause, Some(Cause::Requested { .. })), "{:?}", report.cause);
    assert_eq!(report.escalated, None, "the first signal is no escalation");
}

#[test]
fn sigint_does_not_wait_for_the_announcement_and_sigterm_does() {
    for (signal, waits) in [(Signal::Int, false), (Signal::Term, true)] {
        let scratch = Scratch::new(&format!("announce-{signal}"));
        let exit = stop(start(scratch.misbehave("announce=700 cap=30000")), signal);
        assert_eq!(exit.code, Some(0));
        let took = scratch.report().phases[0].end.unwrap();
        assert_eq!(took >= Duration::from_millis(700), waits, "{signal}: {took:?}");
    }
}

/// One to three signals at random moments, a few times here and often with `XTASK_FULL`: the
/// process always ends by itself, in time, with a report that agrees with its exit code.
#[test]
fn signals_at_random_moments_always_end_in_a_report() {
    let rounds = if std::env::var_os("XTASK_FULL").is_some() { 300 } else { 12 };
    for seed in 0..rounds {
        let mut rng = fastrand::Rng::with_seed(seed);
        let scratch = Scratch::new(&format!("random-{seed}"));
        let misdeeds = ["", "hang-drain", "hang-flush hand-back", "hang-work fail-hook recover"];
        let mut process = start(scratch.misbehave(rng.choice(misdeeds).unwrap()));
        let signals = rng.u32(1..4);
        for _ in 0..signals {
            let signal = rng.choice([Signal::Term, Signal::Int, Signal::Quit, Signal::Hup]);
            process.signal(signal.unwrap()).unwrap();
            std::thread::park_timeout(Duration::from_micros(rng.u64(0..30_000)));
        }
        let exit = process.wait(PATIENCE).unwrap();
        let report = scratch.report();
        assert_eq!(
            exit.code,
            report.exit_code.map(i32::from),
            "seed {seed}: {:?} {:?} {}",
            exit.signal,
            report.verdict,
            exit.stderr
        );
        let forced = matches!(report.verdict, Verdict::Forced { .. });
        assert_eq!(forced, exit.code == Some(1), "seed {seed}: {:?}", report.verdict);
        assert!(forced || report.waiters().all(|(_, w)| w.outcome.is_some()), "seed {seed}");
        assert!(signals > 1 || report.escalated.is_none(), "seed {seed}: escalated by one signal");
    }
}
