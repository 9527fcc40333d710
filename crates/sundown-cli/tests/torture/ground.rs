//! The ground of a trial: a store, the commands that tasks may run, and the records.

use std::fmt;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use sundown_drill::postgres::{Fsync, Server};

use crate::callee::Callee;
use crate::disk::Disk;
use crate::evidence::{CALLS, Folder, LEDGER, RECORD, SIEGE};
use crate::processes::{MARK, pause};
use crate::service::PATIENCE;

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
    pub(crate) folder: Folder,
    /// Whom tasks call.
    pub(crate) callee: Callee,
    database: String,
}

/// How many steps a slow command has.
pub(crate) const STEPS: u64 = 5;

/// A few lines of shell. What a line says is written in one piece, behind everything before it.
const WRITE: &str = r#"say() { echo "$1 $TASK_ID $TASK_ATTEMPT $(date +%s%N) $SUNDOWN_TORTURE ${TASK_CHECKPOINT:-0}" >> "$RECORD"; }; say start"#;
const FINISH: &str = r#"echo "by $TASK_ATTEMPT"; say finish"#;
const STEP_BY_STEP: &str = r#"i=${TASK_CHECKPOINT:-0}; while [ "$i" -lt "$STEPS" ]; do i=$((i+1)); sleep 0.04; echo "step $i"; echo "checkpoint: $i"; done"#;
/// It fails when it is run for the first time, and never again.
const FAIL_ONCE: &str = r#"if [ ! -e "$RECORD.failed.$TASK_ID" ]; then : > "$RECORD.failed.$TASK_ID"; say fail; echo "not yet" >&2; exit 3; fi"#;
/// It does not end by itself for minutes, does not listen, and has a child that leaves its session. The
/// third time it is quick; and so it is when the siege is over.
const STAY: &str = r#"trap "" TERM; if [ "$TASK_ATTEMPT" -lt 3 ]; then setsid sleep 300 > /dev/null 2>&1 & i=0; while [ ! -e "$RECORD.over" ] && [ "$i" -lt 1500 ]; do sleep 0.2; i=$((i+1)); done; fi"#;

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
        let folder = Folder::new();
        let database = match &store {
            Store::File => folder.path("tasks.db"),
            Store::SmallDisk(disk) => disk.path("tasks.db"),
            Store::Server(server) => server.url_of(&server.create_database().unwrap()),
        };
        let callee = Callee::start(&folder.0.join(CALLS));
        Ground { store, folder, callee, database }
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.folder.0.join(LEDGER)
    }

    pub(crate) fn siege(&self) -> PathBuf {
        self.folder.0.join(SIEGE)
    }

    fn record(&self) -> PathBuf {
        self.folder.0.join(RECORD)
    }

    /// From now on commands that stay may end.
    pub(crate) fn is_over(&self) {
        fs::write(self.record().with_extension("over"), "").unwrap();
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

    /// Whether somebody has the lock of the file just now.
    pub(crate) fn is_locked(&self) -> bool {
        match &self.store {
            Store::File | Store::SmallDisk(_) => {
                let stranger = self.stranger();
                stranger.busy_timeout(Duration::ZERO).unwrap();
                stranger.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_err()
            }
            // Each statement is a transaction there, and goes on in the server.
            Store::Server(_) => false,
        }
    }

    fn stranger(&self) -> Connection {
        let connection = Connection::open(&self.database).unwrap();
        connection.busy_timeout(PATIENCE).unwrap();
        connection
    }

    /// The configuration of one life of one replica; its commands carry this mark. It may lack one of
    /// the things that tasks need.
    pub(crate) fn configuration(&self, mark: &str, lacks: Option<&str>) -> PathBuf {
        let record = self.record();
        let environment = format!(
            "environment = {{ RECORD = {:?}, STEPS = \"{STEPS}\", {MARK} = {mark:?} }}",
            record.display()
        );
        let command = |name: &str, body: &str, more: &str| {
            let parts = [WRITE, body, FINISH].into_iter().filter(|part| !part.is_empty());
            let script = parts.collect::<Vec<_>>().join("; ");
            format!(
                "[commands.{name}]\nrun = [\"/bin/sh\", \"-c\", '''{script}''']\n\
                 grace = \"200ms\"\n{more}{environment}\n"
            )
        };
        let parts = [
            ("quick", command("quick", "", "")),
            ("slow", command("slow", STEP_BY_STEP, "lines = true\n")),
            ("flaky", command("flaky", FAIL_ONCE, "")),
            ("stubborn", command("stubborn", STAY, "")),
            ("http", format!("[http]\nallow = {:?}\n", self.callee.url())),
        ];
        let has = |(name, _): &(&str, String)| lacks != Some(*name);
        let parts: String = parts.into_iter().filter(has).map(|(_, text)| text).collect();
        let text = format!(
            "[tasks]\nlease = \"1s\"\nconcurrency = 6\nstore = {:?}\n\
             [temp]\ndirectory = {:?}\n{parts}",
            self.database,
            self.folder.path("tmp"),
        );
        let path = self.folder.0.join(format!("{mark}.toml"));
        fs::write(&path, text).unwrap();
        path
    }
}
