//! The URL of a PostgreSQL server: read as an independent parser reads it, and its password kept.

use sundown_cli::fuzzing::setting;
use sundown_tasks::fuzzing::{Server, server};
use url::Url;

use crate::message;

/// A shorter password may stand in other words by chance.
const SHORTEST_PASSWORD: usize = 6;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let other = Url::parse(text).ok();
    let read = server(text);
    let mut told = Vec::new();
    match &read {
        Ok(server) => agrees(server, text, other.as_ref()),
        Err(why) => {
            message::is_readable(why);
            told.push(why.clone());
        }
    }
    match setting("tasks.store", text) {
        Ok((shown, whole)) => told.extend([shown, whole]),
        Err(why) => {
            message::is_readable(&why);
            told.push(why);
        }
    }
    for password in passwords(read.as_ref().ok(), other.as_ref()) {
        for told in &told {
            assert!(!told.contains(&password), "the password `{password}` is shown: {told}");
        }
    }
}

fn agrees(server: &Server, text: &str, other: Option<&Url>) {
    let Some(other) = other else { return };
    let mode = other.query_pairs().filter(|(name, _)| name == "sslmode").last();
    if let Some((_, mode)) = mode {
        let is_private = ["require", "verify-ca", "verify-full"].contains(&&*mode);
        assert!(!is_private || server.is_encrypted, "{text} is not encrypted");
    }
    let plain = |host: &&str| host.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    if let Some(host) = other.host_str().filter(plain)
        && other.query().is_none()
        && let [ours] = &server.hosts[..]
    {
        assert!(ours.eq_ignore_ascii_case(host), "{text} leads to {ours}, not to {host}");
    }
}

/// The passwords that one or the other parser sees, where they stand for nothing else, too.
fn passwords(server: Option<&Server>, other: Option<&Url>) -> Vec<String> {
    let ours = server.and_then(|server| String::from_utf8(server.password.clone()?).ok());
    let theirs = other.and_then(|url| Some((url.password()?.to_owned(), url)));
    let theirs = theirs.filter(|(password, url)| {
        let mut rest = (*url).clone();
        let _ = rest.set_password(None);
        !rest.as_str().contains(password)
    });
    let theirs = theirs.map(|(password, _)| password);
    let is_telling = |word: &String| {
        word.len() >= SHORTEST_PASSWORD && word.chars().all(|c| c.is_ascii_alphanumeric())
    };
    let elsewhere = |word: &String| {
        // What a message says anyway is no secret.
        let usual = setting("tasks.store", "mysql://").err().unwrap_or_default();
        !usual.contains(word.as_str())
    };
    let ours = ours.filter(|_| theirs.is_some());
    ours.into_iter().chain(theirs).filter(is_telling).filter(elsewhere).collect()
}
