//! Real processes, real signals: every signal, the second and the third, every exit code, and what
//! a process under the worst of circumstances leaves behind. The program is the example
//! `misbehave`.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use sundown::{Cause, Force, Outcome, Report, Verdict};
use sundown_drill::cargo::example;
use sundown_drill::process::{Exit, Launch, Output, Process, Signal};

/// Far more than anything here takes; the figures are the benchmark's affair.
const PATIENCE: Duration = Duration::from_secs(20);
const CAP: Duration = Duration::from_secs(2);
/// What a loaded machine may add to a figure that is asserted at all.
const SLACK: Duration = Duration::from_secs(3);

/// A directory for one test, gone at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sundown-{}-{test}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    fn report(&self) -> Report {
        Report::from_json(&fs::read_to_string(self.0.join("report.json")).unwrap()).unwrap()
    }

    fn misbehave(&self, arguments: &str) -> Launch {
        let report = self.0.join("report.json");
        let launch = Process::new(example("sundown", "misbehave").unwrap())
            .env_remove("KUBERNETES_SERVICE_HOST")
            .arg(format!("report={}", report.display()));
        arguments.split_whitespace().fold(launch, Launch::arg)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn start(launch: Launch) -> Process {
    let process = launch.spawn().unwrap();
    process.wait_for_line(|line| line == "ready", PATIENCE).unwrap();
    process
}

fn stop(mut process: Process, signal: Signal) -> Exit {
    process.signal(signal).unwrap();
    process.wait(PATIENCE).unwrap()
}

/// Starts it with these misdeeds, sends one SIGTERM, and expects this exit code.
fn check(test: &str, arguments: &str, code: i32) -> (Exit, Report) {
    let scratch = Scratch::new(test);
    let exit = stop(start(scratch.misbehave(arguments)), Signal::Term);
    assert_eq!(exit.code, Some(code), "{}\n{}", exit.stdout, exit.stderr);
    assert_eq!(exit.left_behind, [0_u32; 0]);
    let report = scratch.report();
    assert_eq!(i32::from(report.exit_code), code);
    (exit, report)
}

fn outcome(report: &Report, name: &str) -> Outcome {
    report.waiter(name).unwrap_or_else(|| panic!("{name} is reported")).outcome.unwrap()
}

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
fn with_every_runtime_thread_blocked_the_process_still_ends_at_the_cap() {
    for (test, stderr) in [("blocked", Output::Captured), ("blocked-full", Output::FullPipe)] {
        let scratch = Scratch::new(test);
        let process = start(scratch.misbehave("block-runtime").stderr(stderr));
        let exit = stop(process, Signal::Term);
        assert_eq!(exit.code, Some(1), "{test}");
        assert!(exit.took >= CAP && exit.took < CAP + SLACK, "{test}: {:?}", exit.took);
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
fn handed_back_work_is_clean_for_a_service_and_interrupted_for_a_job() {
    let (exit, report) = check("service", "hand-back", 0);
    assert_eq!(report.handed_back(), 3);
    assert!(exit.stdout.contains("3 handed back"));
    check("job", "hand-back job=yes", 143);
    check("idle-job", "job=yes", 0);
}

#[test]
fn a_failed_component_takes_the_service_down_in_good_order() {
    for (misdeed, error) in
        [("fail-component", "schema changed"), ("panic-component", "panicked: schema changed")]
    {
        let scratch = Scratch::new(misdeed);
        let exit = scratch.misbehave(misdeed).spawn().unwrap().wait(PATIENCE).unwrap();
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert_eq!(scratch.report().cause, Some(Cause::failed("ingest", error)));
        assert_eq!(outcome(&scratch.report(), "save"), Outcome::Done);
    }
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

#[test]
fn closed_and_full_outputs_hang_nothing() {
    let scratch = Scratch::new("outputs");
    for (stdout, stderr) in [
        (Output::Closed, Output::Closed),
        (Output::FullPipe, Output::Captured),
        (Output::FullPipe, Output::FullPipe),
    ] {
        let mut process = scratch.misbehave("").stdout(stdout).stderr(stderr).spawn().unwrap();
        // `ready` cannot be read from a stdout like this.
        while !scratch.0.join("report.json").exists() {
            std::thread::yield_now();
        }
        std::thread::park_timeout(Duration::from_millis(300));
        process.signal(Signal::Term).unwrap();
        let exit = process.wait(PATIENCE).unwrap();
        let blocked = stdout == Output::FullPipe;
        assert_eq!(exit.code, Some(if blocked { 1 } else { 0 }), "{stdout:?} {stderr:?}");
        fs::remove_file(scratch.0.join("report.json")).unwrap();
    }
}

#[test]
fn the_next_start_knows_how_the_last_one_ended() {
    let scratch = Scratch::new("previous");
    let previous = |arguments: &str, signal| {
        let process = start(scratch.misbehave(arguments));
        let line = process.lines().into_iter().find(|line| line.text.starts_with("previous: "));
        stop(process, signal);
        line.map(|line| line.text)
    };
    assert_eq!(previous("", Signal::Term), None, "the first start finds nothing");
    assert_eq!(previous("", Signal::Kill).as_deref(), Some("previous: clean"));
    assert_eq!(previous("fail-drain", Signal::Term).as_deref(), Some("previous: lost"));
    assert_eq!(previous("block-runtime", Signal::Term).as_deref(), Some("previous: failed"));
    assert_eq!(previous("", Signal::Term).as_deref(), Some("previous: forced"));
    fs::write(scratch.0.join("report.json"), "{ torn").unwrap();
    assert_eq!(previous("", Signal::Term).as_deref(), Some("previous: lost"));
}

#[test]
fn the_termination_message_is_one_short_line_and_only_where_the_file_exists() {
    let scratch = Scratch::new("message");
    let path = scratch.0.join("termination-log");
    let arguments = format!("fail-drain message={}", path.display());
    stop(start(scratch.misbehave(&arguments)), Signal::Term);
    assert!(!path.exists(), "it is not ours to create");
    fs::write(&path, "an older and much longer message ".repeat(100)).unwrap();
    stop(start(scratch.misbehave(&arguments)), Signal::Term);
    let message = fs::read_to_string(&path).unwrap();
    assert!(message.len() <= 4096 && !message.contains('\n'), "{message}");
    let message: serde_json::Value = serde_json::from_str(&message).unwrap();
    assert_eq!(message["sundown"], "failed");
    assert_eq!(message["trouble"][0]["name"], "fails");
}

#[test]
fn a_wrong_start_is_exit_code_2_and_names_the_culprit() {
    for (test, arguments, culprit) in [
        ("twins", "twins", "`twin` is registered twice in the phase `drain`"),
        ("greedy", "greedy", "glutton need"),
        ("cap", "cap=500", "the fixed budgets (flush 300ms + release 300ms)"),
        ("misdeed", "no-such-thing", "unknown misdeed `no-such-thing`"),
    ] {
        let scratch = Scratch::new(test);
        let exit = scratch.misbehave(arguments).spawn().unwrap().wait(PATIENCE).unwrap();
        assert_eq!(exit.code, Some(2), "{test}: {}", exit.stderr);
        assert!(exit.stderr.contains(culprit), "{test}: {}", exit.stderr);
    }
    let exit = Process::new(example("sundown", "misbehave").unwrap())
        .arg("report=/proc/no/such/place.json")
        .spawn()
        .unwrap()
        .wait(PATIENCE)
        .unwrap();
    assert_eq!(exit.code, Some(2));
    assert!(exit.stderr.contains("cannot keep the shutdown report in /proc/no/such/place.json"));
}

#[test]
fn a_report_that_cannot_be_saved_changes_nothing_else() {
    let scratch = Scratch::new("unsaved");
    let process = start(scratch.misbehave(""));
    fs::remove_dir_all(&scratch.0).unwrap();
    let exit = stop(process, Signal::Term);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(exit.stderr.contains("cannot save the shutdown report"), "{}", exit.stderr);
    assert!(exit.stdout.contains("stopped cleanly"));
}
