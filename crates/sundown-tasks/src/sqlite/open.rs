//! A file is looked at before anything is written to it, and then opened.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;
use std::{fs, io, thread};

use rusqlite::{Connection, Error, ErrorCode, OpenFlags, Result};
use tracing::warn;

use super::fault;
use super::schema::{self, APPLICATION, VERSION};
use super::writer::begin;
use crate::StoreError;

/// For so long a file is read through before it is used.
const READ_THROUGH: Duration = Duration::from_secs(5);

const READ: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);
const WRITE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE
    .union(OpenFlags::SQLITE_OPEN_CREATE)
    .union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Refuses a file that is not ours to write, and leaves it as it is. It is read through SQLite alone:
/// a process that closes any other descriptor of a file gives up all its locks on it.
pub(super) fn inspect(path: &Path, patience: Duration) -> std::result::Result<(), StoreError> {
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(broken(path, "it may not be looked at (whose directory is it in?)"));
        }
        Err(error) => return Err(unavailable("look at", path, &error)),
    };
    if !about.is_file() {
        return Err(broken(path, "it is no file (give the path of one)"));
    }
    if about.len() == 0 {
        return Ok(());
    }
    let explain = |error: Error| match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            broken(path, "it is no SQLite database (it is left as it is; give another path)")
        }
        Some(ErrorCode::DatabaseCorrupt) => damaged(path, &error.to_string()),
        _ => fault::explain_opening(&error, path, patience),
    };
    let connection = Connection::open_with_flags(path, READ).map_err(explain)?;
    connection.busy_timeout(patience).map_err(explain)?;
    // All of one moment: another process may be making it just now.
    connection.execute_batch("BEGIN").map_err(explain)?;
    check_marks(path, schema::marks(&connection).map_err(explain)?)?;
    match read_through(&connection) {
        Ok(found) if found == "ok" => Ok(()),
        Ok(found) => Err(damaged(path, &found)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
            let (path, size) = (path.display(), about.len());
            warn!(
                %path,
                size,
                "too large to be read through at the start; damage is found when it is met"
            );
            Ok(())
        }
        Err(error) => Err(explain(error)),
    }
}

/// What is wrong with it, or `ok`; as far as there is time.
fn read_through(connection: &Connection) -> Result<String> {
    let interrupt = connection.get_interrupt_handle();
    let (over, is_over) = sync_channel::<()>(0);
    thread::scope(|scope| {
        let watch = move || {
            if is_over.recv_timeout(READ_THROUGH) == Err(RecvTimeoutError::Timeout) {
                interrupt.interrupt();
            }
        };
        // Without a thread there is no end to it but its own.
        let _ = thread::Builder::new().name("tasks-check".to_owned()).spawn_scoped(scope, watch);
        let found = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
        drop(over);
        found
    })
}

fn damaged(path: &Path, what: &str) -> StoreError {
    let advice = "it is left as it is; move it away, restore a copy, or save what can be saved with \
                  `sqlite3 … .recover`";
    broken(path, &format!("it is damaged: {what} ({advice})"))
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
    let explain = |error| fault::explain_opening(&error, path, patience);
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
        "PRAGMA synchronous = FULL; PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;",
    )?;
    let settings = ["PRAGMA wal_autocheckpoint = 4000", "PRAGMA journal_size_limit = 67108864"];
    settings.into_iter().try_for_each(|sql| connection.query_row(sql, [], |_| Ok(())))
}

/// The connection that reads.
pub(super) fn for_reading(
    path: &Path,
    patience: Duration,
) -> std::result::Result<Connection, StoreError> {
    let explain = |error| fault::explain_opening(&error, path, patience);
    let connection = Connection::open_with_flags(path, READ).map_err(explain)?;
    connection.busy_timeout(patience).map_err(explain)?;
    connection.execute_batch("PRAGMA cache_size = -4096").map_err(explain)?;
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
