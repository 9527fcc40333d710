//! The way to a service: where it is, the token, and errors in the service's own words.

use std::error::Error;
use std::fmt;
use std::io::BufReader;
use std::time::Duration;

use serde_json::Value;
use sundown::BoxError;
use ureq::http::Response;
use ureq::{Agent, Body, BodyReader};

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How many bytes it may have: a page of tasks with large inputs is long.
const LONGEST: u64 = 1 << 30;

/// How long a stream is listened to before it is taken up anew: whoever is at the other end may be gone
/// without a word.
const STREAM: Duration = Duration::from_secs(300);

/// Trying again would be of no use: the service has answered, and would answer the same.
#[derive(Debug)]
pub(super) struct Refused(pub(super) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Refused {}

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
        let config = || Agent::config_builder().http_status_as_error(false);
        let agent = config().timeout_global(Some(TIMEOUT)).build().into();
        let streams = config()
            .timeout_connect(Some(TIMEOUT))
            .timeout_recv_response(Some(TIMEOUT))
            .timeout_recv_body(Some(STREAM))
            .build()
            .into();
        Ok(Connection { agent, streams, url: url.trim_end_matches('/').to_owned(), token })
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, BoxError> {
        let request = self.agent.get(self.at(path));
        self.read(request.header("Authorization", self.bearer()).call())
    }

    pub(super) fn delete(&self, path: &str) -> Result<Value, BoxError> {
        let request = self.agent.delete(self.at(path));
        self.read(request.header("Authorization", self.bearer()).call())
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, BoxError> {
        let request = self.agent.post(self.at(path)).header("Authorization", self.bearer());
        if body.is_null() {
            return self.read(request.send_empty());
        }
        let request = request.header("Content-Type", "application/json");
        self.read(request.send(body.to_string()))
    }

    /// The events of a task from behind this one.
    pub(super) fn events(
        &self,
        id: &str,
        after: u64,
    ) -> Result<BufReader<BodyReader<'static>>, BoxError> {
        let request = self.streams.get(self.at(&format!("/tasks/{id}/events")));
        let request = request.header("Authorization", self.bearer());
        let answer = request.header("Last-Event-ID", after.to_string()).call();
        let answer = answer.map_err(|error| self.unreachable(&error))?;
        if answer.status().is_success() {
            return Ok(BufReader::new(answer.into_body().into_reader()));
        }
        self.read(Ok(answer)).and(Err("the events were refused".into()))
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token.as_deref().unwrap_or("none"))
    }

    fn read(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Value, BoxError> {
        let mut answer = answer.map_err(|error| self.unreachable(&error))?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(LONGEST).read_to_string()?;
        let value: Value = serde_json::from_str(&text).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let detail = value["detail"].as_str().map(str::to_owned);
        let hint = if status == 401 { " (set SUNDOWN_WEB_TOKEN)" } else { "" };
        let said = detail.unwrap_or_else(|| format!("the service answered {status}"));
        let said = format!("{said}{hint}");
        Err(if status.is_client_error() { Refused(said).into() } else { said.into() })
    }

    fn unreachable(&self, error: &ureq::Error) -> BoxError {
        format!(
            "cannot reach {}: {error} (is `sundown serve` running there? --url says where)",
            self.url
        )
        .into()
    }
}
