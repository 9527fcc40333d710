//! The example `hello` as a real process: signals at random moments, the second, the third.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use sundown_drill::cargo::example;
use sundown_drill::process::{Process, Signal};

const PATIENCE: Duration = Duration::from_secs(20);

/// Starts it, and says where it serves.
fn start() -> (Process, String) {
    let process =
        Process::new(example("sundown-web", "hello").unwrap()).arg("127.0.0.1:0").spawn().unwrap();
    let line = process.wait_for_line(|line| line.starts_with("serving on "), PATIENCE).unwrap();
    let address = line.text.trim_start_matches("serving on http://").to_owned();
    (process, address)
}

/// Asks without reading the answer.
fn ask(address: &str, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn stopped_at_random_moments_it_answers_what_was_asked_in_full() {
    let rounds = if std::env::var_os("XTASK_FULL").is_some() { 60 } else { 5 };
    for seed in 0..rounds {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut process, address) = start();
        let streams: Vec<_> =
            (0..8).map(|_| ask(&address, rng.choice(["/slow/700", "/big"]).unwrap())).collect();
        // All of them are on their way before the end begins: a connection is, once its first
        // byte was read.
        std::thread::park_timeout(Duration::from_millis(rng.u64(50..650)));
        process.signal(Signal::Term).unwrap();
        for stream in streams {
            let answer = answer(stream);
            let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
            assert!(head.starts_with("HTTP/1.1 200"), "seed {seed}: {head:?}");
            let is_whole = body == "that took a while\n" || body == "x".repeat(1 << 20);
            assert!(is_whole, "seed {seed}: {} bytes", body.len());
        }
        let exit = process.wait(PATIENCE).unwrap();
        assert_eq!(exit.code, Some(0), "seed {seed}: {}{}", exit.stdout, exit.stderr);
    }
}

#[test]
fn a_second_signal_cuts_the_drain_short() {
    let (mut process, address) = start();
    let silent = ask(&address, "/slow/60000");
    std::thread::park_timeout(Duration::from_millis(100));
    process.signal(Signal::Term).unwrap();
    std::thread::park_timeout(Duration::from_millis(100));
    let sent = process.signal(Signal::Term).unwrap();
    let exit = process.wait(PATIENCE).unwrap();
    assert_eq!(exit.code, Some(3), "{}", exit.stdout);
    assert!(exit.ended.duration_since(sent) < Duration::from_secs(3), "it did not wait");
    assert!(exit.stdout.contains("aborted"), "{}", exit.stdout);
    assert_eq!(answer(silent), "", "cut, not answered in part");
}

#[test]
fn a_third_signal_ends_it_at_once() {
    let (mut process, address) = start();
    let _slow = ask(&address, "/slow/60000");
    std::thread::park_timeout(Duration::from_millis(100));
    let began = Instant::now();
    for signal in [Signal::Term, Signal::Int, Signal::Quit] {
        process.signal(signal).unwrap();
    }
    let exit = process.wait(PATIENCE).unwrap();
    assert!(began.elapsed() < Duration::from_secs(3));
    // Whichever of them the plan was quicker than: it was cut, and says so.
    assert!(matches!(exit.code, Some(1 | 3)), "{:?}", exit.code);
}
