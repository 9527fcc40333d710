//! Addresses: of those that are allowed, and of those that are asked for.

use std::fmt;
use std::net::Ipv6Addr;

use ureq::http::Uri;

/// How a path may leave the one it begins with, depending on who reads it: dots and slashes as they are,
/// encoded, and encoded twice.
const CLIMBING: [&str; 6] = ["..", "\\", "%2e", "%2f", "%5c", "%25"];

/// An address, and everything below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    scheme: String,
    host: String,
    port: u16,
    path: String,
}

impl Target {
    /// Reads `https://host:port/path` as it is allowed. What could never be asked for is refused.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let target = Target::of(text)?;
        let wrong = |why: &str| Err(format!("`{}` {why}", printable(text)));
        if text.contains(['?', '#']) {
            return wrong("has a query or a fragment (allow the path; queries are free)");
        }
        if target.climbs() {
            return wrong(
                "has a path that could climb, which is never asked for (write it plainly)",
            );
        }
        if target.host.contains('*') {
            return wrong("has a wildcard, and there are none (name each host)");
        }
        if !is_host(&target.host) {
            return wrong("has a host that cannot be one");
        }
        Ok(target)
    }

    /// Where a URL leads.
    pub(super) fn of(text: &str) -> Result<Self, String> {
        let shown = printable(text);
        let uri: Uri = text.parse().map_err(|error| format!("`{shown}` is no URL: {error}"))?;
        let scheme = uri.scheme_str().unwrap_or_default().to_ascii_lowercase();
        let usual = match scheme.as_str() {
            "http" => 80,
            "https" => 443,
            _ => return Err(format!("`{shown}` begins neither with http:// nor with https://")),
        };
        let authority = uri.authority().ok_or_else(|| format!("`{shown}` names no host"))?;
        if authority.as_str().contains('@') {
            return Err(format!("`{shown}` holds a name or a password (send a header)"));
        }
        let host = authority.host().to_ascii_lowercase();
        let port = match authority.as_str().get(host.len()..).unwrap_or_default() {
            "" | ":" => usual,
            port => match port.strip_prefix(':').and_then(|port| port.parse().ok()) {
                Some(port @ 1..) => port,
                Some(0) | None => return Err(format!("`{shown}` has no port from 1 to 65535")),
            },
        };
        Ok(Target { scheme, host, port, path: uri.path().to_owned() })
    }

    /// Whether the other one is here or below, whichever way its path is written.
    pub(super) fn holds(&self, other: &Target) -> bool {
        let below = other.path.strip_prefix(self.path.trim_end_matches('/'));
        let is_below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.is_same_server(other) && is_below && !other.climbs()
    }

    pub(super) fn is_same_server(&self, other: &Target) -> bool {
        (&self.scheme, &self.host, self.port) == (&other.scheme, &other.host, other.port)
    }

    /// The server, written in one way only.
    pub(super) fn origin(&self) -> String {
        format!("{}://{}:{}", self.scheme, self.host, self.port)
    }

    fn climbs(&self) -> bool {
        let path = self.path.to_ascii_lowercase();
        CLIMBING.iter().any(|way| path.contains(way))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.path)
    }
}

/// The most characters of an address that a message shows.
const SHOWN: usize = 200;

/// An address as a message shows it: bounded, and without control characters.
pub(super) fn printable(text: &str) -> String {
    let plain = text.chars().take(SHOWN).map(|c| if c.is_control() { '\u{fffd}' } else { c });
    let more = if text.chars().nth(SHOWN).is_some() { "…" } else { "" };
    plain.collect::<String>() + more
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address.strip_suffix(']').is_some_and(|text| text.parse::<Ipv6Addr>().is_ok());
    }
    let is_label = |label: &str| {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !label.is_empty() && label.len() <= 63 && label.chars().all(fits)
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_allowed_is_and_everything_below_it() {
        let allowed = ["https://hooks.example.com/in", "http://127.0.0.1:9000"];
        let allowed = allowed.map(|url| Target::parse(url).expect(url));
        let is_held = |url: &str| {
            Target::of(url).is_ok_and(|place| allowed.iter().any(|allowed| allowed.holds(&place)))
        };
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
            ("http://127.0.0.1:99999/", false),
            ("http://127.0.0.1:09000/", true),
        ] {
            assert_eq!(is_held(url), is_allowed, "{url}");
        }
    }

    #[test]
    fn an_origin_is_written_in_one_way_only() {
        for (url, origin) in [
            ("https://Hooks.example.com/in", "https://hooks.example.com:443"),
            ("https://hooks.example.com:443/a?b=c", "https://hooks.example.com:443"),
            ("HTTP://127.0.0.1:09000", "http://127.0.0.1:9000"),
            ("http://[::1]/", "http://[::1]:80"),
        ] {
            assert_eq!(Target::of(url).unwrap().origin(), origin, "{url}");
        }
    }

    #[test]
    fn what_can_never_be_asked_for_cannot_be_allowed() {
        for (url, culprit) in [
            ("http://x:99999/", "port"),
            ("http://x:0/", "port"),
            ("http://x:80x/", "port"),
            ("https://*.x.com/", "wildcard"),
            ("https://*/", "wildcard"),
            ("http://x/a/../b", "climb"),
            ("http://x/a%2e%2e/b", "climb"),
            ("http://x/a\\b", "climb"),
            ("http://x/a%252e", "climb"),
            ("http://x/a?b=c", "query"),
            ("http://x/a?", "query"),
            ("http://x/a#b", "fragment"),
            ("http://me:secret@x/", "password"),
            ("http://x..y/", "host"),
            ("http://x$y/", "host"),
            ("http://[1:2]/", "host"),
            ("http:///a", "no URL"),
            ("ftp://x/", "neither"),
            ("x.com/in", "no URL"),
            ("", "no URL"),
        ] {
            let error = Target::parse(url).expect_err(url);
            assert!(error.contains(culprit), "{url}: {error}");
        }
        for url in ["http://a\u{1b}[2J/", &format!("ftp://{}", "x".repeat(9000))] {
            let error = Target::parse(url).expect_err(url);
            assert!(!error.contains(char::is_control) && error.len() < 400, "{error:?}");
        }
        for url in [
            "http://x",
            "https://x.com.:8443/a/b/",
            "http://[::1]:80/",
            "http://my_host/a%20b",
            "HTTP://X.com/A",
            "http://10.0.0.1/",
        ] {
            assert!(Target::parse(url).is_ok(), "{url}");
        }
    }
}
