//! The last step before a command: it ties its life to the shim's, looks whether the lease still holds
//! and the service still lives, and becomes the command.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Write as _, stdin};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use rustix::time::{ClockId, clock_gettime};

use super::word::Word;

/// When a lease ends that has so much left, as it is handed on.
pub(super) fn not_after(left: Duration) -> String {
    let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    since_boot().saturating_add(left).to_string()
}

/// Milliseconds by a clock that goes on while processes are frozen.
fn since_boot() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    u64::try_from(now.tv_sec * 1000 + now.tv_nsec / 1_000_000).unwrap_or(0)
}

/// Who a process was started by, or who took it in when that one was gone.
fn parent_of(process: u64) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // Behind the name, which may have spaces and brackets in it: the state, and the parent.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// Becomes the command. When it cannot, it says why where its standard input leads to, which the
/// command does not get: it is closed in the same step.
pub(super) fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let report = stdin().as_fd().try_clone_to_owned();
    let word = become_command(arguments);
    if let Ok(report) = report {
        // The shim may be gone.
        let _ = File::from(report).write_all(word.line().as_bytes());
    }
    ExitCode::FAILURE
}

/// Returns only what kept it from that.
fn become_command(mut arguments: impl Iterator<Item = OsString>) -> Word {
    let [Some(shim), Some(not_after), Some(service), Some(input), Some(program)] =
        [(); 5].map(|()| arguments.next())
    else {
        return Word::Failed("the shim says too little".to_owned());
    };
    let number = |text: OsString| text.to_str().and_then(|text| text.parse::<u64>().ok());
    let [Some(shim), Some(not_after), Some(service)] = [shim, not_after, service].map(number)
    else {
        return Word::Failed("the shim says no numbers".to_owned());
    };
    // The shim's main thread has started this process, and ends with the shim.
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return Word::Failed(format!("cannot tie the command to the shim: {error}"));
    }
    // It may have died before that held.
    if getppid().map(Pid::as_raw_pid).is_none_or(|parent| u64::try_from(parent) != Ok(shim)) {
        return Word::Failed("the shim is gone".to_owned());
    }
    let input = match input.is_empty() {
        true => Ok(Stdio::null()),
        false => File::open(&input).map(Stdio::from),
    };
    let input = match input {
        Ok(input) => input,
        Err(error) => return Word::Failed(format!("cannot open the command's input: {error}")),
    };
    // Right before: whoever was frozen until now may have lost the task, and what a service that is gone
    // had begun may be done elsewhere already.
    if since_boot() >= not_after {
        return Word::TooLate;
    }
    if parent_of(shim) != Some(service) {
        return Word::Failed("the service is gone".to_owned());
    }
    let error = Command::new(&program).args(arguments).stdin(input).exec();
    Word::Failed(format!("cannot start {}: {error}", program.display()))
}
