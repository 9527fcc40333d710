//! The sum that a service makes when it is told of its pod.

use sundown_drill::process::{Launch, Signal};

use crate::manifest::run;
use crate::service::{PATIENCE, Scratch, launch, sundown};

/// A pod of 30 s for a stop of 25 s, a hook of 4 s and a margin of 2 s.
fn told(launch: Launch, what: &str) -> Launch {
    launch
        .env("GRACEFUL_SHUTDOWN_TIMEOUT", "25")
        .env("SUNDOWN_POD_GRACE", "30s")
        .env("SUNDOWN_POD_PRESTOP", "4s")
        .env("SUNDOWN_POD_WHEN_TOO_SHORT", what)
}

const SUM: &str = "preStop 4 s + cap 25 s + margin 2 s = 31 s > 30 s of grace: 1 s too few";

#[test]
fn a_service_that_must_not_start_so_does_not() {
    let exit = run(told(sundown("serve --listen 127.0.0.1:0"), "refuse"));
    assert_eq!(exit.code, Some(2), "{}", exit.stderr);
    assert!(exit.stderr.contains("SUNDOWN_POD_GRACE: "), "{}", exit.stderr);
    assert!(exit.stderr.contains(SUM), "{}", exit.stderr);
    let enough = told(sundown("plan"), "refuse").env("GRACEFUL_SHUTDOWN_TIMEOUT", "24");
    let exit = run(enough);
    assert_eq!(exit.code, Some(0), "{}", exit.stderr);
    assert!(exit.stdout.contains("= 30 s ≤ 30 s of grace"), "{}", exit.stdout);
}

#[test]
fn a_service_that_may_start_says_so_and_serves() {
    let scratch = Scratch::new();
    let mut process = told(launch(&scratch, ""), "warn").spawn().unwrap();
    let line = process.wait_for_line(|line| line.contains("too short"), PATIENCE).unwrap().text;
    assert!(line.contains(SUM) && line.contains("\"level\":\"WARN\""), "{line}");
    process.wait_for_line(|line| line.contains("serving"), PATIENCE).unwrap();
    process.signal(Signal::Term).unwrap();
    assert_eq!(process.wait(PATIENCE).unwrap().code, Some(0));
}

#[test]
fn who_is_told_nothing_says_nothing() {
    let exit = run(sundown("plan").env("GRACEFUL_SHUTDOWN_TIMEOUT", "25"));
    assert!(
        exit.stdout.contains("terminationGracePeriodSeconds of at least 27 s"),
        "{}",
        exit.stdout
    );
    let odd = sundown("plan").env("SUNDOWN_POD_WHEN_TOO_SHORT", "maybe");
    let exit = run(odd);
    assert_eq!(exit.code, Some(2), "{}", exit.stdout);
    assert!(exit.stderr.contains("takes `warn` or `refuse`, not `maybe`"), "{}", exit.stderr);
}
