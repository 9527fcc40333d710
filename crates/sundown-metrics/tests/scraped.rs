//! The example as a real process: scraped before, during and after a SIGTERM.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use sundown_drill::cargo::example;
use sundown_drill::process::{Process, Signal};

const PATIENCE: Duration = Duration::from_secs(30);

fn scrape(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn scrapes_are_answered_while_it_drains_and_the_file_has_the_last_word() {
    let name = format!("sundown-scraped-{}.prom", std::process::id());
    let file = std::env::temp_dir().join(name);
    let program = example("sundown-metrics", "scraped").unwrap();
    let launch = Process::new(program)
        .env_remove("GRACEFUL_SHUTDOWN_TIMEOUT")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .arg(&file);
    let mut process = launch.spawn().unwrap();
    let ready = process.wait_for_line(|line| line.starts_with("ready"), PATIENCE).unwrap().text;
    let address = ready.split_once("http://").unwrap().1.trim_end_matches("/metrics");

    assert!(scrape(address).contains("\napplication_shutting_down 0\n"));
    process.signal(Signal::Term).unwrap();
    // Ends with a panic when the process does: then nobody answers any more.
    let draining = loop {
        let text = scrape(address);
        let begun = ["\napplication_shutting_down 1\n", "\nactive_tasks_at_shutdown 1\n"];
        if begun.iter().all(|line| text.contains(line)) {
            break text;
        }
    };
    assert!(draining.contains("\nprocess_open_fds "), "{draining}");

    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(0), "{}\n{}", exit.stdout, exit.stderr);
    let left = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    assert!(left.contains("\ngraceful_shutdown_duration_seconds_count 1\n"), "{left}");
    assert!(left.contains("\nsundown_phase_duration_seconds_bucket{phase=\"drain\""), "{left}");
    assert!(left.contains("\nqueue_depth 3\n"), "{left}");
}
