//! `kubernetes_tasks`: told at once, waited for, probed on the way down.

use std::time::Duration;

use sundown_drill::process::Signal;

use crate::program::{PATIENCE, end, end_without_report, example, start, wait_for};

#[test]
fn active_tasks_finish_and_a_new_one_is_refused_while_the_probes_say_so() {
    let mut service = start(example("kubernetes_tasks"));
    wait_for(&service, "POST /tasks -> 2");
    service.signal(Signal::Term).unwrap();

    let ended = end(service, 0);
    ended.in_order(&["GET /readyz -> 200 ready", "tasks: SIGTERM, no new tasks from here on"]);
    ended.in_order(&[
        "POST /tasks -> 1, see /tasks/1/stream",
        "POST /tasks -> refused: service is shutting down",
        "GET /readyz -> 503 shutting down",
        "stopped cleanly",
    ]);
    let accepted = ended.count(", see /tasks/");
    let done = ended.count(": done");
    assert_eq!(accepted, done, "what was accepted is done:\n{}", ended.exit.stdout);
    let refused = ended.place("POST /tasks -> refused");
    assert!(!ended.lines[refused..].iter().any(|line| line.contains(", see /tasks/")));
    let alive = ended.count("GET /healthz -> 200 alive");
    assert_eq!((alive, ended.count("GET /healthz")), (2, 2), "it is never called dead");
    ended.place("of 10 min");
}

#[test]
fn the_timeout_of_the_environment_bounds_tasks_that_never_end() {
    let launch = example("kubernetes_tasks").arg("600").env("GRACEFUL_SHUTDOWN_TIMEOUT", "11");
    let mut service = start(launch);
    wait_for(&service, "refused: all 4 workers are busy");
    service.signal(Signal::Term).unwrap();

    let ended = end(service, 3);
    for task in 1..=4 {
        ended.place(&format!("left behind: task {task} (ran "));
    }
    assert_eq!(ended.count(": done"), 0);
    ended.place("of 11 s");
    // Nobody takes part in flush: its time is the tasks', too.
    assert!(ended.exit.took > Duration::from_secs(5), "took {:?}", ended.exit.took);
    assert!(ended.exit.took < Duration::from_secs(11), "took {:?}", ended.exit.took);
}

#[test]
fn a_timeout_that_is_no_number_stops_the_start_and_is_named() {
    let launch = example("kubernetes_tasks").env("GRACEFUL_SHUTDOWN_TIMEOUT", "soon");
    let ended = end_without_report(launch.spawn().unwrap(), 2);
    let error = &ended.exit.stderr;
    assert!(error.contains("GRACEFUL_SHUTDOWN_TIMEOUT=`soon`"), "{error}");
    assert_eq!(ended.lines, [""; 0], "it did no work");
}

#[test]
fn testing_mode_runs_the_same_service_and_never_shuts_down() {
    let testing = example("kubernetes_tasks").arg("--testing").spawn().unwrap();
    let ended = end_without_report(testing, 0);
    assert_eq!(
        ended.lines,
        [
            "testing mode: initiate answers false",
            "task 1: done",
            "task 1 ran",
            "GET /readyz -> 200 ready",
            "GET /healthz -> 200 alive",
            "GET /readyz -> 503 task service unhealthy",
            "GET /healthz -> 200 alive",
        ]
    );
}

#[test]
fn in_kubernetes_the_pod_is_announced_before_it_drains() {
    let mut service = start(example("kubernetes_tasks").env("KUBERNETES_SERVICE_HOST", "10.0.0.1"));
    let told = service.signal(Signal::Term).unwrap();
    let refused = service.wait_for_line(|line| line.contains("is shutting down"), PATIENCE);
    let drains = service.wait_for_line(|line| line.contains("at most"), PATIENCE).unwrap();
    assert!(refused.unwrap().at < drains.at, "the intake closes at once");
    assert!(drains.at - told >= Duration::from_secs(2), "endpoints have time to look away");
    end(service, 0);
}
