//! The kind `http`: asks a server for something, if its address is one of those that the
//! configuration allows.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod redirect;
mod target;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sundown_tasks::{Kind, TaskContext, TaskError};
use ureq::Agent;
use ureq::http::header::{HeaderMap, HeaderName, HeaderValue};
use ureq::http::{Method, Request, Response, StatusCode};

pub(crate) use self::target::Target;

/// How many redirects are followed, each to an address that is allowed.
const REDIRECTS: usize = 5;
/// Headers a task may not set: they belong to the connection, or to us.
const RESERVED: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "idempotency-key", "upgrade"];
/// Headers that go along to another server than the one they were meant for: which of the others are
/// secrets nobody can tell.
const FOR_ANYBODY: [&str; 4] = ["accept", "accept-language", "content-type", "user-agent"];
/// What a task may ask for.
const METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// Where tasks may go, and how long and how much they may take.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    pub(crate) allowed: Vec<Target>,
    pub(crate) timeout: Duration,
    pub(crate) limit: u64,
}

/// What a task sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Input {
    url: String,
    #[serde(default = "post")]
    method: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
}

fn post() -> String {
    "POST".to_owned()
}

/// What came of it.
#[derive(Debug, Serialize)]
struct Output {
    status: u16,
    body: String,
    /// Whether more came than was kept.
    is_truncated: bool,
}

impl Calls {
    /// The kind. Its routes are the servers that are allowed.
    pub(crate) fn kind(self) -> Kind {
        let here = self.clone();
        let origins: Vec<String> = self.allowed.iter().map(Target::origin).collect();
        // One that calls its server for long is cut by the client's own clock.
        Kind::blocking("http", move |input: Input, context| self.call(&input, &context))
            .checking(check)
            .running_here(move |input: &Input| here.allows(&input.url).map(drop))
            // Replicas may allow different servers. That the URL can be read was checked before.
            .routed(origins, |input: &Input| {
                Target::of(&input.url).map(|target| target.origin()).unwrap_or_default()
            })
    }

    fn call(&self, input: &Input, context: &TaskContext) -> Result<Output, TaskError> {
        let method = method(&input.method).map_err(TaskError::permanent)?;
        let mut headers = headers(&input.headers).map_err(TaskError::permanent)?;
        // Whoever gets it twice can tell.
        let key = HeaderValue::try_from(context.unique_name())?;
        let deadline = Instant::now() + self.timeout;
        let first = self.allows(&input.url).map_err(TaskError::permanent)?;
        let mut url = input.url.clone();
        for _ in 0..=REDIRECTS {
            let place = self.allows(&url).map_err(TaskError::permanent)?;
            if context.is_cancelled() {
                return Err(TaskError::unfinished());
            }
            if !place.is_same_server(&first) {
                // It stays so: whoever sends us back has seen to it that we come.
                headers = for_anybody(headers);
            }
            let mut request = Request::builder().method(method.clone()).uri(&url);
            for (name, value) in &headers {
                request = request.header(name, value);
            }
            let request = request.header("Idempotency-Key", &key).body(input.body.clone())?;
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("timeout: no answer within {:?}", self.timeout).into());
            }
            let mut response = agent(left).run(request)?;
            let Some(next) = redirect::next(&url, &response) else {
                return self.judge(&mut response);
            };
            url = next;
        }
        Err(TaskError::permanent(format!("more than {REDIRECTS} redirects")))
    }

    /// Where it leads, if it may be asked for.
    fn allows(&self, url: &str) -> Result<Target, String> {
        let place = Target::of(url)?;
        if self.allowed.iter().any(|allowed| allowed.holds(&place)) {
            return Ok(place);
        }
        let url = target::printable(url);
        Err(format!("`{url}` is not allowed (the configuration's `http.allow` says what is)"))
    }

    /// Success, worth another try, or never.
    fn judge(&self, response: &mut Response<ureq::Body>) -> Result<Output, TaskError> {
        let status = response.status();
        let (limit, mut body) = (usize::try_from(self.limit).unwrap_or(usize::MAX), Vec::new());
        // One byte more tells that there was more.
        let wanted = self.limit.saturating_add(1);
        response.body_mut().as_reader().take(wanted).read_to_end(&mut body)?;
        let is_truncated = body.len() > limit;
        body.truncate(limit);
        let body = String::from_utf8_lossy(&body).into_owned();
        if status.is_success() {
            return Ok(Output { status: status.as_u16(), body, is_truncated });
        }
        let begin: String = body.chars().take(200).collect();
        let error = format!("the server answered {status}: {begin}");
        let again =
            [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
        if status.is_server_error() || again.contains(&status) {
            return Err(error.into());
        }
        Err(TaskError::permanent(error))
    }
}

/// One for a single request: there is no proxy in between, whatever the environment says, and no redirect
/// is followed that nobody has looked at.
fn agent(timeout: Duration) -> Agent {
    Agent::config_builder()
        .timeout_global(Some(timeout))
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(concat!("sundown/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// What no process accepts, whatever it allows.
fn check(input: &Input) -> Result<(), String> {
    method(&input.method)?;
    headers(&input.headers)?;
    Target::of(&input.url).map(drop)
}

fn method(name: &str) -> Result<&'static Method, String> {
    METHODS.iter().find(|method| method.as_str() == name).ok_or_else(|| {
        let known: Vec<&str> = METHODS.iter().map(Method::as_str).collect();
        format!("`{name}` is no method here (there are {})", known.join(", "))
    })
}

fn headers(told: &BTreeMap<String, String>) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in told {
        let parsed: HeaderName = name.parse().map_err(|_| format!("`{name}` is no header"))?;
        if RESERVED.contains(&parsed.as_str()) {
            return Err(format!("the header `{name}` cannot be set"));
        }
        let value = HeaderValue::try_from(value)
            .map_err(|_| format!("the header `{name}` cannot have this value"))?;
        headers.append(parsed, value);
    }
    Ok(headers)
}

fn for_anybody(mut headers: HeaderMap) -> HeaderMap {
    let names: Vec<HeaderName> = headers.keys().cloned().collect();
    for name in names.iter().filter(|name| !FOR_ANYBODY.contains(&name.as_str())) {
        headers.remove(name);
    }
    headers
}
