//! What clients send: tasks to be, and which tasks they want to see.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::value::RawValue;
use sundown_tasks::{Filter, Request, State};

use super::{HEAVIEST_PAGE, LONGEST_PAGE, PAGE};

/// A task to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTask {
    kind: String,
    #[serde(default = "null")]
    input: Box<RawValue>,
    key: Option<String>,
    priority: Option<i16>,
    /// Milliseconds since 1970.
    run_at: Option<u64>,
    max_attempts: Option<u32>,
}

/// Several of them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    pub(super) tasks: Vec<NewTask>,
}

/// Which tasks to show.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Listing {
    state: Option<String>,
    kind: Option<String>,
    cursor: Option<String>,
    limit: Option<usize>,
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

impl NewTask {
    /// `header` is the key in the head of the request: none, or one that may be no text.
    pub(super) fn into_request(self, header: Option<Option<&str>>) -> Result<Request, String> {
        let mut request = Request::new(self.kind, self.input);
        let key = match (self.key, header) {
            (_, Some(None)) => return Err("the header Idempotency-Key is no text".to_owned()),
            (Some(body), Some(Some(header))) if body != header => {
                return Err("`key` and the header Idempotency-Key differ (send one)".to_owned());
            }
            (Some(key), _) => Some(key),
            (None, Some(Some(header))) => Some(header.to_owned()),
            (None, None) => None,
        };
        if let Some(key) = key {
            request = request.key(key);
        }
        if let Some(priority) = self.priority {
            request = request.priority(priority);
        }
        if let Some(at) = self.run_at {
            let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(at));
            request = request.run_at(at.ok_or("`run_at` is too far away")?);
        }
        if let Some(count) = self.max_attempts {
            if count == 0 {
                return Err("`max_attempts` is at least 1".to_owned());
            }
            request = request.attempts(count);
        }
        Ok(request)
    }
}

impl Listing {
    pub(super) fn into_filter(self) -> Result<Filter, String> {
        let state = self.state.map(|name| {
            let names: Vec<&str> = State::ALL.iter().map(|state| state.name()).collect();
            State::named(&name)
                .ok_or_else(|| format!("`{name}` is no state (there are {})", names.join(", ")))
        });
        let before = self.cursor.map(|cursor| {
            cursor.parse().map_err(|_| {
                format!("`{cursor}` is no cursor (send the `next` of the page before)")
            })
        });
        if self.kind.as_ref().is_some_and(|kind| kind.contains('\0')) {
            return Err("no kind has a zero byte in its name".to_owned());
        }
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=LONGEST_PAGE).contains(&limit) {
            return Err(format!("a page has 1 to {LONGEST_PAGE} tasks, not {limit}"));
        }
        Ok(Filter {
            state: state.transpose()?,
            kind: self.kind,
            before: before.transpose()?,
            limit,
            bytes: Some(HEAVIEST_PAGE),
        })
    }
}
