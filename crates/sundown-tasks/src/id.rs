//! Names of things: a task, a process, and an attempt of that process at that task.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A task, by the number its store gave it. In JSON and in URLs it is a string of digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub i64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Text that is no task id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no task id (it is a number above 0)")]
pub struct NoTaskId(String);

impl FromStr for TaskId {
    type Err = NoTaskId;

    fn from_str(text: &str) -> Result<Self, NoTaskId> {
        // One way to write each, so that what is compared as text is compared as a number.
        let is_canonical = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|&number| is_canonical && number > 0);
        number.map(TaskId).ok_or_else(|| NoTaskId(text.chars().take(40).collect()))
    }
}

impl Serialize for TaskId {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// One life of one process: never used again, not even by a process of the same name.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Incarnation(pub [u8; 16]);

impl Incarnation {
    /// A new one.
    pub fn random() -> Self {
        Incarnation(std::array::from_fn(|_| fastrand::u8(..)))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One attempt at a task. Attempts of a task are counted up and never reused, so whoever shows the
/// number of an attempt, and is the process that began it, may write; everybody else is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence {
    /// The task.
    pub task: TaskId,
    /// The attempt: 1 is the first.
    pub attempt: u32,
}
