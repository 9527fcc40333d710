//! `sundown __shim`: stands between the service and a command, so that no end of the service leaves a
//! process behind, `kill -9` included.
//!
//! The service holds the other end of the shim's standard input. A byte on it asks for the end of the
//! command: SIGTERM, and after the grace SIGKILL. Its end, which the kernel brings about when the
//! service is gone however it went, is SIGKILL at once. Both go to the whole process group; and as
//! the shim is its subreaper, even those who left the group come back to it, and are ended.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _, stdin};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::thread::{Builder, park_timeout};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, kill_process_group,
    set_child_subreaper, wait, waitid,
};
use rustix::time::{ClockId, clock_gettime};

/// The command could not be started; what the shim wrote to the standard error says why.
pub(crate) const NOT_STARTED: u8 = 125;
/// The lease of the attempt had run out before the command was begun, so it was not.
pub(crate) const TOO_LATE: u8 = 124;
/// Its name on the command line.
pub(crate) const NAME: &str = "__shim";
/// How long it looks for children that do not end although they were killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// When a lease ends that has so much left, as the shim is told.
pub(crate) fn not_after(left: Duration) -> String {
    let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    since_boot().saturating_add(left).to_string()
}

/// Milliseconds by a clock that goes on while processes are frozen.
fn since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec * 1000 + now.tv_nsec / 1_000_000).unwrap_or(0)
}

/// What the shim is told.
struct Told {
    /// Milliseconds since the start of the machine, after which nothing may be begun any more. The
    /// shim looks itself: the service may be frozen between its look and this one.
    not_after: u64,
    grace: Duration,
    stdin: Option<PathBuf>,
    /// Where the service finds the process group, should the shim itself be killed.
    group: PathBuf,
    program: OsString,
    arguments: Vec<OsString>,
}

/// Runs a command to its end, and ends as it did.
pub(crate) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match told(arguments).and_then(|told| supervise(&told)) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            // Whoever reads it may be gone.
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(NOT_STARTED)
        }
    }
}

fn told(mut arguments: impl Iterator<Item = OsString>) -> Result<Told, String> {
    let mut next = |what: &str| arguments.next().ok_or_else(|| format!("the shim needs {what}"));
    let not_after = next("a time in milliseconds")?;
    let not_after = not_after.to_str().and_then(|text| text.parse().ok());
    let not_after = not_after.ok_or("the shim needs a time in milliseconds")?;
    let millis = next("a grace in milliseconds")?;
    let millis = millis.to_str().and_then(|text| text.parse().ok());
    let grace = Duration::from_millis(millis.ok_or("the shim needs a grace in milliseconds")?);
    let group = next("a file for the process group")?.into();
    let stdin = next("a file for the standard input, or nothing")?;
    let stdin = (!stdin.is_empty()).then(|| stdin.into());
    let program = next("a program")?;
    Ok(Told { not_after, grace, stdin, group, program, arguments: arguments.collect() })
}

fn supervise(told: &Told) -> Result<u8, String> {
    set_child_subreaper(Some(rustix::process::getpid()))
        .map_err(|error| format!("cannot become the reaper of the command: {error}"))?;
    let input = match &told.stdin {
        Some(path) => File::open(path)
            .map(Stdio::from)
            .map_err(|error| format!("cannot open the command's input: {error}"))?,
        None => Stdio::null(),
    };
    if since_boot() >= told.not_after {
        return Ok(TOO_LATE);
    }
    let mut child = Command::new(&told.program)
        .args(&told.arguments)
        .stdin(input)
        .process_group(0)
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", told.program.display()))?;
    let group = Pid::from_child(&child);
    let _ = fs::write(&told.group, child.id().to_string());
    let grace = told.grace;
    let listening = Builder::new().spawn(move || listen(group, grace));
    if let Err(error) = listening {
        let _ = kill_process_group(group, Signal::KILL);
        let _ = child.wait();
        return Err(format!("cannot start the shim's thread: {error}"));
    }
    // Seen, and not yet reaped: as long as it is there, its group's number belongs to nobody else.
    let seen = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(group), seen).is_err_and(|error| error == Errno::INTR) {}
    let _ = kill_process_group(group, Signal::KILL);
    let status = child.wait().map_err(|error| format!("cannot wait for the command: {error}"))?;
    end_all();
    let signal = status.signal().map(|signal| 128 + signal);
    let code = status.code().or(signal).unwrap_or(1);
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Waits for what the service says, or for its end.
fn listen(group: Pid, grace: Duration) {
    let mut byte = [0];
    let asked = loop {
        match stdin().read(&mut byte) {
            Ok(count) => break count > 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break false,
        }
    };
    if asked {
        let _ = kill_process_group(group, Signal::TERM);
        // Meanwhile the service may be gone as well.
        let (told, gone) = std::sync::mpsc::sync_channel::<()>(1);
        let watch = Builder::new().spawn(move || {
            while stdin().read(&mut byte).is_ok_and(|count| count > 0) {}
            drop(told);
        });
        if watch.is_ok() {
            let _ = gone.recv_timeout(grace);
        }
    }
    let _ = kill_process_group(group, Signal::KILL);
}

/// Ends and reaps everybody who is left: those who made a session of their own came to the shim when
/// their parents ended.
fn end_all() {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        for child in children() {
            let _ = kill_process(child, Signal::KILL);
        }
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => park_timeout(Duration::from_millis(5)),
            Err(Errno::INTR) => {}
            // There is none.
            Err(_) => return,
        }
    }
}

fn children() -> Vec<Pid> {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    let ids = lists.flat_map(|list| {
        list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<i32>>()
    });
    ids.filter_map(Pid::from_raw).collect()
}
