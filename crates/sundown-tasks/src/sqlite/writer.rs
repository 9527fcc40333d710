//! The one thread of a process that writes. It takes all requests that wait into one transaction
//! and answers them after its commit.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Error, ErrorCode, Result};
use tokio::sync::oneshot;

use super::clock;
use super::fault::{self, Damage};
use super::inbox::{Next, Outbox};
use super::news::Board;
use super::owner::Owner;
use super::statements::Statements;
use super::transaction::Transaction;
use crate::StoreError;
use crate::store::age::Since;
use crate::store::bells::News;

/// So many requests share a commit at most.
const BATCH: usize = 512;
/// How often it looks for commits of other processes, while somebody waits for them.
const LOOK: Duration = Duration::from_millis(5);
/// How often, after nothing has happened for a while.
const LOOK_IDLY: Duration = Duration::from_millis(25);
/// For how long.
const WHILE: Duration = Duration::from_secs(1);
/// How long it naps at first, and at last, while another process has the lock.
const NAPS: (Duration, Duration) = (Duration::from_micros(100), Duration::from_millis(2));
/// Others have had their turns after so long.
const LONG: Duration = Duration::from_millis(50);

/// Something to be done in a transaction, and somebody to be told.
pub(super) trait Job: Send {
    /// Does it. It may be done again if the transaction was rolled back.
    fn run(&mut self, tx: &mut Transaction<'_, '_>) -> Result<()>;
    /// Tells how it went, once that is certain.
    fn answer(self: Box<Self>, outcome: std::result::Result<(), StoreError>);
}

/// A job made of a closure.
pub(super) struct Asked<F, T> {
    pub(super) work: F,
    pub(super) done: Option<T>,
    pub(super) reply: oneshot::Sender<std::result::Result<T, StoreError>>,
}

impl<F, T> Job for Asked<F, T>
where
    F: FnMut(&mut Transaction<'_, '_>) -> Result<T> + Send,
    T: Send,
{
    fn run(&mut self, tx: &mut Transaction<'_, '_>) -> Result<()> {
        self.done = Some((self.work)(tx)?);
        Ok(())
    }

    fn answer(self: Box<Self>, outcome: std::result::Result<(), StoreError>) {
        let done = self.done.ok_or(StoreError::Closed);
        // Whoever asked may have left.
        let _ = self.reply.send(outcome.and(done));
    }
}

/// What the thread is sent.
pub(super) enum Message {
    Job(Box<dyn Job>),
    /// Somebody begins to wait for news.
    Nudge,
    /// All that came before is to be done, and then nothing more.
    Close(oneshot::Sender<()>),
}

/// The thread.
pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    pub(super) patience: Duration,
    pub(super) events_kept: u32,
    pub(super) owner: Owner,
    pub(super) news: Arc<Board>,
    pub(super) damage: Arc<Damage>,
    pub(super) outbox: Outbox<Message>,
}

impl Writer {
    /// Works until it is told to close, or nobody is left to ask.
    pub(super) fn run(self) {
        let Writer { connection, path, patience, events_kept, owner, news, damage, outbox } = self;
        let told = news.clone();
        let closing = {
            let sql = Statements::new(&connection);
            let since = Since::new(clock::wall(), clock::since_boot());
            let desk = Desk { sql, path, patience, events_kept, owner, news, damage, since };
            let closing = desk.work(&outbox);
            drop(outbox);
            if desk.damage.found().is_none() {
                desk.owner.leave(&desk.sql, patience);
            } else {
                // To tidy up is to write. If it cannot be forbidden, the damage is no greater.
                let setting = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
                let _ = connection.set_db_config(setting, true);
            }
            closing
        };
        drop(connection);
        told.tell(News::Work);
        if let Some(closing) = closing {
            let _ = closing.send(());
        }
    }
}

/// What the thread works with.
struct Desk<'c> {
    sql: Statements<'c>,
    path: PathBuf,
    patience: Duration,
    events_kept: u32,
    owner: Owner,
    news: Arc<Board>,
    damage: Arc<Damage>,
    since: Since,
}

impl Desk<'_> {
    fn work(&self, outbox: &Outbox<Message>) -> Option<oneshot::Sender<()>> {
        let (mut looked, mut stirred) = (Instant::now(), Instant::now());
        let mut seen = self.version();
        loop {
            let is_awaited = self.news.is_awaited();
            let often = if stirred.elapsed() < WHILE { LOOK } else { LOOK_IDLY };
            if is_awaited && looked.elapsed() >= often {
                looked = Instant::now();
                let version = self.version();
                if version != seen {
                    (seen, stirred) = (version, looked);
                    self.news.tell(News::Work);
                }
            }
            let first = match outbox.wait(is_awaited.then_some(often)) {
                Next::Request(message) => message,
                Next::Nothing => continue,
                Next::Over => return None,
            };
            let (jobs, closing) = gather(first, outbox);
            if !jobs.is_empty() {
                self.commit(jobs);
                stirred = Instant::now();
            }
            if closing.is_some() {
                return closing;
            }
        }
    }

    /// A number that changes with every commit of another connection.
    fn version(&self) -> Option<i64> {
        self.sql.row("PRAGMA data_version", [], |row| row.get(0)).unwrap_or(None)
    }

    /// Does them together; one by one if that fails by the fault of one of them.
    fn commit(&self, mut jobs: Vec<Box<dyn Job>>) {
        if let Some(damage) = self.damage.found() {
            jobs.into_iter().for_each(|job| job.answer(Err(damage.clone())));
            return;
        }
        let outcome = self.attempt(&mut jobs);
        let is_of_one = outcome.as_ref().is_err_and(fault::is_of_the_request);
        if is_of_one && jobs.len() > 1 {
            for job in jobs {
                self.commit(vec![job]);
            }
            return;
        }
        let outcome =
            outcome.map_err(|error| self.damage.explain(&error, &self.path, self.patience));
        for job in jobs {
            job.answer(outcome.clone());
        }
    }

    fn attempt(&self, jobs: &mut [Box<dyn Job>]) -> Result<()> {
        self.begin()?;
        let mut tx = Transaction::new(&self.sql, &self.owner, self.events_kept, self.since);
        let done = jobs.iter_mut().try_for_each(|job| job.run(&mut tx));
        let done = done.and_then(|()| tx.write_counts());
        let done = done.and_then(|()| self.sql.execute("COMMIT", []));
        match done {
            Ok(_) => {
                self.news.tell(tx.committed());
                Ok(())
            }
            Err(error) => {
                // If that fails as well, the next one tries again.
                let _ = self.sql.roll_back_if_open();
                Err(error)
            }
        }
    }

    /// Begins a transaction that may write, and waits for its turn among processes.
    fn begin(&self) -> Result<()> {
        self.sql.roll_back_if_open()?;
        begin(self.patience, || self.sql.execute("BEGIN IMMEDIATE", []).map(drop))
    }
}

/// Tries until it is not locked out any more, or patience is at its end. SQLite itself would sleep
/// up to 100 ms at a time. The lock goes to whoever comes just when it is free: so who has waited for
/// long comes more often.
pub(super) fn begin(patience: Duration, mut attempt: impl FnMut() -> Result<()>) -> Result<()> {
    let started = Instant::now();
    let mut nap = NAPS.0;
    loop {
        match attempt() {
            Err(error) if is_busy(&error) && started.elapsed() < patience => {
                std::thread::park_timeout(nap);
                nap = if started.elapsed() < LONG { (nap * 2).min(NAPS.1) } else { NAPS.0 };
            }
            outcome => return outcome,
        }
    }
}

fn is_busy(error: &Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Takes all that waits, up to the word to close.
fn gather(
    first: Message,
    outbox: &Outbox<Message>,
) -> (Vec<Box<dyn Job>>, Option<oneshot::Sender<()>>) {
    let mut jobs = Vec::new();
    let mut next = Some(first);
    let mut closing = None;
    while let Some(message) = next {
        match message {
            Message::Job(job) => jobs.push(job),
            Message::Nudge => outbox.is_awake(),
            Message::Close(done) => {
                closing = Some(done);
                break;
            }
        }
        next = if jobs.len() < BATCH { outbox.take() } else { None };
    }
    outbox.give_back(jobs.len() + usize::from(closing.is_some()));
    (jobs, closing)
}
