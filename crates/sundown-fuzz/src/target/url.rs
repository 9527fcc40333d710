//! Addresses that tasks may ask for: one that is allowed lies below an allowed one, whoever reads it.

use sundown_cli::fuzzing::{allows, redirected, setting};
use url::Url;

use crate::message;

/// An input is up to three lines: what is allowed, what is asked for, where a redirect leads.
pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.splitn(3, '\n');
    let (Some(prefix), Some(asked)) = (lines.next(), lines.next()) else { return };
    stays_inside(prefix, asked);
    if let Some(location) = lines.next()
        && let Some(next) = redirected(asked, location)
    {
        stays_inside(prefix, &next);
        leads_where_it_says(asked, location, &next);
    }
    if let Err(why) = setting("http.allow", prefix) {
        message::is_readable(&why);
    }
}

fn stays_inside(prefix: &str, asked: &str) {
    match allows(prefix, asked) {
        Ok(false) => {}
        Ok(true) => {
            let (Ok(allowed), Ok(url)) = (Url::parse(prefix), Url::parse(asked)) else { return };
            assert_eq!(allowed.origin(), url.origin(), "{asked} is not on the server of {prefix}");
            assert!(url.username().is_empty() && url.password().is_none(), "{asked}");
            for times in 0..3 {
                let (inside, path) = (segments(allowed.path(), times), segments(url.path(), times));
                assert!(path.starts_with(&inside), "{asked} is not below {prefix}");
            }
        }
        Err(why) => message::is_readable(&why),
    }
}

/// The path as a server sees it that decodes it so many times, with `.` and `..` carried out.
fn segments(path: &str, times: usize) -> Vec<String> {
    let mut path = path.as_bytes().to_vec();
    for _ in 0..times {
        path = decoded(&path);
    }
    let path = String::from_utf8_lossy(&path).replace('\\', "/");
    let mut segments: Vec<String> = Vec::new();
    for segment in path.split('/') {
        // Some servers take what stands behind a semicolon for a parameter.
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => drop(segments.pop()),
            _ => segments.push(segment.to_owned()),
        }
    }
    segments
}

fn decoded(bytes: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = hex.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match byte.filter(|_| *first == b'%') {
            Some(byte) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            None => {
                decoded.push(*first);
                rest = after;
            }
        }
    }
    decoded
}

/// A redirect leads where an independent parser says, as far as both read the same characters.
fn leads_where_it_says(asked: &str, location: &str, next: &str) {
    let plain =
        |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "/.?=&-_:".contains(c));
    if !plain(location) || !plain(asked) {
        return;
    }
    let expected = Url::parse(asked).and_then(|url| url.join(location));
    let (Ok(expected), Ok(next)) = (expected, Url::parse(next)) else { return };
    assert_eq!(next, expected, "{asked} and then {location}");
}
