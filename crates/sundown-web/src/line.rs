//! What is being answered, in a line for people: method, path and peer of a request, and its age.

use std::net::SocketAddr;
use std::time::Duration;

use actix_http::Request;
use actix_web::http::Method;
use actix_web::http::uri::PathAndQuery;
use rustix::time::{ClockId, clock_gettime};

/// A path may be long; so much of it is shown.
const LONGEST: usize = 60;

/// A request that is being answered. To make one costs a reference to what the parser has, and a look at
/// a clock that is a few milliseconds coarse.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    method: Method,
    path: Option<PathAndQuery>,
    began: Duration,
}

impl Line {
    pub(crate) fn of(request: &Request) -> Self {
        let head = request.head();
        let path = head.uri.path_and_query().cloned();
        Line { method: head.method.clone(), path, began: now() }
    }

    pub(crate) fn age(&self) -> Duration {
        now().saturating_sub(self.began)
    }

    /// Without the query, which may be a secret.
    pub(crate) fn text(&self, peer: SocketAddr) -> String {
        let path = self.path.as_ref().map_or("*", PathAndQuery::path);
        format!("{} {} from {peer}", short(self.method.as_str()), short(path))
    }
}

/// Printable, and not too long.
fn short(text: &str) -> String {
    let mut short: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

fn now() -> Duration {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_printable_short_and_without_the_query() {
        let mut request = Request::new();
        let path = format!("/{}?token=secret", "a".repeat(200));
        request.head_mut().uri = path.parse().unwrap();
        let line = Line::of(&request).text("10.0.0.7:5123".parse().unwrap());
        assert!(line.starts_with("GET /aaa") && line.ends_with("a… from 10.0.0.7:5123"), "{line}");
        assert!(line.chars().count() < 120 && !line.contains("secret"), "{line}");
        assert_eq!(short("\u{1b}[2J\n"), "\\u{1b}[2J\\n");
    }
}
