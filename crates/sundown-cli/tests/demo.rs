//! The demonstration as a real process: stopped in the middle of its work, it loses nothing.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;
use std::time::Duration;

use sundown_drill::process::{Exit, Launch, Process, Signal};

const PATIENCE: Duration = Duration::from_secs(30);

fn demo(arguments: &str) -> Launch {
    let launch = Process::new(env!("CARGO_BIN_EXE_sundown")).env_remove("KUBERNETES_SERVICE_HOST");
    arguments.split_whitespace().fold(launch.arg("demo"), Launch::arg)
}

fn run(arguments: &str) -> Exit {
    demo(arguments).spawn().unwrap().wait(PATIENCE).unwrap()
}

#[test]
fn stopped_under_load_it_accounts_for_every_order() {
    for signal in [Signal::Term, Signal::Int] {
        let mut process = demo("--for 0 --clients 50").spawn().unwrap();
        process.wait_for_line(|line| line.starts_with("Stop it"), PATIENCE).unwrap();
        std::thread::park_timeout(Duration::from_millis(400));
        process.signal(signal).unwrap();
        let exit = process.wait(PATIENCE).unwrap();
        assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
        let line = exit.line(|line| line.ends_with(" 0 lost")).unwrap();
        let accepted: u32 = line.text.split(' ').next().unwrap().parse().unwrap();
        assert!(accepted > 10, "it was under load: {}", line.text);
        assert!(exit.stdout.contains("stopped cleanly"), "{}", exit.stdout);
    }
}

#[test]
fn it_stops_by_itself_and_draws_the_timeline() {
    let path = std::env::temp_dir().join(format!("sundown-demo-{}.svg", std::process::id()));
    let exit = run(&format!("--for 0.2 --svg {}", path.display()));
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    let svg = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(svg.starts_with("<svg") && svg.contains("ledger"), "{svg}");
}

#[test]
fn a_hung_worker_is_named_and_the_ledger_is_saved_all_the_same() {
    let exit = demo("--for 0.2 --hang")
        .env("GRACEFUL_SHUTDOWN_TIMEOUT", "3")
        .spawn()
        .unwrap()
        .wait(PATIENCE)
        .unwrap();
    assert_eq!(exit.code, Some(3), "{}", exit.stderr);
    assert!(exit.stdout.contains("left behind: worker-that-hangs"), "{}", exit.stdout);
    assert!(
        exit.line(|line| line.trim_start().starts_with("ledger") && line.ends_with("done"))
            .is_some()
    );
    assert!(exit.stdout.contains(" 0 lost"));
}

#[test]
fn wrong_usage_is_exit_code_2_and_help_is_not() {
    let exit = run("--clientz");
    assert_eq!(exit.code, Some(2));
    assert!(exit.stderr.contains("error: unknown argument `--clientz`"), "{}", exit.stderr);
    let exit = demo("").env("GRACEFUL_SHUTDOWN_TIMEOUT", "soon").spawn().unwrap();
    let exit = exit.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(2));
    assert!(exit.stderr.contains("GRACEFUL_SHUTDOWN_TIMEOUT=`soon`"), "{}", exit.stderr);
    assert_eq!(run("--help").code, Some(0));
    let version = Process::new(env!("CARGO_BIN_EXE_sundown")).arg("--version").spawn().unwrap();
    let version = version.wait(PATIENCE).unwrap().stdout;
    let commit = version.strip_prefix("sundown 0.1.0 (").and_then(|rest| rest.strip_suffix(")\n"));
    assert!(commit.is_some_and(|commit| commit.len() > 10), "{version}");
}

#[test]
fn the_version_says_when_the_code_is_not_that_of_its_commit() {
    let sources = [":(top)Cargo.toml", ":(top)Cargo.lock", ":(top,glob)crates/*/src/**"];
    let status = Command::new("git").args(["status", "--porcelain", "--"]).args(sources).output();
    let has_history = status.as_ref().is_ok_and(|status| status.status.success());
    if !has_history || std::env::var_os("BUILD_COMMIT").is_some() {
        return;
    }
    let version = Process::new(env!("CARGO_BIN_EXE_sundown")).arg("--version").spawn().unwrap();
    let version = version.wait(PATIENCE).unwrap().stdout;
    let is_modified = !status.unwrap().stdout.is_empty();
    assert_eq!(version.contains("-modified "), is_modified, "{version}");
}
