//! Taking tasks in: what is asked for, what is answered, what is refused.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use thiserror::Error;

use crate::kind::Kinds;
use crate::store::{Enqueued, NewTask, StoreError};
use crate::{Task, TaskId, UnixMillis, metrics};

/// The longest key.
const KEY: usize = 200;

/// A task that somebody wants.
#[derive(Debug, Clone)]
#[must_use = "it is wanted only once it is handed in"]
pub struct Request {
    pub(crate) kind: String,
    pub(crate) input: Box<RawValue>,
    pub(crate) key: Option<String>,
    pub(crate) priority: i16,
    pub(crate) run_at: Option<UnixMillis>,
    pub(crate) max_attempts: Option<u32>,
}

impl Request {
    /// A task of this type.
    ///
    /// # Errors
    ///
    /// An input that JSON cannot say.
    pub fn of<T: Task>(input: &T::Input) -> Result<Self, serde_json::Error> {
        Ok(Request::new(T::KIND, to_raw_value(input)?))
    }

    /// A task of the kind of this name.
    pub fn new(kind: impl Into<String>, input: Box<RawValue>) -> Self {
        let kind = kind.into();
        Request { kind, input, key: None, priority: 0, run_at: None, max_attempts: None }
    }

    /// Whoever asks again with the same key gets the same task, however often: for clients that
    /// cannot know whether they were heard.
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The higher, the sooner; by default 0.
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// Not before then.
    pub fn run_at(mut self, at: SystemTime) -> Self {
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.run_at = Some(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
        self
    }

    /// How many attempts may fail; by default what its kind says.
    pub fn attempts(mut self, count: u32) -> Self {
        self.max_attempts = Some(count.max(1));
        self
    }

    /// What the store is to keep.
    pub(crate) fn check(self, kinds: &Kinds) -> Result<NewTask, Refused> {
        let Some(kind) = kinds.get(&self.kind) else {
            return Err(Refused::UnknownKind { kind: self.kind, known: kinds.names() });
        };
        let route = kind
            .accepts(&self.input)
            .and_then(|()| kind.route_of(&self.input))
            .map_err(|why| Refused::InvalidInput { kind: self.kind.clone(), why })?;
        let is_fit = |key: &String| {
            !key.is_empty() && key.len() <= KEY && !key.contains(|c: char| c.is_control())
        };
        if self.key.as_ref().is_some_and(|key| !is_fit(key)) {
            return Err(Refused::BadKey);
        }
        Ok(NewTask {
            max_attempts: self.max_attempts.unwrap_or(kind.max_attempts),
            max_interruptions: kind.max_interruptions,
            route,
            kind: self.kind,
            input: self.input,
            key: self.key,
            priority: self.priority,
            run_at: self.run_at,
        })
    }
}

/// A task that was taken in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Started {
    /// Its id.
    pub id: TaskId,
    /// Where its events are.
    pub stream_url: String,
    /// Whether it was taken in now, and not before under the same key.
    pub is_new: bool,
}

/// Why a task was not taken in.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Refused {
    /// The service stops.
    #[error("service is shutting down")]
    ShuttingDown,
    /// Too many wait.
    #[error("the queue is full: {limit} tasks wait already (come back later)")]
    QueueFull {
        /// How many may.
        limit: u64,
    },
    /// There is no such kind here.
    #[error("there is no kind `{kind}` (there are: {known})")]
    UnknownKind {
        /// What was asked for.
        kind: String,
        /// What there is.
        known: String,
    },
    /// The kind cannot begin with this.
    #[error("the input is none for a task of the kind `{kind}`: {why}")]
    InvalidInput {
        /// The kind.
        kind: String,
        /// Why not.
        why: String,
    },
    /// A key that cannot be kept.
    #[error("a key has 1 to {KEY} bytes, and no control characters")]
    BadKey,
    /// The key was used for something else.
    #[error("the key belongs to task {task} of another kind or with another input (use a new key)")]
    KeyTaken {
        /// Which.
        task: TaskId,
    },
    /// The store did not take it, or nobody knows whether it did: with a key it is safe to ask again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refused {
    /// In one word, for metrics and for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Refused::ShuttingDown => "shutting_down",
            Refused::QueueFull { .. } => "queue_full",
            Refused::UnknownKind { .. } => "unknown_kind",
            Refused::InvalidInput { .. } => "invalid_input",
            Refused::BadKey => "bad_key",
            Refused::KeyTaken { .. } => "key_taken",
            Refused::Store(_) => "store",
        }
    }

    pub(crate) fn count(self) -> Self {
        metrics::refused(self.name());
        self
    }
}

/// Nobody knows of so many whether the store took them.
pub(crate) fn lost(error: StoreError, count: usize) -> StoreError {
    for _ in 0..count {
        metrics::refused(Refused::Store(error.clone()).name());
    }
    error
}

/// What the store's answer means to whoever asked.
pub(crate) fn answer(enqueued: Enqueued, urls: &str, limit: u64) -> Result<Started, Refused> {
    let started = |id: TaskId, is_new| {
        let stream_url = format!("{urls}/{id}/events");
        Ok(Started { id, stream_url, is_new })
    };
    match enqueued {
        Enqueued::New(id) => started(id, true),
        Enqueued::Known(id) => started(id, false),
        Enqueued::KeyTaken(task) => Err(Refused::KeyTaken { task }),
        Enqueued::Full => Err(Refused::QueueFull { limit }),
    }
}
