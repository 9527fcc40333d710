//! The records outside the store: what clients asked for and were told, what commands did, and what
//! was done to replicas and stores.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long a signal may be on its way to whom it is meant for, on a busy machine; and how long those
/// who come back from trouble may need to see what became of their attempts.
pub(crate) const SLACK: Duration = Duration::from_secs(3);

/// What a client asked for or was told, with the time since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Promise {
    /// This task is kept, under this key.
    Ack { task: i64, key: String },
    /// It is over, or was when its end was asked for.
    Done { task: i64, at: Duration },
    /// These are asked for in one step.
    Batch { keys: Vec<String> },
    /// It is asked for, and may not begin before this time.
    Later { key: String, not_before: Duration },
    /// Its end is asked for.
    Wish { task: i64 },
    /// It waited, and is cancelled.
    Cancelled { task: i64, at: Duration },
    /// It runs, and is told to stop.
    Stopping { task: i64, at: Duration },
}

/// A line that a command wrote.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    pub(crate) step: Step,
    pub(crate) task: i64,
    pub(crate) attempt: u32,
    pub(crate) at: Duration,
    /// The life of the replica that ran it.
    pub(crate) life: String,
    /// How far an attempt before it had come, as it was told.
    pub(crate) checkpoint: u64,
}

/// How far a command was when it wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Start,
    /// It is about to fail, as it was meant to.
    Fail,
    Finish,
}

/// A call that a server was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// The last part of its address: each task has one of its own.
    pub(crate) name: String,
    /// Its `Idempotency-Key`.
    pub(crate) key: String,
    pub(crate) at: Duration,
}

/// Something that was done to a replica or to a store.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Trouble {
    /// It is told to end, or is about to be killed.
    Told { life: String, at: Duration },
    /// It is gone.
    Ended { life: String, at: Duration },
    /// It could do nothing at all.
    Frozen { life: String, from: Duration, to: Duration },
    /// Nobody could use the store, or it answered only after long.
    Store { from: Duration, to: Duration },
    /// A command was there when the service that ran it was not.
    Orphan { process: u32 },
}

/// A file to which everybody adds lines.
#[derive(Debug)]
pub(crate) struct Ledger(Mutex<File>);

impl Ledger {
    pub(crate) fn create(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        Ledger(Mutex::new(file))
    }

    pub(crate) fn promise(&self, promise: &Promise) {
        self.write(promise);
    }

    pub(crate) fn trouble(&self, trouble: &Trouble) {
        self.write(trouble);
    }

    pub(crate) fn call(&self, call: &Call) {
        self.write(call);
    }

    fn write(&self, line: &dyn fmt::Display) {
        self.0.lock().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Promise::Ack { task, key } => write!(f, "ack {task} {key}"),
            Promise::Done { task, at } => write!(f, "done {task} {}", at.as_nanos()),
            Promise::Batch { keys } => write!(f, "batch {}", keys.join(",")),
            Promise::Later { key, not_before } => {
                write!(f, "later {key} {}", not_before.as_nanos())
            }
            Promise::Wish { task } => write!(f, "wish {task}"),
            Promise::Cancelled { task, at } => write!(f, "cancelled {task} {}", at.as_nanos()),
            Promise::Stopping { task, at } => write!(f, "stopping {task} {}", at.as_nanos()),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "call {} {} {}", self.name, self.key, self.at.as_nanos())
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Told { life, at } => write!(f, "told {life} {}", at.as_nanos()),
            Trouble::Ended { life, at } => write!(f, "ended {life} {}", at.as_nanos()),
            Trouble::Frozen { life, from, to } => {
                write!(f, "frozen {life} {} {}", from.as_nanos(), to.as_nanos())
            }
            Trouble::Store { from, to } => {
                write!(f, "store {} {}", from.as_nanos(), to.as_nanos())
            }
            Trouble::Orphan { process } => write!(f, "orphan {process}"),
        }
    }
}

/// The time as commands tell it, and the store.
#[expect(clippy::disallowed_methods, reason = "it is compared with what other processes wrote")]
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// What the file of those who ask says.
pub(crate) fn promises(path: &Path) -> Vec<Promise> {
    lines(path, |words| {
        Some(match *words {
            ["ack", task, key] => Promise::Ack { task: read(task)?, key: key.to_owned() },
            ["done", task, at] => Promise::Done { task: read(task)?, at: nanos(at)? },
            ["batch", keys] => {
                Promise::Batch { keys: keys.split(',').map(str::to_owned).collect() }
            }
            ["later", key, at] => Promise::Later { key: key.to_owned(), not_before: nanos(at)? },
            ["wish", task] => Promise::Wish { task: read(task)? },
            ["cancelled", task, at] => Promise::Cancelled { task: read(task)?, at: nanos(at)? },
            ["stopping", task, at] => Promise::Stopping { task: read(task)?, at: nanos(at)? },
            _ => return None,
        })
    })
}

/// What the file of the siege says.
pub(crate) fn troubles(path: &Path) -> Vec<Trouble> {
    lines(path, |words| {
        let life = |life: &str| life.to_owned();
        Some(match *words {
            ["told", name, at] => Trouble::Told { life: life(name), at: nanos(at)? },
            ["ended", name, at] => Trouble::Ended { life: life(name), at: nanos(at)? },
            ["frozen", name, from, to] => {
                Trouble::Frozen { life: life(name), from: nanos(from)?, to: nanos(to)? }
            }
            ["store", from, to] => Trouble::Store { from: nanos(from)?, to: nanos(to)? },
            ["orphan", process] => Trouble::Orphan { process: read(process)? },
            _ => return None,
        })
    })
}

/// What the file of the commands says.
pub(crate) fn runs(path: &Path) -> Vec<Run> {
    lines(path, |words| {
        let [step, task, attempt, at, life, checkpoint] = *words else { return None };
        let step = match step {
            "start" => Step::Start,
            "fail" => Step::Fail,
            "finish" => Step::Finish,
            _ => return None,
        };
        Some(Run {
            step,
            task: read(task)?,
            attempt: read(attempt)?,
            at: nanos(at)?,
            life: life.to_owned(),
            checkpoint: read(checkpoint)?,
        })
    })
}

/// What the file of the server says that is called.
pub(crate) fn calls(path: &Path) -> Vec<Call> {
    lines(path, |words| {
        let ["call", name, key, at] = *words else { return None };
        Some(Call { name: name.to_owned(), key: key.to_owned(), at: nanos(at)? })
    })
}

/// Whoever had nothing to say made no file.
fn lines<T>(path: &Path, read: impl Fn(&[&str]) -> Option<T>) -> Vec<T> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        read(&words).unwrap_or_else(|| panic!("no line of {}: {line}", path.display()))
    };
    text.lines().map(line).collect()
}

fn read<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

fn nanos(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_nanos)
}
