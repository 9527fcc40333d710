//! One life of one replica.

use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use sundown_drill::process::{Exit, Launch, Process, Signal};

use crate::ground::Ground;
use crate::processes::{marked, orphans, pause};
use crate::trial::not_run;

/// How often it is looked whether a replica stands still, and how long it is waited between.
const LOOKS: usize = 5;
const LOOK: Duration = Duration::from_millis(10);

/// A place in the program that can be hit again: the N-th call of one of these by one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Point {
    pub(crate) calls: &'static str,
    pub(crate) number: usize,
    pub(crate) signal: &'static str,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {} #{}", self.signal, self.calls, self.number)
    }
}

/// A process that may serve.
pub(crate) struct Replica {
    process: Process,
    mark: String,
}

/// How a life ended.
pub(crate) struct End {
    pub(crate) exit: Exit,
    /// Commands that are still there.
    pub(crate) orphans: Vec<u32>,
    /// How many writes of superseded attempts it saw refused.
    pub(crate) refused: usize,
}

impl Replica {
    pub(crate) fn start(
        ground: &Ground,
        mark: String,
        lacks: Option<&str>,
        cap: Duration,
        point: Option<Point>,
    ) -> Self {
        let binary = env!("CARGO_BIN_EXE_sundown");
        let launch = match point {
            Some(point) => strace(point).arg(binary),
            None => Process::new(binary),
        };
        let process = launch
            .args(["serve", "--demo", "--listen", "127.0.0.1:0"])
            .args(["--admin-listen", "127.0.0.1:0", "--config"])
            .arg(ground.configuration(&mark, lacks))
            .env_remove("KUBERNETES_SERVICE_HOST")
            .env("GRACEFUL_SHUTDOWN_TIMEOUT", format!("{}ms", cap.as_millis()))
            .spawn()
            .unwrap();
        Replica { process, mark }
    }

    /// Waits until it serves; it may end before it does.
    pub(crate) fn serves(&self, patience: Duration) -> Option<SocketAddr> {
        let serving = |line: &str| line.contains("\"message\":\"serving\"");
        let line = self.process.wait_for_line(serving, patience).ok()?;
        let told: Value = serde_json::from_str(&line.text).ok()?;
        told["web"].as_str()?.parse().ok()
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }

    /// The name of this life.
    pub(crate) fn mark(&self) -> &str {
        &self.mark
    }

    /// How many processes of its commands are there now, without those who watch over them.
    pub(crate) fn commands(&self) -> usize {
        let is_command = |process: &u32| {
            let program = fs::read_link(format!("/proc/{process}/exe"));
            program.is_ok_and(|program| !program.ends_with("sundown"))
        };
        marked(&self.mark).iter().filter(|process| is_command(process)).count()
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// Its last words so far.
    pub(crate) fn said(&self) -> String {
        self.process.lines().last().map_or_else(String::new, |line| line.text.clone())
    }

    /// Whether a signal holds it: all its threads, for longer than a tracer looks at one.
    pub(crate) fn is_frozen(&self) -> bool {
        (0..LOOKS).all(|look| {
            if look > 0 {
                pause(LOOK);
            }
            self.is_still()
        })
    }

    /// Whether all its threads are in `T`, or in `t` under a tracer, just now.
    fn is_still(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.process.id()));
        let threads: Vec<_> = threads.into_iter().flatten().flatten().collect();
        let is_still = |thread: &fs::DirEntry| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with(['T', 't']))
        };
        !threads.is_empty() && threads.iter().all(is_still)
    }

    /// Waits for its end, which must come in time.
    pub(crate) fn end(self, patience: Duration) -> End {
        let exit = self.process.wait(patience).unwrap();
        let refused = exit.lines.iter().filter(|line| {
            ["superseded", "its lease is lost"].iter().any(|word| line.text.contains(word))
        });
        End { refused: refused.count(), orphans: orphans(&self.mark), exit }
    }
}

/// The tracer runs as a grandchild, so that the process that we know is the service itself.
fn strace(point: Point) -> Launch {
    let Point { calls, number, signal } = point;
    Process::new("strace")
        .args(["-f", "-D", "-qq", "-o", "/dev/null", "-e", "signal=none", "-e"])
        .arg(format!("trace={calls}"))
        .arg("-e")
        .arg(format!("inject={calls}:signal={signal}:when={number}"))
}

/// Whether processes can be ended at a system call here.
pub(crate) fn has_strace() -> bool {
    static HAS: LazyLock<bool> = LazyLock::new(|| {
        let tried = Command::new("strace")
            .args(["-f", "-D", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync"])
            .arg("/bin/true")
            .stderr(Stdio::null())
            .status();
        let has = tried.is_ok_and(|status| status.success());
        if !has {
            not_run("enumerated system calls: no strace, or no right to trace");
        }
        has
    });
    *HAS
}
