//! One instance of the service, with a temporary directory of its own.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::Value;
use sundown_drill::process::{Exit, Launch, Process, Signal};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A directory that is gone with its owner.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sundown-serve-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A service that serves.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) web: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// The binary with these arguments, in an environment that says nothing.
pub(crate) fn sundown(arguments: &str) -> Launch {
    let launch = Process::new(env!("CARGO_BIN_EXE_sundown"))
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("STATE_DIRECTORY", state_directory());
    arguments.split_whitespace().fold(launch, Launch::arg)
}

/// Where tasks are kept when nobody says where: a directory for each process.
pub(crate) fn state_directory() -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("state-{}-{number}", std::process::id());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// Starts it on ports of its own, with `/try` and these flags.
pub(crate) fn start(scratch: &Scratch, flags: &str) -> Service {
    serving(launch(scratch, flags).spawn().unwrap())
}

pub(crate) fn launch(scratch: &Scratch, flags: &str) -> Launch {
    sundown("serve --demo --web-http2 --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0")
        .arg("--temp-directory")
        .arg(scratch.path("tmp"))
        .arg("--store")
        .arg(scratch.path("tasks.db"))
        .args(flags.split_whitespace())
}

/// Waits until it serves, and says where.
pub(crate) fn serving(process: Process) -> Service {
    let line = process.wait_for_line(|line| line.contains("\"message\":\"serving\""), PATIENCE);
    let told: Value = serde_json::from_str(&line.unwrap().text).unwrap();
    let address = |name: &str| told[name].as_str().unwrap().parse().unwrap();
    let (web, admin) = (address("web"), address("admin"));
    Service { process, web, admin }
}

impl Service {
    pub(crate) fn signal(&mut self, signal: Signal) {
        self.process.signal(signal).unwrap();
    }

    /// Waits for its end, and demands this exit code.
    pub(crate) fn ends_with(self, code: i32) -> Exit {
        let exit = self.process.wait(PATIENCE).unwrap();
        assert_eq!(exit.code, Some(code), "{}{}", exit.stdout, exit.stderr);
        exit
    }
}

/// The last word of a service: the line of JSON on its standard output.
pub(crate) fn last_word(exit: &Exit) -> Value {
    serde_json::from_str(exit.stdout.lines().last().unwrap()).unwrap()
}

/// How many files there are below this directory.
pub(crate) fn files_below(path: &Path) -> usize {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| if path.is_dir() { files_below(&path) } else { 1 })
        .sum()
}
