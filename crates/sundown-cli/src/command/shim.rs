//! `sundown __shim`: stands between the service and a command, so that no end of the service leaves a
//! process behind, `kill -9` included.
//!
//! The shim's standard input is a socket, whose other end the service holds. What the service says is a
//! byte: it asks for the end of the command, SIGTERM, and after the grace SIGKILL. The end of the
//! socket, which the kernel brings about when the service is gone however it went, is SIGKILL at once.
//! Both go to the whole process group; and as the shim is its subreaper, even those who left the group
//! come back to it, and are ended. What the shim says are [words](Word).
//!
//! Should the shim be stopped, the end of the service wakes it up. Should it be killed, the command dies
//! with it, and the service ends the rest.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, PipeReader, Read as _, Write as _, stdin};
use std::os::fd::AsFd as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitCode};
use std::thread::{Builder, park_timeout};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, getpid, kill_process, kill_process_group,
    set_child_subreaper, set_parent_process_death_signal, wait, waitid,
};

use super::begin;
use super::word::{self, Word};

/// Its name on the command line.
pub(crate) const NAME: &str = "__shim";
/// What it is to do there: watch over a command, or become one.
pub(super) const WATCH: &str = "watch";
const BEGIN: &str = "begin";
/// How long it looks for children that do not end although they were killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// Runs a command to its end, and tells of it.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let what = arguments.next().unwrap_or_default();
    if what == BEGIN {
        return begin::run(arguments);
    }
    if what != WATCH {
        return ExitCode::FAILURE;
    }
    let word = supervise(arguments).unwrap_or_else(Word::Failed);
    match say(&word) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Only the service hears it: the command's standard input is another one.
fn say(word: &Word) -> io::Result<()> {
    let service = stdin().as_fd().try_clone_to_owned()?;
    File::from(service).write_all(word.line().as_bytes())
}

fn supervise(mut told: impl Iterator<Item = OsString>) -> Result<Word, String> {
    set_child_subreaper(Some(getpid()))
        .map_err(|error| format!("cannot become the reaper of the command: {error}"))?;
    // It also comes when a thread of the service ends, and changes nothing then.
    set_parent_process_death_signal(Some(Signal::CONT))
        .map_err(|error| format!("cannot be tied to the service: {error}"))?;
    let grace = told.next().and_then(|millis| millis.to_str()?.parse().ok());
    let grace = Duration::from_millis(grace.ok_or("the shim needs a grace in milliseconds")?);
    let (mut child, mut begins) =
        begin(told).map_err(|error| format!("cannot start a process: {error}"))?;
    let group = Pid::from_child(&child);
    let listening = Builder::new().spawn(move || listen(group, grace));
    let kept_from_it = match listening {
        Ok(_) => kept_from_it(&mut begins),
        Err(error) => Some(Word::Failed(format!("cannot start the shim's thread: {error}"))),
    };
    match kept_from_it {
        // Whoever does not hear it any more is gone, and that is the end of the command, too.
        None => drop(say(&Word::Begun(group))),
        Some(_) => drop(kill_process_group(group, Signal::KILL)),
    }
    // Seen, and not yet reaped: as long as it is there, its group's number belongs to nobody else.
    let seen = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    while waitid(WaitId::Pid(group), seen).is_err_and(|error| error == Errno::INTR) {}
    let _ = kill_process_group(group, Signal::KILL);
    let status =
        child.wait().expect("it is there until it is waited for, and was seen to have ended");
    end_all();
    let signal = status.signal().map(|signal| 128 + signal);
    let code = status.code().or(signal).unwrap_or(1);
    Ok(kept_from_it.unwrap_or(Word::Ended(code)))
}

/// Starts a process that becomes the command, with a pipe that ends when it has.
fn begin(told: impl Iterator<Item = OsString>) -> io::Result<(Child, PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let child = Command::new("/proc/self/exe")
        .arg0("sundown")
        .args([NAME, BEGIN, &std::process::id().to_string()])
        .args(told)
        .stdin(writer)
        .process_group(0)
        .spawn()?;
    Ok((child, reader))
}

/// Waits until the command has begun, or for what kept it from that.
fn kept_from_it(begins: &mut PipeReader) -> Option<Word> {
    let mut line = String::new();
    match begins.take(word::LONGEST).read_to_string(&mut line) {
        Ok(0) => None,
        Ok(_) => match Word::parse(&line) {
            Some(word @ (Word::TooLate | Word::Failed(_))) => Some(word),
            Some(Word::Begun(_) | Word::Ended(_)) | None => Some(Word::Failed(line)),
        },
        Err(error) => Some(Word::Failed(format!("cannot see whether it began: {error}"))),
    }
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
