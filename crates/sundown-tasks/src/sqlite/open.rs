//! A file is looked at before anything is written to it, and then opened.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Result};

use super::fault;
use super::schema::{self, APPLICATION, VERSION};
use super::writer::begin;
use crate::StoreError;

/// How every SQLite file begins.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";
/// Files up to this size are read through before they are used.
const READ_THROUGH: u64 = 16 << 20;

const READ: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
const WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE
    .union(OpenFlags::SQLITE_OPEN_CREATE)
    .union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Refuses a file that is not ours to write, and leaves it as it is.
pub(super) fn inspect(path: &Path, patience: Duration) -> std::result::Result<(), StoreError> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unavailable("open", path, &error)),
    };
    let about = file.metadata().map_err(|error| unavailable("look at", path, &error))?;
    let size = about.len();
    if !about.is_file() {
        return Err(broken(path, "it is no file (give the path of one)"));
    }
    if size == 0 {
        return Ok(());
    }
    let mut start = [0; MAGIC.len()];
    if file.read_exact(&mut start).is_err() || &start != MAGIC {
        let why = "it is no SQLite database (it is left as it is; give another path)";
        return Err(broken(path, why));
    }
    drop(file);
    let explain = |error| fault::explain(&error, path, patience);
    let connection = Connection::open_with_flags(path, READ).map_err(explain)?;
    connection.busy_timeout(patience).map_err(explain)?;
    // All of one moment: another process may be making it just now.
    connection.execute_batch("BEGIN").map_err(explain)?;
    check_marks(path, schema::marks(&connection).map_err(explain)?)?;
    if size <= READ_THROUGH {
        let sql = "PRAGMA quick_check(1)";
        let found: String = connection.query_row(sql, [], |row| row.get(0)).map_err(explain)?;
        if found != "ok" {
            let advice = "it is left as it is; move it away, restore a copy, or save what can be \
                          saved with `sqlite3 … .recover`";
            return Err(broken(path, &format!("it is damaged: {found} ({advice})")));
        }
    }
    Ok(())
}

/// Whose it is, and of which version.
fn check_marks(
    path: &Path,
    (application, version, is_empty): (i64, i64, bool),
) -> std::result::Result<usize, StoreError> {
    if is_empty {
        return Ok(0);
    }
    if application != APPLICATION {
        let why = "it is a database of another program (it is left as it is; give another path)";
        return Err(broken(path, why));
    }
    match usize::try_from(version) {
        Ok(version) if version <= VERSION => Ok(version),
        _ => Err(broken(
            path,
            &format!(
                "its schema has version {version}, and this program knows none after {VERSION} \
                 (a newer program has written it: use that one)"
            ),
        )),
    }
}

/// The connection that writes; the schema is there then.
pub(super) fn for_writing(
    path: &Path,
    patience: Duration,
) -> std::result::Result<Connection, StoreError> {
    let explain = |error| fault::explain(&error, path, patience);
    let connection = Connection::open_with_flags(path, WRITE).map_err(explain)?;
    begin(patience, || configure(&connection)).map_err(explain)?;
    begin(patience, || connection.execute_batch("BEGIN IMMEDIATE")).map_err(explain)?;
    // Another process may have been here since it was looked at.
    let marks = schema::marks(&connection).map_err(explain)?;
    let version = check_marks(path, marks)?;
    schema::migrate(&connection, version).map_err(explain)?;
    connection.execute_batch("COMMIT").map_err(explain)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> Result<()> {
    connection.busy_timeout(Duration::ZERO)?;
    // The journal first: nothing else of this is kept in the file.
    connection.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY;",
    )?;
    let settings = ["PRAGMA wal_autocheckpoint = 4000", "PRAGMA journal_size_limit = 67108864"];
    settings.into_iter().try_for_each(|sql| connection.query_row(sql, [], |_| Ok(())))
}

/// The connection that reads.
pub(super) fn for_reading(
    path: &Path,
    patience: Duration,
) -> std::result::Result<Connection, StoreError> {
    let explain = |error| fault::explain(&error, path, patience);
    let connection = Connection::open_with_flags(path, READ).map_err(explain)?;
    connection.busy_timeout(patience).map_err(explain)?;
    connection.execute_batch("PRAGMA cache_size = -8192").map_err(explain)?;
    Ok(connection)
}

fn broken(path: &Path, why: &str) -> StoreError {
    StoreError::Broken { why: format!("cannot use {}: {why}", path.display()) }
}

pub(super) fn unavailable(doing: &str, path: &Path, error: &io::Error) -> StoreError {
    let path = path.display();
    let advice = "look at its disk and at the rights on it";
    StoreError::Unavailable { why: format!("cannot {doing} {path}: {error} ({advice})") }
}
