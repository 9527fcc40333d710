//! Where a value came from, and what is wrong with it.

use std::fmt;

/// Where a value was set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere.
    #[default]
    Default,
    File {
        path: String,
        line: usize,
    },
    Variable(String),
    Flag(String),
}

impl Origin {
    /// Which layer it is in: a higher one wins over a lower one.
    pub(super) fn layer(&self) -> u8 {
        match self {
            Origin::Default => 0,
            Origin::File { .. } => 1,
            Origin::Variable(_) => 2,
            Origin::Flag(_) => 3,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("by default"),
            Origin::File { path, line } => write!(f, "{path}:{line}"),
            Origin::Variable(name) | Origin::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) origin: Origin,
    /// What is wrong, and what is allowed.
    pub(crate) what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", printable(&self.origin.to_string()), printable(&self.what))
    }
}

/// The most characters of a beginning and of an end that are shown of a long text.
const BEGINNING: usize = 500;
const END: usize = 300;

/// What quotes a configuration, for a terminal or a log: bounded, without control characters, and without
/// the password of a URL.
fn printable(text: &str) -> String {
    let escape =
        |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    let plain: String = without_passwords(text).chars().map(escape).collect();
    let beginning = plain.floor_char_boundary(BEGINNING);
    let end = plain.ceil_char_boundary(plain.len().saturating_sub(END));
    if end <= beginning { plain } else { format!("{} … {}", &plain[..beginning], &plain[end..]) }
}

/// The text, where no URL says more than a name before its `@`.
fn without_passwords(text: &str) -> String {
    let mut parts = text.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        shown += "://";
        // A password may hold what ends an authority, so everything up to the last `@` may be one.
        shown += &match part.rsplit_once('@') {
            Some((user, host)) => match user.split_once(':') {
                Some((name, _)) => format!("{name}:…@{host}"),
                None => format!("{user}@{host}"),
            },
            None => part.to_owned(),
        };
    }
    shown
}

/// Everything that is wrong with a configuration, at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n       " };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(what: &str) -> String {
        Problem { origin: Origin::Variable("A\nB".to_owned()), what: what.to_owned() }.to_string()
    }

    #[test]
    fn a_problem_moves_no_cursor_and_begins_no_line() {
        assert_eq!(shown("`\u{1b}[2J\n` is none"), "A\\nB: `\\u{1b}[2J\\n` is none");
        assert_eq!(shown("`é日` is none"), "A\\nB: `é日` is none");
    }

    #[test]
    fn a_problem_shows_no_password() {
        for url in
            ["mysql://me:s3cret@db/x", "mysql://me:s3c@ret@db/x", "postgres://me:s3/c?ret@db"]
        {
            let shown = shown(&format!("`tasks.store` takes a path, not `{url}`"));
            assert!(shown.contains("://me:…@db") && !shown.contains("s3"), "{shown}");
        }
    }

    #[test]
    fn a_problem_with_a_long_value_is_short_and_keeps_its_end() {
        let shown = shown(&format!("not `{}`: give another", "é".repeat(100_000)));
        assert!(shown.len() < 1000 && shown.ends_with("`: give another"), "{shown}");
    }
}
