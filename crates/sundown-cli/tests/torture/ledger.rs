//! The records outside the store: what clients were told, and what commands did.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A task that somebody was promised.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ack {
    pub(crate) task: i64,
    pub(crate) key: String,
}

/// A task that somebody was told is done, with the time since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Done {
    pub(crate) task: i64,
    pub(crate) at: Duration,
}

/// A line that a command wrote.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    pub(crate) step: Step,
    pub(crate) task: i64,
    pub(crate) attempt: u32,
    pub(crate) process: u32,
    pub(crate) at: Duration,
}

/// How far a command was when it wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Start,
    Finish,
}

/// The file of those who ask.
#[derive(Debug)]
pub(crate) struct Ledger(Mutex<File>);

impl Ledger {
    pub(crate) fn create(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        Ledger(Mutex::new(file))
    }

    pub(crate) fn ack(&self, task: i64, key: &str) {
        self.write(&format!("ack {task} {key} {}\n", now().as_nanos()));
    }

    pub(crate) fn done(&self, task: i64) {
        self.write(&format!("done {task} {}\n", now().as_nanos()));
    }

    fn write(&self, line: &str) {
        self.0.lock().unwrap().write_all(line.as_bytes()).unwrap();
    }
}

/// The time as commands tell it, and the store.
#[expect(clippy::disallowed_methods, reason = "it is compared with what other processes wrote")]
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// What the file of those who ask says.
pub(crate) fn promises(path: &Path) -> (Vec<Ack>, Vec<Done>) {
    let (mut acks, mut done) = (Vec::new(), Vec::new());
    for line in fs::read_to_string(path).unwrap().lines() {
        match line.split(' ').collect::<Vec<_>>().as_slice() {
            ["ack", task, key, _at] => {
                acks.push(Ack { task: task.parse().unwrap(), key: (*key).to_owned() });
            }
            ["done", task, at] => {
                done.push(Done { task: task.parse().unwrap(), at: nanos(at) });
            }
            other => panic!("no line of the ledger: {other:?}"),
        }
    }
    (acks, done)
}

/// What the file of the commands says. A command that never ran wrote none.
pub(crate) fn runs(path: &Path) -> Vec<Run> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| run(line).unwrap_or_else(|| panic!("no line of a run: {line}")))
        .collect()
}

fn run(line: &str) -> Option<Run> {
    let mut words = line.split(' ');
    let step = match words.next()? {
        "start" => Step::Start,
        "finish" => Step::Finish,
        _ => return None,
    };
    let run = Run {
        step,
        task: words.next()?.parse().ok()?,
        attempt: words.next()?.parse().ok()?,
        process: words.next()?.parse().ok()?,
        at: nanos(words.next()?),
    };
    words.next().is_none().then_some(run)
}

fn nanos(text: &str) -> Duration {
    Duration::from_nanos(text.parse().unwrap())
}
