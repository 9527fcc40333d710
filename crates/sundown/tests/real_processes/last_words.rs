//! What a process leaves: exit codes, reports, messages, whatever its outputs are.

use super::*;

#[test]
fn handed_back_work_is_clean_for_a_service_and_interrupted_for_a_job() {
    let (exit, report) = check("service", "hand-back", 0);
    assert_eq!(report.handed_back(), 3);
    assert!(exit.stdout.contains("3 handed back"));
    check("job", "hand-back job=yes", 143);
    check("idle-job", "job=yes", 0);
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
        // `listening` cannot be read from a stdout like this.
        eventually(|| catches_sigterm(process.id()));
        process.signal(Signal::Term).unwrap();
        let exit = process.wait(PATIENCE).unwrap();
        let blocked = stdout == Output::FullPipe;
        assert_eq!(exit.code, Some(if blocked { 1 } else { 0 }), "{stdout:?} {stderr:?}");
        // The next one would say what it finds, and block before it listens.
        fs::remove_file(scratch.0.join("report.json")).unwrap();
    }
}

#[test]
fn the_next_start_knows_how_the_last_one_ended() {
    let scratch = Scratch::new("previous");
    let previous = |arguments: &str, signal| {
        let process = start(scratch.misbehave(arguments));
        let path = scratch.0.join("report.json");
        eventually(|| fs::read_to_string(&path).unwrap().contains("\"running\""));
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
fn a_process_killed_while_it_stops_has_left_a_termination_message() {
    let scratch = Scratch::new("killed-message");
    let path = scratch.0.join("termination-log");
    fs::write(&path, "").unwrap();
    for misdeed in ["hang-drain", "block-runtime"] {
        fs::write(&path, "").unwrap();
        let arguments = format!("{misdeed} cap=20000 message={}", path.display());
        let mut process = scratch.misbehave(&arguments).spawn().unwrap();
        eventually(|| catches_sigterm(process.id()));
        process.signal(Signal::Term).unwrap();
        eventually(|| fs::read_to_string(&path).unwrap().ends_with('}'));
        process.signal(Signal::Kill).unwrap();
        process.wait(PATIENCE).unwrap();
        let message = fs::read_to_string(&path).unwrap();
        assert!(message.len() <= 4096 && !message.contains('\n'), "{message}");
        let message: serde_json::Value = serde_json::from_str(&message).unwrap();
        assert_eq!(
            (&message["sundown"], &message["cause"]),
            (&"running".into(), &"SIGTERM".into())
        );
        assert!(message["began_unix_ms"].is_u64() && message["note"].is_string(), "{message}");
    }
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
fn a_report_file_belongs_to_one_living_process() {
    let scratch = Scratch::new("shared");
    let first = start(scratch.misbehave(""));
    let second = scratch.misbehave("").spawn().unwrap().wait(PATIENCE).unwrap();
    assert_eq!(second.code, Some(2), "{}", second.stderr);
    let holder = format!("belongs to process {}, which is alive", first.id());
    assert!(second.stderr.contains(&holder), "{}", second.stderr);
    assert!(!second.stderr.contains("lost"), "the first is not lost: {}", second.stderr);
    assert_eq!(stop(first, Signal::Kill).code, None);
    let third = start(scratch.misbehave(""));
    let exit = stop(third, Signal::Term);
    assert!(exit.stdout.contains("previous: lost"), "a killed one holds nothing: {}", exit.stdout);
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

#[test]
fn a_start_that_fails_keeps_what_the_last_process_left() {
    let scratch = Scratch::new("kept");
    stop(start(scratch.misbehave("fail-drain")), Signal::Term);
    for _ in 0..2 {
        let exit = scratch.misbehave("greedy").spawn().unwrap().wait(PATIENCE).unwrap();
        assert_eq!(exit.code, Some(2));
        assert!(exit.stdout.contains("previous: failed"), "{}", exit.stdout);
    }
    assert_eq!(outcome(&scratch.report(), "fails"), Outcome::Failed);
}

#[test]
fn a_closed_stderr_changes_no_exit_code_and_prevents_no_start() {
    let scratch = Scratch::new("closed");
    let refused = scratch.misbehave("greedy").stderr(Output::Closed).spawn().unwrap();
    assert_eq!(refused.wait(PATIENCE).unwrap().code, Some(2));
    stop(start(scratch.misbehave("fail-drain")), Signal::Term);
    let next = start(scratch.misbehave("").stderr(Output::Closed));
    assert_eq!(stop(next, Signal::Term).code, Some(0));
}

#[test]
fn a_coordinator_that_was_dropped_takes_no_signal_from_its_successor() {
    let scratch = Scratch::new("successor");
    let exit = stop(start(scratch.misbehave("second-try")), Signal::Term);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert_eq!(outcome(&scratch.report(), "save"), Outcome::Done);
}

#[test]
fn thousands_left_behind_do_not_outlast_the_cap() {
    let scratch = Scratch::new("thousands");
    let message = scratch.0.join("termination-log");
    fs::write(&message, "").unwrap();
    let arguments = format!("hang-thousands message={}", message.display());
    let exit = stop(start(scratch.misbehave(&arguments)), Signal::Term);
    assert_eq!(exit.code, Some(3), "{}", exit.stderr);
    let report = scratch.report();
    assert_eq!((report.left.len(), report.left_count), (100, 5000));
    let line: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(&message).unwrap()).unwrap();
    assert_eq!(line["sundown"], "failed");
}
