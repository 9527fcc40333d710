//! The way to a service: where it is, the token, and errors in the service's own words.

use std::error::Error;
use std::fmt;
use std::io::{BufReader, ErrorKind};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sundown::BoxError;
use ureq::http::header::CONTENT_TYPE;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, BodyReader, Timeout};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How many bytes it may have: a page of tasks with large inputs is long.
const LONGEST: u64 = 1 << 30;

/// How long a stream is listened to before it is taken up anew: whoever is at the other end may be gone
/// without a word.
const STREAM: Duration = Duration::from_secs(300);

/// What was not done, or perhaps not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Trying again would be of no use: whoever answered would answer the same.
    Refused(String),
    /// Nothing was done: nobody was reached, or the service does nothing now.
    Undone(String),
    /// Nobody knows whether it was done.
    Unknown(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Refused(why) | Failure::Undone(why) | Failure::Unknown(why) => {
                f.write_str(why)
            }
        }
    }
}

impl Error for Failure {}

/// An answer as it came, to the last digit.
pub(super) type Answer = Result<Box<RawValue>, Failure>;

/// The lines of a stream of events.
pub(super) type Events = BufReader<BodyReader<'static>>;

/// A refusal, as far as programs need it.
#[derive(Debug, Default, Deserialize)]
struct Problem {
    code: Option<String>,
    detail: Option<String>,
}

pub(super) struct Connection {
    agent: Agent,
    streams: Agent,
    url: String,
    token: Option<String>,
}

impl Connection {
    pub(super) fn new(url: &str, token: Option<String>) -> Result<Self, BoxError> {
        if !url.starts_with("http://") && !url.starts_with("https://") {
            return Err(format!("`{url}` is no URL (http://127.0.0.1:8080, for one)").into());
        }
        // The address is where the service is: whoever stands in between, or sends elsewhere, is not
        // asked.
        let config =
            || Agent::config_builder().http_status_as_error(false).proxy(None).max_redirects(0);
        let agent = config().timeout_global(Some(TIMEOUT)).build().into();
        let streams = config()
            .timeout_connect(Some(TIMEOUT))
            .timeout_recv_response(Some(TIMEOUT))
            .timeout_recv_body(Some(STREAM))
            .build()
            .into();
        Ok(Connection { agent, streams, url: url.trim_end_matches('/').to_owned(), token })
    }

    pub(super) fn get(&self, path: &str) -> Answer {
        let request = self.agent.get(self.at(path));
        self.read(request.header("Authorization", self.bearer()).call())
    }

    pub(super) fn delete(&self, path: &str) -> Answer {
        let request = self.agent.delete(self.at(path));
        self.read(request.header("Authorization", self.bearer()).call())
    }

    /// Asks for something that has no body.
    pub(super) fn wish(&self, path: &str) -> Answer {
        let request = self.agent.post(self.at(path)).header("Authorization", self.bearer());
        self.read(request.send_empty())
    }

    pub(super) fn post<T: Serialize>(&self, path: &str, body: &T) -> Answer {
        let body = serde_json::to_string(body).expect("what came as JSON goes as JSON");
        let request = self.agent.post(self.at(path)).header("Authorization", self.bearer());
        self.read(request.header("Content-Type", "application/json").send(body))
    }

    /// The events of a task from behind this one, for as long as they come.
    pub(super) fn events(&self, id: &str, after: u64) -> Result<Events, Failure> {
        self.events_by(&self.streams, id, after)
    }

    /// The same, for events that are there already.
    pub(super) fn recent_events(&self, id: &str, after: u64) -> Result<Events, Failure> {
        self.events_by(&self.agent, id, after)
    }

    fn events_by(&self, agent: &Agent, id: &str, after: u64) -> Result<Events, Failure> {
        let request = agent.get(self.at(&format!("/tasks/{id}/events")));
        let request = request.header("Authorization", self.bearer());
        let answer = request.header("Last-Event-ID", after.to_string()).call();
        let answer = answer.map_err(|error| self.failed(&error))?;
        if !answer.status().is_success() {
            return self.read(Ok(answer)).and_then(|_| Err(self.stranger("no stream of events")));
        }
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            return Err(self.stranger("no stream of events"));
        }
        Ok(BufReader::new(answer.into_body().into_reader()))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token.as_deref().unwrap_or("none"))
    }

    fn read(&self, answer: Result<Response<Body>, ureq::Error>) -> Answer {
        let mut answer = answer.map_err(|error| self.failed(&error))?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(LONGEST).read_to_string();
        let text = text.map_err(|error| self.failed(&error))?;
        if status == StatusCode::NO_CONTENT {
            return Ok(RawValue::NULL.to_owned());
        }
        if status.is_success() {
            return serde_json::from_str(&text).map_err(|_| self.stranger("no JSON"));
        }
        Err(refusal(status, serde_json::from_str(&text).unwrap_or_default()))
    }

    /// Somebody else answers there.
    fn stranger(&self, what: &str) -> Failure {
        Failure::Refused(format!(
            "{} answers with {what}: that is not the service (--url says where it is)",
            self.url
        ))
    }

    fn failed(&self, error: &ureq::Error) -> Failure {
        let url = &self.url;
        if is_before_it_was_sent(error) {
            return Failure::Undone(format!(
                "cannot reach {url}: {error} (is `sundown serve` running there? --url says where)"
            ));
        }
        Failure::Unknown(format!("no answer from {url}: {error}"))
    }
}

/// An answer that is no success.
fn refusal(status: StatusCode, problem: Problem) -> Failure {
    let hint = if status == 401 { " (set SUNDOWN_WEB_TOKEN)" } else { "" };
    let said = problem.detail.unwrap_or_else(|| format!("the service answered {status}"));
    let said = format!("{said}{hint}");
    match problem.code.as_deref() {
        _ if !status.is_server_error() => Failure::Refused(said),
        Some("shutting_down" | "queue_full") => Failure::Undone(said),
        // A store that did not answer, or somebody in between who had no answer.
        Some(_) | None => Failure::Unknown(said),
    }
}

/// Whether it failed in a way that comes only before anything was sent.
fn is_before_it_was_sent(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() == ErrorKind::ConnectionRefused,
        ureq::Error::Timeout(Timeout::Resolve | Timeout::Connect)
        | ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::BadUri(_)
        | ureq::Error::Http(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_what_was_not_done_and_what_nobody_knows() {
        let failure = |status: u16, code: &str| {
            let code = (!code.is_empty()).then(|| code.to_owned());
            let problem = Problem { code, detail: Some("why".to_owned()) };
            refusal(StatusCode::from_u16(status).unwrap(), problem)
        };
        let why = || "why".to_owned();
        for (status, code, expected) in [
            (422, "unknown_kind", Failure::Refused(why())),
            (404, "no_task", Failure::Refused(why())),
            (302, "", Failure::Refused(why())),
            (503, "shutting_down", Failure::Undone(why())),
            (503, "queue_full", Failure::Undone(why())),
            (503, "store", Failure::Unknown(why())),
            (502, "", Failure::Unknown(why())),
        ] {
            assert_eq!(failure(status, code), expected, "{status} {code}");
        }
        let Failure::Refused(said) = failure(401, "no_token") else { panic!("refused") };
        assert_eq!(said, "why (set SUNDOWN_WEB_TOKEN)");
    }
}
