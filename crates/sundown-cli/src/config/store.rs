//! Where tasks are kept, as it is written: a path, or the URL of a server.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use super::Value;

/// Where tasks are kept.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file of SQLite.
    File(PathBuf),
    /// A PostgreSQL server, by its URL.
    Server(String),
}

impl Place {
    /// Where this user's services keep their state: as systemd says, or as the desktop does.
    pub(crate) fn usual() -> Result<Self, String> {
        let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let directory = named("STATE_DIRECTORY")
            .map(PathBuf::from)
            .or_else(|| Some(PathBuf::from(named("XDG_STATE_HOME")?).join("sundown")))
            .or_else(|| Some(PathBuf::from(named("HOME")?).join(".local/state/sundown")));
        let directory = directory.ok_or("there is no HOME (set `tasks.store`)")?;
        Ok(Place::File(directory.join("tasks.db")))
    }
}

impl Value for Place {
    fn wanted() -> String {
        "the path of a file, sqlite:PATH, or a URL like \
         postgres://user@host/database?sslmode=verify-full"
            .to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = scheme(text) else {
            return PathBuf::parse(text).map(Place::File);
        };
        match &*scheme.to_ascii_lowercase() {
            "postgres" | "postgresql" if rest.starts_with("//") => {
                Ok(Place::Server(text.to_owned()))
            }
            "postgres" | "postgresql" => Err(format!("write {scheme}://…")),
            "sqlite" => file(rest),
            _ => Err(format!(
                "`{scheme}:` is no store (a file whose name begins so is written ./{scheme}:…)"
            )),
        }
    }

    fn show(&self) -> String {
        match self {
            Place::File(path) => path.display().to_string(),
            Place::Server(url) => without_password(url),
        }
    }
}

/// What stands before the first colon, if that can be the scheme of a URL, and what follows.
fn scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    // A single letter is a drive of Windows.
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_scheme.then_some((scheme, rest))
}

/// The file of a `sqlite:` URL. As elsewhere, `sqlite:a.db` and `sqlite://a.db` are relative, and
/// `sqlite:/a.db` and `sqlite:///a.db` are not.
fn file(rest: &str) -> Result<Place, String> {
    let path = rest.strip_prefix("//").unwrap_or(rest);
    if path.starts_with(":memory:") {
        return Err("tasks are not kept in memory, where a restart loses them".to_owned());
    }
    if path.contains('?') {
        return Err("a `sqlite:` URL takes no parameters here".to_owned());
    }
    let path = PathBuf::parse(path).map_err(|_| "no path follows `sqlite:`".to_owned())?;
    // So that it reads as a path when it is shown.
    let is_like_url = scheme(&path.to_string_lossy()).is_some();
    Ok(Place::File(if is_like_url { Path::new(".").join(path) } else { path }))
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show())
    }
}

/// A URL that may be shown.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return "(a URL)".to_owned() };
    // Parameters may hold a password as well.
    let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
    let Some((user, host)) = rest.rsplit_once('@') else { return format!("{scheme}://{rest}") };
    let user = user.split_once(':').map_or(user, |(user, _)| user);
    format!("{scheme}://{user}@{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("postgres://me:s3cret@db/tasks?password=x", "postgres://me@db/tasks"),
            ("postgres://me:s3c@ret@db/tasks", "postgres://me@db/tasks"),
            ("postgresql://db/tasks", "postgresql://db/tasks"),
            ("/var/lib/tasks.db", "/var/lib/tasks.db"),
        ] {
            assert_eq!(Place::parse(url).map(|place| place.show()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn a_store_is_a_path_a_sqlite_url_or_a_postgres_url_and_nothing_else() {
        for (text, path) in [
            ("/x/t.db", "/x/t.db"),
            ("t.db", "t.db"),
            ("./ab:c.db", "./ab:c.db"),
            ("/x/a:b.db", "/x/a:b.db"),
            ("sqlite:/x/t.db", "/x/t.db"),
            ("sqlite:///x/t.db", "/x/t.db"),
            ("sqlite:x/t.db", "x/t.db"),
            ("sqlite://x/t.db", "x/t.db"),
            ("SQLite:t.db", "t.db"),
            ("sqlite:ab:c.db", "./ab:c.db"),
        ] {
            let place = Place::parse(text).expect(text);
            assert_eq!(place, Place::File(path.into()), "{text}");
            assert_eq!(Place::parse(&place.show()), Ok(place), "{text}");
        }
        for (text, culprit) in [
            ("mysql://db/tasks", "`mysql:` is no store"),
            ("redis:6379", "`redis:` is no store"),
            ("file:/x/t.db", "`file:` is no store"),
            ("postgres:db/tasks", "write postgres://"),
            ("sqlite::memory:", "not kept in memory"),
            ("sqlite:t.db?mode=ro", "no parameters"),
            ("sqlite:", "no path"),
        ] {
            let error = Place::parse(text).expect_err(text);
            assert!(error.contains(culprit), "{text}: {error}");
        }
    }
}
