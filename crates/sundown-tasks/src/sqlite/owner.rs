//! Processes that may have claims, and the proof that one of them is gone.
//!
//! Each open store holds the lock (flock) on a small file of its own for as long as it lives, from
//! before its first claim. The kernel gives the lock up with the process, in whatever way it ends:
//! whoever gets the lock knows that its owner is gone, and need not wait for its leases. A file
//! that is missing proves nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tracing::warn;

use super::statements::Statements;
use super::transaction::{Grave, Transaction};
use super::writer::begin;
use super::{clock, fault, open, serving};
use crate::{Incarnation, StoreError};

/// So often a file is made anew that somebody removed before it was locked.
const ATTEMPTS: usize = 16;

/// This process, as the file knows it.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) number: i64,
    pub(super) boot: String,
    file: PathBuf,
    /// Held until the last write is done.
    _lock: File,
}

/// Another process, as the file knows it.
pub(super) struct Other {
    pub(super) number: i64,
    incarnation: String,
    boot: String,
}

/// The directory of the owners of this database.
pub(super) fn directory(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-owners");
    PathBuf::from(name)
}

impl Owner {
    /// Locks a file for this incarnation and enters it as an owner. No transaction is open.
    pub(super) fn register(
        connection: &Connection,
        database: &Path,
        incarnation: Incarnation,
        patience: Duration,
    ) -> std::result::Result<Owner, StoreError> {
        let directory = directory(database);
        let file = directory.join(incarnation.to_string());
        let lock = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)
            .and_then(|()| lock_new(&file))
            .map_err(|error| open::unavailable("lock", &file, &error))?;
        let boot = clock::boot_id();
        let sql = "INSERT INTO owner (incarnation, boot) VALUES (?1, ?2)";
        let values = [&incarnation.to_string(), &boot];
        begin(patience, || connection.execute(sql, values).map(drop))
            .map_err(|error| fault::explain(&error, database, patience))?;
        remove_strays(connection, &directory);
        Ok(Owner { number: connection.last_insert_rowid(), boot, file, _lock: lock })
    }

    /// Leaves: without claims there is nothing to prove. With claims the file stays, and once its
    /// lock is given up whoever looks next may take them back.
    pub(super) fn leave(&self, sql: &Statements<'_>, patience: Duration) {
        let left = (|| {
            sql.roll_back_if_open()?;
            begin(patience, || sql.execute("BEGIN IMMEDIATE", []).map(drop))?;
            let claims = sql.row(CLAIMS, [self.number], |row| row.get::<_, i64>(0))?;
            if claims.unwrap_or(0) == 0 {
                forget(sql, self.number)?;
            }
            sql.execute("COMMIT", [])?;
            Ok::<_, rusqlite::Error>(claims.unwrap_or(0))
        })();
        match left {
            Ok(0) => drop(fs::remove_file(&self.file)),
            Ok(claims) => warn!(claims, "the task store is closed while tasks are claimed"),
            // The next rescue does it.
            Err(error) => warn!(%error, "cannot sign off from the task store"),
        }
    }

    /// Whether that one is gone for certain.
    pub(super) fn proof(&self, other: &Other) -> Option<Grave> {
        if other.number == self.number {
            return None;
        }
        let file = self.file.with_file_name(&other.incarnation);
        let lock = File::open(&file).ok();
        if other.boot != self.boot {
            return Some(Grave { file, _lock: lock });
        }
        match flock(lock.as_ref()?, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Some(Grave { file, _lock: lock }),
            Err(_) => None,
        }
    }
}

pub(super) const CLAIMS: &str = "SELECT count(*) FROM task WHERE owner = ?1 AND state = 1";

/// Everybody who may have claims.
pub(super) fn everybody(sql: &Statements<'_>) -> Result<Vec<Other>> {
    sql.rows("SELECT number, incarnation, boot FROM owner", [], |row| {
        Ok(Other { number: row.get(0)?, incarnation: row.get(1)?, boot: row.get(2)? })
    })
}

/// Strikes out an owner that is gone and has no claims left.
pub(super) fn strike_out(tx: &mut Transaction<'_, '_>, other: &Other, grave: Grave) -> Result<()> {
    forget(tx.sql, other.number)?;
    tx.bury(grave);
    Ok(())
}

fn forget(sql: &Statements<'_>, number: i64) -> Result<()> {
    sql.execute(
        "INSERT INTO counter (state, owner, n) SELECT state, 0, n FROM counter WHERE owner = ?1 \
         ON CONFLICT (state, owner) DO UPDATE SET n = n + excluded.n",
        [number],
    )?;
    sql.execute("DELETE FROM counter WHERE owner = ?1", [number])?;
    serving::withdraw(sql, number)?;
    sql.execute("DELETE FROM owner WHERE number = ?1", [number])?;
    Ok(())
}

/// Makes the file and locks it. Between the two somebody may take it for a stray: then it is made
/// again.
fn lock_new(path: &Path) -> io::Result<File> {
    for _ in 0..ATTEMPTS {
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                std::thread::park_timeout(Duration::from_millis(1));
                continue;
            }
            Err(error) => return Err(error.into()),
        }
        let ours = file.metadata()?;
        match fs::metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => return Ok(file),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other(format!("somebody removes {} again and again", path.display())))
}

/// Removes files of which no owner knows and that nobody has locked: their processes ended between
/// two steps of coming or going.
fn remove_strays(connection: &Connection, directory: &Path) {
    let known = |name: &str| {
        let sql = "SELECT count(*) FROM owner WHERE incarnation = ?1";
        connection.query_row(sql, [name], |row| row.get::<_, i64>(0)).unwrap_or(1) > 0
    };
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let is_ours = name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Ok(file) = File::open(entry.path()) else { continue };
        // The lock first: who is about to come holds it before it is known.
        let is_free = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
        if is_ours && is_free && !known(&name) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
