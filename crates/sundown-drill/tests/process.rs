//! The driver keeps its promises about starting, waiting, signalling and collecting.

use std::time::{Duration, Instant};

use sundown_drill::process::{Ending, Error, Launch, Output, Process, Signal, Stream};

/// Longer than anything here takes, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn sh(script: &str) -> Launch {
    Process::new("sh").args(["-c", script])
}

#[test]
fn output_of_both_streams_is_collected_with_arrival_times() {
    let before = Instant::now();
    let exit = sh("echo one; echo two >&2; printf three").spawn().unwrap().wait(PATIENCE).unwrap();
    assert_eq!((exit.code, exit.signal), (Some(0), None));
    assert_eq!((exit.stdout.as_str(), exit.stderr.as_str()), ("one\nthree", "two\n"));
    let two = exit.line(|line| line == "two").unwrap();
    assert_eq!(two.stream, Stream::Stderr);
    assert!(before <= two.at && two.at <= Instant::now());
}

#[test]
fn a_line_printed_before_the_wait_is_found() {
    let process = sh("echo ready; echo again; sleep 60").spawn().unwrap();
    process.wait_for_line(|line| line == "again", PATIENCE).unwrap();
    let ready = process.wait_for_line(|line| line == "ready", Duration::ZERO).unwrap();
    assert_eq!((ready.text.as_str(), ready.stream), ("ready", Stream::Stdout));
    assert_eq!(process.lines().len(), 2);
}

#[test]
fn early_exit_is_reported_at_once_with_code_and_output() {
    let process = sh("echo 'port taken' >&2; exit 3").spawn().unwrap();
    let before = Instant::now();
    let error = process.wait_for_line(|line| line == "ready", PATIENCE).unwrap_err();
    assert!(before.elapsed() < PATIENCE / 2);
    let Error::Ended { ending, output, .. } = &error else { panic!("{error}") };
    assert_eq!(*ending, Ending::Code(3));
    assert!(output.ends_with("err| port taken"), "{output}");
    assert!(error.to_string().contains("exit code 3"), "{error}");
}

#[test]
fn last_words_count_though_the_process_has_ended() {
    let process = sh("echo ready").spawn().unwrap();
    while process.is_running() {
        std::thread::yield_now();
    }
    process.wait_for_line(|line| line == "ready", PATIENCE).unwrap();
}

#[test]
fn a_line_that_never_comes_is_an_error_naming_command_and_output() {
    let process = sh("echo busy; sleep 60").spawn().unwrap();
    process.wait_for_line(|line| line == "busy", PATIENCE).unwrap();
    let error = process.wait_for_line(|line| line == "ready", Duration::from_millis(50));
    let text = error.unwrap_err().to_string();
    assert!(
        text.starts_with("`sh -c 'echo busy; sleep 60'`: no matching line within 50ms"),
        "{text}"
    );
    assert!(text.ends_with("out| busy"), "{text}");
    assert!(process.is_running(), "a failed wait for a line leaves the process alone");
}

#[test]
fn a_process_that_does_not_end_in_time_is_killed_and_reported_with_its_output() {
    let process = sh("trap '' TERM; echo deaf; sleep 60").spawn().unwrap();
    let id = process.id();
    process.wait_for_line(|line| line == "deaf", PATIENCE).unwrap();
    let text = process.wait(Duration::from_millis(50)).unwrap_err().to_string();
    assert!(text.contains("no end within 50ms"), "{text}");
    assert!(text.contains("sh -c") && text.ends_with("out| deaf"), "{text}");
    assert!(!std::path::Path::new(&format!("/proc/{id}")).exists(), "killed and reaped");
}

#[test]
fn a_signal_reaches_the_process_and_took_counts_from_it() {
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    let mut process = sh(script).spawn().unwrap();
    process.wait_for_line(|line| line == "ready", PATIENCE).unwrap();
    let spawned_long_before = Instant::now();
    while spawned_long_before.elapsed() < Duration::from_millis(300) {
        std::thread::yield_now();
    }
    let sent = process.signal(Signal::Term).unwrap();
    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!((exit.code, exit.signal), (Some(7), None));
    assert_eq!(exit.took, exit.ended - sent);
}

#[test]
fn each_signal_is_the_one_it_is_named_after() {
    let ending = [
        (Signal::Hup, 1),
        (Signal::Int, 2),
        (Signal::Quit, 3),
        (Signal::Kill, 9),
        (Signal::Usr1, 10),
        (Signal::Term, 15),
    ];
    for (signal, number) in ending {
        let mut process = Process::new("sleep").arg("60").spawn().unwrap();
        process.signal(signal).unwrap();
        let exit = process.wait(PATIENCE).unwrap();
        assert_eq!((exit.code, exit.signal), (None, Some(number)), "{signal}");
    }
}

#[test]
fn a_frozen_process_runs_on_only_when_continued() {
    let mut process =
        sh("trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done").spawn().unwrap();
    process.wait_for_line(|line| line == "ready", PATIENCE).unwrap();
    process.signal(Signal::Stop).unwrap();
    process.signal(Signal::Term).unwrap();
    process.wait_for_line(|line| line == "never", Duration::from_millis(100)).unwrap_err();
    assert!(process.is_running());
    process.signal(Signal::Cont).unwrap();
    assert_eq!(process.wait(PATIENCE).unwrap().code, Some(0));
}

#[test]
fn writing_to_a_closed_output_fails_with_broken_pipe() {
    let script = "trap '' PIPE; echo lost || echo failed >&2";
    let exit = sh(script).stdout(Output::Closed).spawn().unwrap().wait(PATIENCE).unwrap();
    assert!(exit.stderr.ends_with("failed\n"), "{}", exit.stderr);
    assert!(
        exit.stderr.contains("Broken pipe") || exit.stderr.contains("I/O error"),
        "{}",
        exit.stderr
    );

    let exit = sh("echo lost >&2").stderr(Output::Closed).spawn().unwrap().wait(PATIENCE).unwrap();
    assert_eq!(exit.signal, Some(13), "SIGPIPE, not trapped");
}

#[test]
fn a_full_pipe_blocks_the_first_byte_written() {
    let script = "echo before >&2; printf x; echo after >&2";
    let process = sh(script).stdout(Output::FullPipe).spawn().unwrap();
    process.wait_for_line(|line| line == "before", PATIENCE).unwrap();
    process.wait_for_line(|line| line == "after", Duration::from_millis(300)).unwrap_err();
    assert!(process.is_running(), "blocked, not failed");
}

#[test]
fn a_process_gets_its_environment_and_directory_and_an_empty_input() {
    let exit = sh("echo \"$KIND ${HOME-none}\"; pwd; cat")
        .env("KIND", "paper")
        .env_remove("HOME")
        .current_dir("/")
        .spawn()
        .unwrap()
        .wait(PATIENCE)
        .unwrap();
    assert_eq!(exit.stdout, "paper none\n/\n");
}

#[test]
fn a_program_that_does_not_exist_is_named_in_the_error() {
    let error = Process::new("no-such-program").arg("--now").spawn().unwrap_err();
    assert!(error.to_string().starts_with("cannot start `no-such-program --now`: "), "{error}");
    assert_eq!(format!("{error:?}"), error.to_string());
}
