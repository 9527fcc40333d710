//! The kind `http`: asks a server for something, if its address is one of those that the
//! configuration allows.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sundown::BoxError;
use sundown_tasks::{Kind, TaskContext, TaskError};
use ureq::Agent;
use ureq::http::{Method, Request, Response, StatusCode, Uri};

/// How many redirects are followed, each to an address that is allowed.
const REDIRECTS: usize = 5;
/// Headers a task may not set: they belong to the connection, or to us.
const RESERVED: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "idempotency-key", "upgrade"];
/// How a path may leave the one it begins with, depending on who reads it: dots and slashes as they are,
/// encoded, and encoded twice.
const CLIMBING: [&str; 6] = ["..", "\\", "%2e", "%2f", "%5c", "%25"];
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
/// Headers that are for one server, and not for the one it sends us to.
const PRIVATE: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// Where tasks may go, and how long and how much they may take.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    pub(crate) allowed: Vec<Target>,
    pub(crate) timeout: Duration,
    pub(crate) limit: u64,
}

/// An address, and everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    scheme: String,
    host: String,
    port: u16,
    path: String,
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

impl Target {
    /// Reads `https://host:port/path`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|error| format!("`{text}` is no URL: {error}"))?;
        let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return Err(format!("`{text}` begins neither with http:// nor with https://")),
        };
        let authority = uri.authority().ok_or_else(|| format!("`{text}` names no host"))?;
        if authority.as_str().contains('@') {
            return Err(format!("`{text}` holds a name or a password (send a header)"));
        }
        let host = authority.host().to_ascii_lowercase();
        let port = authority.port_u16().unwrap_or(usual);
        Ok(Target { scheme, host, port, path: uri.path().to_owned() })
    }

    /// Whether the other one is here or below, whichever way its path is written.
    fn holds(&self, other: &Target) -> bool {
        let below = other.path.strip_prefix(self.path.trim_end_matches('/'));
        let is_below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let path = other.path.to_ascii_lowercase();
        let climbs = CLIMBING.iter().any(|way| path.contains(way));
        (&self.scheme, &self.host, self.port) == (&other.scheme, &other.host, other.port)
            && is_below
            && !climbs
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}{}", self.scheme, self.host, self.port, self.path)
    }
}

impl Calls {
    /// The kind.
    pub(crate) fn kind(self) -> Kind {
        // One that calls its server for long is cut by the client's own clock.
        Kind::blocking("http", move |input: Input, context| self.call(&input, &context))
    }

    fn call(&self, input: &Input, context: &TaskContext) -> Result<Output, TaskError> {
        let method = METHODS.iter().find(|method| method.as_str() == input.method);
        let method = method.ok_or_else(|| TaskError::permanent(no_method(&input.method)))?;
        let agent: Agent = Agent::config_builder()
            .timeout_global(Some(self.timeout))
            .max_redirects(0)
            .http_status_as_error(false)
            .user_agent(concat!("sundown/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        let mut url = input.url.clone();
        for _ in 0..=REDIRECTS {
            self.check(&url).map_err(TaskError::permanent)?;
            if context.is_cancelled() {
                return Err(TaskError::unfinished());
            }
            let is_elsewhere = origin(&url) != origin(&input.url);
            let request = request(&url, method, input, context, is_elsewhere);
            let mut response = agent.run(request.map_err(TaskError::permanent)?)?;
            let Some(next) = redirect(&url, &response) else {
                return self.judge(&mut response);
            };
            url = next;
        }
        Err(TaskError::permanent(format!("more than {REDIRECTS} redirects")))
    }

    fn check(&self, url: &str) -> Result<(), String> {
        let place = Target::parse(url)?;
        if self.allowed.iter().any(|allowed| allowed.holds(&place)) {
            return Ok(());
        }
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

fn request(
    url: &str,
    method: &Method,
    input: &Input,
    context: &TaskContext,
    is_elsewhere: bool,
) -> Result<Request<String>, BoxError> {
    let mut request = Request::builder().method(method.clone()).uri(url);
    for (name, value) in &input.headers {
        let lower = name.to_ascii_lowercase();
        if RESERVED.contains(&lower.as_str()) {
            return Err(format!("the header `{name}` cannot be set").into());
        }
        if is_elsewhere && PRIVATE.contains(&lower.as_str()) {
            continue;
        }
        request = request.header(name, value);
    }
    // Whoever gets it twice can tell.
    let key = format!("sundown-task-{}", context.task());
    Ok(request.header("Idempotency-Key", key).body(input.body.clone())?)
}

fn no_method(method: &str) -> String {
    let known: Vec<&str> = METHODS.iter().map(Method::as_str).collect();
    format!("`{method}` is no method here (there are {})", known.join(", "))
}

/// Which server it is.
fn origin(url: &str) -> Option<(String, String, u16)> {
    let Target { scheme, host, port, .. } = Target::parse(url).ok()?;
    Some((scheme, host, port))
}

/// Where an answer sends us, if it does.
fn redirect(from: &str, response: &Response<ureq::Body>) -> Option<String> {
    if !matches!(response.status().as_u16(), 307 | 308) {
        return None;
    }
    let to = response.headers().get("location")?.to_str().ok()?;
    if !to.starts_with('/') || to.starts_with("//") {
        return Some(to.to_owned());
    }
    let from: Uri = from.parse().ok()?;
    Some(format!("{}://{}{to}", from.scheme_str()?, from.authority()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_allowed_is_and_everything_below_it() {
        let allowed = ["https://hooks.example.com/in", "http://127.0.0.1:9000"];
        let allowed = allowed.iter().map(|url| Target::parse(url).expect(url)).collect();
        let calls = Calls { allowed, timeout: Duration::from_secs(1), limit: 1 };
        for (url, is_allowed) in [
            ("https://hooks.example.com/in", true),
            ("https://HOOKS.example.com:443/in/a?b=c", true),
            ("http://127.0.0.1:9000/", true),
            ("http://127.0.0.1:9000/x", true),
            ("https://hooks.example.com/inside", false),
            ("https://hooks.example.com/in/../secret", false),
            ("https://hooks.example.com/in/%2E%2e/secret", false),
            ("https://hooks.example.com/in/..%2fsecret", false),
            ("https://hooks.example.com/in/..;/secret", false),
            ("https://hooks.example.com/in/..\\secret", false),
            ("https://hooks.example.com/in/x%5C..%5csecret", false),
            ("https://hooks.example.com/in/%252e%252e/secret", false),
            ("http://hooks.example.com/in", false),
            ("https://hooks.example.com.evil.com/in", false),
            ("https://user@hooks.example.com/in", false),
            ("https://hooks.example.com@evil.com/in", false),
            ("http://127.0.0.1/", false),
            ("http://127.1:9000/", false),
            ("http://169.254.169.254/latest", false),
            ("file:///etc/passwd", false),
            ("not a url", false),
        ] {
            assert_eq!(calls.check(url).is_ok(), is_allowed, "{url}");
        }
    }
}
