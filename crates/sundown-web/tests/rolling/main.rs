//! Rolling restarts of two real instances behind haproxy, which never retries, under clients that
//! never retry either: nobody notices. The same with stock actix: somebody does.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod clients;

use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use clients::{Clients, Tally};
use sundown_drill::cargo::example;
use sundown_drill::process::{Process, Signal};

const PATIENCE: Duration = Duration::from_secs(20);
/// How long an instance tells the proxy that it is about to go; it is asked every 50 ms.
const ANNOUNCE: &str = "1000";

/// One at a time: a machine that is busy with another test may not ask in time.
static ALONE: Mutex<()> = Mutex::new(());

/// A proxy and two instances behind it.
struct Stage {
    program: &'static str,
    ports: [u16; 2],
    instances: Vec<Process>,
    front: u16,
    config: PathBuf,
    _proxy: Process,
}

impl Stage {
    fn set(program: &'static str) -> Self {
        let [front, a, b] = free_ports();
        let config =
            std::env::temp_dir().join(format!("sundown-haproxy-{}-{front}", std::process::id()));
        fs::write(&config, haproxy(front, [a, b])).unwrap();
        let instances = [a, b].map(|port| start(program, port)).into();
        let proxy = Process::new("haproxy").arg("-db").arg("-f").arg(&config).spawn().unwrap();
        let stage = Stage { program, ports: [a, b], instances, front, config, _proxy: proxy };
        stage.wait_for_proxy();
        stage
    }

    fn wait_for_proxy(&self) {
        let began = std::time::Instant::now();
        while !clients::answers(self.front, "/readyz", "ready") {
            assert!(began.elapsed() < PATIENCE, "the proxy finds nobody");
            thread::park_timeout(Duration::from_millis(20));
        }
    }

    /// Stops an instance, and starts it again when it is gone.
    fn restart(&mut self, index: usize) {
        let mut old = self.instances.remove(index);
        old.signal(Signal::Term).unwrap();
        let exit = old.wait(PATIENCE).unwrap();
        assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
        self.instances.insert(index, start(self.program, self.ports[index]));
        // Until the proxy has seen it.
        thread::park_timeout(Duration::from_millis(300));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.config);
    }
}

fn start(program: &str, port: u16) -> Process {
    let process = Process::new(example("sundown-web", program).unwrap())
        .arg(format!("127.0.0.1:{port}"))
        .arg(ANNOUNCE)
        .spawn()
        .unwrap();
    process.wait_for_line(|line| line.starts_with("serving"), PATIENCE).unwrap();
    process
}

fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

fn haproxy(front: u16, [a, b]: [u16; 2]) -> String {
    format!(
        "defaults\n  mode http\n  timeout connect 1s\n  timeout client 30s\n  timeout server 30s\n  \
         timeout check 1s\n  retries 0\n  option httpchk GET /readyz\n  \
         default-server check inter 50ms fall 1 rise 1\n\
         frontend front\n  bind 127.0.0.1:{front}\n  default_backend back\n\
         backend back\n  balance roundrobin\n  server a 127.0.0.1:{a}\n  server b 127.0.0.1:{b}\n"
    )
}

/// Restarts the instances in turn while clients ask for everything there is.
fn roll(program: &'static str, restarts: usize, has_events: bool) -> Tally {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut stage = Stage::set(program);
    let clients = Clients::start(stage.front, has_events);
    for restart in 0..restarts {
        stage.restart(restart % 2);
    }
    clients.stop()
}

#[test]
fn no_client_notices_a_rolling_restart() {
    let is_full = std::env::var_os("XTASK_FULL").is_some();
    let mut tally = roll("hello", if is_full { 10 } else { 4 }, true);
    while is_full && tally.requests < 100_000 {
        tally += roll("hello", 10, true);
    }
    println!("{tally:?}");
    assert!(tally.failures.is_empty(), "{tally:?}");
    assert!(tally.requests > 1000, "{tally:?}");
    assert!(tally.event_streams > 0, "{tally:?}");
}

/// What the harness can see: without it, a green test above would prove nothing.
#[test]
fn with_stock_actix_clients_do_notice() {
    let tally = roll("stock", 4, false);
    println!("{tally:?}");
    assert!(!tally.failures.is_empty(), "{tally:?}");
}
