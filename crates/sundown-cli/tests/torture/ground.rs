//! The ground of a trial: a store, the commands that tasks may run, and the records.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use sundown_drill::postgres::{Fsync, Server};

use crate::disk::Disk;
use crate::processes::{MARK, pause};
use crate::service::{PATIENCE, Scratch};

/// Where tasks are kept.
pub(crate) enum Store {
    /// One file of SQLite.
    File,
    /// One file of SQLite on a small disk.
    SmallDisk(Disk),
    /// A PostgreSQL server that keeps its word.
    Server(Arc<Server>),
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Store::File => "SQLite",
            Store::SmallDisk(_) => "SQLite on a small disk",
            Store::Server(_) => "PostgreSQL",
        })
    }
}

/// What all replicas of a trial share.
pub(crate) struct Ground {
    pub(crate) store: Store,
    pub(crate) scratch: Scratch,
    database: String,
}

/// A few lines of shell. What a line says is written in one piece, behind everything before it.
const WRITE: &str =
    r#"say() { echo "$1 $TASK_ID $TASK_ATTEMPT $$ $(date +%s%N)" >> "$RECORD"; }; say start"#;
const FINISH: &str = r#"echo "by $TASK_ATTEMPT"; say finish"#;
const STEPS: &str = r#"i=${TASK_CHECKPOINT:-0}; while [ "$i" -lt 5 ]; do i=$((i+1)); sleep 0.04; echo "step $i"; echo "checkpoint: $i"; done"#;

impl Ground {
    pub(crate) fn file() -> Self {
        Ground::on(Store::File)
    }

    pub(crate) fn server() -> Self {
        Ground::on(Store::Server(Arc::new(Server::start(Fsync::On).unwrap())))
    }

    /// Nothing where there is no right to mount one.
    pub(crate) fn small_disk() -> Option<Self> {
        Disk::mount().map(|disk| Ground::on(Store::SmallDisk(disk)))
    }

    fn on(store: Store) -> Self {
        let scratch = Scratch::new();
        let database = match &store {
            Store::File => scratch.path("tasks.db"),
            Store::SmallDisk(disk) => disk.path("tasks.db"),
            Store::Server(server) => server.url_of(&server.create_database().unwrap()),
        };
        Ground { store, scratch, database }
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.scratch.0.join("ledger")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.scratch.0.join("record")
    }

    /// Runs SQL in the database, as a stranger to the service.
    pub(crate) fn sql(&self, sql: &str) {
        match &self.store {
            Store::File | Store::SmallDisk(_) => self.stranger().execute_batch(sql).unwrap(),
            Store::Server(server) => {
                let (_, database) = self.database.rsplit_once('/').unwrap();
                server.sql(database, sql).unwrap();
            }
        }
    }

    /// Nobody else writes for so long: a stranger, a backup say, has the lock.
    pub(crate) fn lock(&self, time: Duration) {
        match &self.store {
            Store::File | Store::SmallDisk(_) => {
                let stranger = self.stranger();
                stranger.execute_batch("BEGIN EXCLUSIVE").unwrap();
                pause(time);
                stranger.execute_batch("ROLLBACK").unwrap();
            }
            Store::Server(_) => {
                let seconds = time.as_secs_f64();
                self.sql(&format!(
                    "begin; lock table sundown.task in access exclusive mode; \
                     select pg_sleep({seconds}); commit"
                ));
            }
        }
    }

    fn stranger(&self) -> Connection {
        let connection = Connection::open(&self.database).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }

    /// The configuration of one life of one replica; its commands carry this mark.
    pub(crate) fn configuration(&self, mark: &str) -> PathBuf {
        let record = self.record();
        let environment =
            format!("environment = {{ RECORD = {:?}, {MARK} = {mark:?} }}", record.display());
        let quick = format!("{WRITE}; {FINISH}");
        let slow = format!("{WRITE}; {STEPS}; {FINISH}");
        let text = format!(
            "[tasks]\nlease = \"1s\"\nconcurrency = 6\nstore = {:?}\n\
             [temp]\ndirectory = {:?}\n\
             [commands.quick]\nrun = [\"/bin/sh\", \"-c\", '''{quick}''']\n{environment}\n\
             [commands.slow]\nrun = [\"/bin/sh\", \"-c\", '''{slow}''']\nlines = true\n\
             grace = \"200ms\"\n{environment}\n",
            self.database,
            self.scratch.path("tmp"),
        );
        let path = self.scratch.0.join(format!("{mark}.toml"));
        fs::write(&path, text).unwrap();
        path
    }
}
