//! What a trial leaves behind in files. The judge reads these and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::ledger::{Call, Promise, Run, Trouble, calls, promises, runs, troubles};
use crate::stream::Heard;

/// What clients asked for and were told.
pub(crate) const LEDGER: &str = "ledger";
/// What commands wrote of themselves.
pub(crate) const RECORD: &str = "record";
/// What the server wrote that tasks call.
pub(crate) const CALLS: &str = "calls";
/// What was done to the replicas and to the store.
pub(crate) const SIEGE: &str = "siege";
const TASKS: &str = "tasks.json";
const EVENTS: &str = "events.json";

/// A directory that is gone with its owner, unless its test fails: then it can be judged again.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("sundown-torture-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Writes down what the API tells in the end, as it tells it.
    pub(crate) fn keep(&self, last: &LastWord) {
        fs::write(self.0.join(TASKS), serde_json::to_vec_pretty(&last.tasks).unwrap()).unwrap();
        fs::write(self.0.join(EVENTS), serde_json::to_vec_pretty(&last.events).unwrap()).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let path = self.0.display();
            println!("torture: the evidence is kept: cargo xtask torture judge {path}");
        } else {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }
}

/// The final answers of the API.
#[derive(Debug, Default)]
pub(crate) struct LastWord {
    /// Every task.
    pub(crate) tasks: Vec<Value>,
    /// The stream of every task that is over, if it came to its end.
    pub(crate) events: BTreeMap<i64, Vec<Heard>>,
}

/// Everything that is known at the end, all of it from outside.
#[derive(Debug, Default, Clone)]
pub(crate) struct Evidence {
    pub(crate) promises: Vec<Promise>,
    pub(crate) runs: Vec<Run>,
    pub(crate) calls: Vec<Call>,
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) events: BTreeMap<i64, Vec<Told>>,
}

impl Evidence {
    pub(crate) fn read(folder: &Path) -> Self {
        let json = |name| fs::read(folder.join(name)).unwrap();
        let heard: BTreeMap<i64, Vec<Heard>> = serde_json::from_slice(&json(EVENTS)).unwrap();
        let told = |heard: Vec<Heard>| heard.into_iter().map(Told::of).collect();
        Evidence {
            promises: promises(&folder.join(LEDGER)),
            runs: runs(&folder.join(RECORD)),
            calls: calls(&folder.join(CALLS)),
            troubles: troubles(&folder.join(SIEGE)),
            tasks: serde_json::from_slice(&json(TASKS)).unwrap(),
            events: heard.into_iter().map(|(task, heard)| (task, told(heard))).collect(),
        }
    }
}

/// Where a task stands, in the words of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Pending,
    Running,
    Succeeded,
    Failed,
    Cancelled,
    Dead,
}

/// A task as the API shows it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Task {
    #[serde(deserialize_with = "number")]
    pub(crate) id: i64,
    pub(crate) kind: String,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    pub(crate) failures: u32,
    pub(crate) interruptions: u32,
    pub(crate) input: Value,
    pub(crate) output: Option<Value>,
    pub(crate) error: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) last_event: u64,
    #[serde(deserialize_with = "millis")]
    pub(crate) created_at: Duration,
    #[serde(default, deserialize_with = "maybe_millis")]
    pub(crate) started_at: Option<Duration>,
    #[serde(default, deserialize_with = "maybe_millis")]
    pub(crate) ended_at: Option<Duration>,
}

impl Task {
    /// The command it runs, if it does.
    pub(crate) fn command(&self) -> Option<&str> {
        (self.kind == "command").then(|| self.input["command"].as_str())?
    }

    /// The name by which it calls, if it does.
    pub(crate) fn call(&self) -> Option<&str> {
        let url = (self.kind == "http").then(|| self.input["url"].as_str())??;
        url.rsplit_once('/').map(|(_, name)| name)
    }
}

/// An event as a client hears it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) seq: u64,
    pub(crate) name: String,
    pub(crate) at: Duration,
    pub(crate) attempt: u32,
    pub(crate) data: Value,
}

impl Told {
    fn of(heard: Heard) -> Self {
        let told: Value = serde_json::from_str(&heard.data).unwrap();
        Told {
            seq: heard.id.unwrap(),
            name: heard.name,
            at: Duration::from_millis(told["at"].as_u64().unwrap()),
            attempt: u32::try_from(told["attempt"].as_u64().unwrap()).unwrap(),
            data: told["data"].clone(),
        }
    }

    /// Whether its attempt was over with it.
    pub(crate) fn is_end(&self) -> bool {
        self.name == "interrupted" || self.name == "failed"
    }
}

/// Ids are text: not every reader of JSON knows large numbers.
fn number<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
}

fn millis<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u64::deserialize(from).map(Duration::from_millis)
}

fn maybe_millis<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<u64>::deserialize(from)?.map(Duration::from_millis))
}
