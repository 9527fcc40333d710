//! Where tasks are kept, as it is written: a path, or the URL of a server.

use std::env;
use std::fmt;
use std::path::PathBuf;

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
        "the path of a file, or a URL like postgres://user@host/database?sslmode=verify-full"
            .to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("postgres" | "postgresql", _)) => Ok(Place::Server(text.to_owned())),
            Some((scheme, _)) => Err(format!("`{scheme}://` is no store")),
            None => PathBuf::parse(text).map(Place::File),
        }
    }

    fn show(&self) -> String {
        match self {
            Place::File(path) => path.display().to_string(),
            Place::Server(url) => without_password(url),
        }
    }
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
        assert!(Place::parse("mysql://db").is_err());
    }
}
