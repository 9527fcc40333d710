//! The tables, and how older ones become them.
//!
//! Every index but one is partial and holds only what its question is about, so that what waits,
//! runs or is over costs nothing where it is not asked for.

use rusqlite::{Connection, Result};

/// Marks a file as ours ("sdtk").
pub(super) const APPLICATION: i64 = 0x7364_746b;

/// Each takes the file one version further. What was released is never changed.
const MIGRATIONS: &[&[&str]] =
    &[&[FIRST], &[include_str!("sql/identity.sql"), include_str!("sql/routes.sql")]];

const FIRST: &str = "
CREATE TABLE task (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    state INTEGER NOT NULL,
    -- Pending, and its time has come.
    ready INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    interruptions INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL,
    max_interruptions INTEGER NOT NULL,
    unwanted INTEGER NOT NULL DEFAULT 0,
    owner INTEGER,
    -- Milliseconds since the boot that the owner names.
    lease_until INTEGER,
    first_event INTEGER NOT NULL DEFAULT 1,
    last_event INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    key TEXT,
    error TEXT,
    step TEXT,
    cursor TEXT,
    output TEXT,
    -- Nothing if it is in `long_input`: a row is written anew with every change.
    input TEXT
) STRICT;
CREATE UNIQUE INDEX task_key ON task(key) WHERE key IS NOT NULL;
CREATE INDEX task_ready ON task(kind, priority DESC) WHERE state = 0 AND ready = 1;
CREATE INDEX task_waiting ON task(run_at) WHERE state = 0 AND ready = 0;
CREATE INDEX task_running ON task(owner, lease_until) WHERE state = 1;
CREATE INDEX task_ended ON task(ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX task_listed ON task(kind, state);

CREATE TABLE long_input (task INTEGER PRIMARY KEY, input TEXT NOT NULL) STRICT;

CREATE TABLE event (
    task INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    what INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (task, seq)
) STRICT, WITHOUT ROWID;

-- Every process that may have claims.
CREATE TABLE owner (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    incarnation TEXT NOT NULL UNIQUE,
    boot TEXT NOT NULL
) STRICT;

-- What each process added to the count of a state; 0 for all that are gone.
CREATE TABLE counter (
    state INTEGER NOT NULL,
    owner INTEGER NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (state, owner)
) STRICT, WITHOUT ROWID;
";

/// The version that this program writes.
pub(super) const VERSION: usize = MIGRATIONS.len();

/// Of whom the file is, and in which version. All zero for an empty one.
pub(super) fn marks(connection: &Connection) -> Result<(i64, i64, bool)> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = number("PRAGMA application_id")?;
    let version = number("PRAGMA user_version")?;
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    Ok((application, version, tables == 0))
}

/// What tells this store from every other one. It is there since version 2.
pub(super) fn identity(connection: &Connection) -> Result<String> {
    connection.query_row("SELECT identity FROM store", [], |row| row.get(0))
}

/// Takes it from that version to [`VERSION`]. A transaction is open.
pub(super) fn migrate(connection: &Connection, from: usize) -> Result<()> {
    for text in MIGRATIONS.iter().skip(from).copied().flatten() {
        connection.execute_batch(text)?;
    }
    if from < VERSION {
        connection.execute_batch(&format!(
            "PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION};"
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_from_before_gets_an_identity_of_its_own_and_keeps_it() {
        let migrated = || {
            let connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(FIRST).unwrap();
            migrate(&connection, 1).unwrap();
            connection
        };
        let (first, second) = (migrated(), migrated());
        let found = identity(&first).unwrap();
        assert_ne!(found, identity(&second).unwrap());
        migrate(&first, VERSION).unwrap();
        assert_eq!(identity(&first).unwrap(), found);
    }
}
