//! What clients send: tasks to be, and which tasks they want to see.

use std::future::{Ready, ready};
use std::time::{Duration, SystemTime};

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::http::header::HeaderMap;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Number;
use serde_json::value::RawValue;
use sundown_tasks::{Filter, Request, State};

use super::answer::foreign;
use super::{HEAVIEST_PAGE, LONGEST_PAGE, PAGE};

/// How far away `run_at` may be: beyond that it is a mistake in the unit, and the task would wait for
/// ever.
const FARTHEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Numbers beyond this have no neighbours that are 1 apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A task to be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTask {
    kind: String,
    #[serde(default = "null")]
    input: Box<RawValue>,
    key: Option<String>,
    #[serde(default, deserialize_with = "whole")]
    priority: Option<i16>,
    /// Milliseconds since 1970.
    #[serde(default, deserialize_with = "whole")]
    run_at: Option<u64>,
    #[serde(default, deserialize_with = "whole")]
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
    limit: Option<String>,
}

/// A whole number, however it is written: to JSON Schema, and to many programs, `222.0` is one.
pub(super) fn whole<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<i128>,
    D: Deserializer<'de>,
{
    let Some(number) = Option::<Number>::deserialize(from)? else { return Ok(None) };
    let whole = number.as_i128().or_else(|| {
        let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() <= EXACT)?;
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and below 2^53")]
        Some(float as i128)
    });
    let kind = std::any::type_name::<T>();
    let wrong = || D::Error::custom(format_args!("`{number}` is no {kind}"));
    whole.and_then(|whole| T::try_from(whole).ok()).map(Some).ok_or_else(wrong)
}

fn null() -> Box<RawValue> {
    RawValue::NULL.to_owned()
}

impl NewTask {
    /// `header` is the key in the head of the request.
    pub(super) fn into_request(self, header: Option<&str>) -> Result<Request, String> {
        let mut request = Request::new(self.kind, self.input);
        let key = match (self.key, header) {
            (Some(body), Some(header)) if body != header => {
                return Err("`key` and the header Idempotency-Key differ (send one)".to_owned());
            }
            (Some(key), _) => Some(key),
            (None, header) => header.map(str::to_owned),
        };
        if let Some(key) = key {
            request = request.key(key);
        }
        if let Some(priority) = self.priority {
            request = request.priority(priority);
        }
        if let Some(at) = self.run_at {
            request = request.run_at(due(Duration::from_millis(at))?);
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

/// When a task is due that is so long after 1970.
fn due(after: Duration) -> Result<SystemTime, String> {
    #[expect(clippy::disallowed_methods, reason = "a person or another machine chose the time")]
    let now = SystemTime::now();
    let at = SystemTime::UNIX_EPOCH.checked_add(after);
    let at = at.filter(|at| at.duration_since(now).unwrap_or_default() <= FARTHEST);
    at.ok_or_else(|| "`run_at` is more than ten years away (it is in milliseconds)".to_owned())
}

/// The key in the head of a request.
pub(super) fn key(headers: &HeaderMap) -> Result<Option<&str>, String> {
    let mut keys = headers.get_all("Idempotency-Key");
    match (keys.next(), keys.next()) {
        (None, _) => Ok(None),
        (Some(key), None) => match key.to_str() {
            Ok(key) => Ok(Some(key)),
            Err(_) => Err("the header Idempotency-Key is no text".to_owned()),
        },
        (Some(_), Some(_)) => Err("the header Idempotency-Key came twice (send one)".to_owned()),
    }
}

/// A body that is in UTF-8, as far as its head says.
pub(super) struct Utf8;

impl FromRequest for Utf8 {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // A type that cannot be read is refused for that.
        let kind = request.mime_type().ok().flatten();
        let charset = kind.as_ref().and_then(|kind| kind.get_param("charset"));
        let is_ours = |name: &str| {
            ["utf-8", "utf8", "us-ascii"].iter().any(|ours| name.eq_ignore_ascii_case(ours))
        };
        ready(match charset {
            Some(name) if !is_ours(name.as_str()) => {
                let answer = foreign(name.as_str());
                Err(InternalError::from_response("a foreign charset", answer).into())
            }
            Some(_) | None => Ok(Utf8),
        })
    }
}

/// The state of this name.
pub(super) fn named_state(name: &str) -> Result<State, String> {
    State::named(name).ok_or_else(|| {
        let names: Vec<&str> = State::ALL.iter().map(|state| state.name()).collect();
        format!("`{name}` is no state (there are {})", names.join(", "))
    })
}

impl Listing {
    pub(super) fn into_filter(self) -> Result<Filter, String> {
        let state = self.state.as_deref().map(named_state);
        let before = self.cursor.map(|cursor| {
            cursor.parse().map_err(|_| {
                format!("`{cursor}` is no cursor (send the `next` of the page before)")
            })
        });
        if self.kind.as_ref().is_some_and(|kind| kind.contains('\0')) {
            return Err("no kind has a zero byte in its name".to_owned());
        }
        let limit = match self.limit {
            None => PAGE,
            Some(text) => {
                let limit = text.parse().ok().filter(|limit| (1..=LONGEST_PAGE).contains(limit));
                limit.ok_or_else(|| {
                    format!("`limit` is a number from 1 to {LONGEST_PAGE}, not `{text}`")
                })?
            }
        };
        Ok(Filter {
            state: state.transpose()?,
            kind: self.kind,
            before: before.transpose()?,
            limit,
            bytes: Some(HEAVIEST_PAGE),
        })
    }
}
