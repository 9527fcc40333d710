//! Tasks in a file, for one process or several on one host.
//!
//! One thread writes and takes all requests that wait into one commit; another reads beside it.
//! What is asked for is done by the modules below, each a topic; where a task goes is said by
//! [`Standing::next`](crate::Standing::next).

mod bulk;
mod claim;
mod clock;
mod ending;
mod fault;
mod inbox;
mod intake;
mod listing;
mod news;
mod open;
mod owner;
#[cfg(test)]
mod plans;
mod private;
mod reader;
mod row;
mod schema;
mod serving;
mod settings;
mod statements;
mod told;
mod transaction;
mod unwanted;
mod wish;
mod writer;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use self::ending::Whose;
use self::fault::Damage;
use self::inbox::{Inbox, inbox};
use self::news::Board;
use self::owner::Owner;
use self::reader::Reader;
use self::statements::Statements;
use self::transaction::Transaction;
use self::writer::Writer;
use crate::store::bells::News;
use crate::{
    Answer, Change, Claim, Counts, Ending, Enqueued, Entry, Events, Fence, Filter, Finish,
    Incarnation, Lease, Mark, NewTask, Operation, Progress, Rescued, Route, Selected, Selection,
    Store, StoreError, TaskId, Unserved, Wanted,
};

pub use self::settings::SqliteSettings;

/// Tasks in a file. See [`Store`] for what it does.
///
/// Several processes on one host may have the file open. What a process had claimed that was
/// killed is taken back by the next [`rescue`](Store::rescue) of any of them: that it is gone is
/// told by a lock, not by time. Leases are for those that are frozen, and no clock that can be set
/// makes them longer or shorter.
///
/// A process that is frozen just while it writes keeps the file locked: until it goes on or is
/// killed, the others read, and whatever they want to write is [`StoreError::Unavailable`].
///
/// Dropped without [`close`](Store::close), it does what was asked for before, and closes then.
#[derive(Debug)]
pub struct SqliteStore {
    incarnation: Incarnation,
    identity: String,
    writer: Inbox<writer::Message>,
    reader: Inbox<reader::Message>,
    news: Arc<Board>,
    is_closed: AtomicBool,
}

impl SqliteStore {
    /// Opens the file, creating it if need be. This blocks for a moment; for as long as the
    /// [patience](SqliteSettings::busy_patience) if another process has it locked.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] if it cannot be reached or locked, [`StoreError::Broken`] if it
    /// is no database, damaged, another program's or of a newer version; it is left as it is then.
    ///
    /// It is read through for up to 5 s. What is damaged in a larger file behind that is found when
    /// somebody comes to it; from then on nothing more is written.
    pub fn open(settings: SqliteSettings) -> Result<Self, StoreError> {
        let SqliteSettings { path, events_kept, busy_patience: patience } = settings;
        // Absolute, so that no name means anything special to SQLite.
        let path =
            std::path::absolute(&path).map_err(|error| open::unavailable("find", &path, &error))?;
        open::inspect(&path, patience)?;
        private::keep(&path);
        let connection = open::for_writing(&path, patience)?;
        let identity = schema::identity(&connection)
            .map_err(|error| fault::explain_opening(&error, &path, patience))?;
        let reading = open::for_reading(&path, patience)?;
        let incarnation = Incarnation::random();
        let owner = Owner::register(&connection, &path, incarnation, patience)?;
        let news = Board::new();
        let (writer, outbox) = inbox();
        let (reader, looks) = inbox();
        let damage = Arc::<Damage>::default();
        let shared = damage.clone();
        let reads = Reader {
            connection: reading,
            path: path.clone(),
            patience,
            damage: shared,
            outbox: looks,
        };
        let shared = news.clone();
        let writes =
            Writer { connection, path, patience, events_kept, owner, news: shared, damage, outbox };
        start("tasks-writer", move || writes.run())?;
        start("tasks-reader", move || reads.run())?;
        let is_closed = AtomicBool::new(false);
        Ok(SqliteStore { incarnation, identity, writer, reader, news, is_closed })
    }

    /// Has it done by the thread that writes.
    fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&mut Transaction<'_, '_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move {
            self.check_open()?;
            let (reply, answer) = oneshot::channel();
            let asked = writer::Asked { work, done: None, reply };
            let put = self.writer.put(writer::Message::Job(Box::new(asked))).await;
            put.map_err(|_| self.gone())?;
            answer.await.map_err(|_| self.gone())?
        })
    }

    /// Has it read by the thread that reads.
    fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Statements<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Answer<'_, T> {
        Box::pin(async move {
            self.check_open()?;
            let (reply, answer) = oneshot::channel();
            let asked = reader::Asked { look, reply };
            let put = self.reader.put(reader::Message::Look(Box::new(asked))).await;
            put.map_err(|_| self.gone())?;
            answer.await.map_err(|_| self.gone())?
        })
    }

    fn await_news(&self, least: News) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let (waiting, is_first) = self.news.clone().await_next(least);
        if is_first {
            self.writer.nudge(writer::Message::Nudge);
        }
        Box::pin(waiting.told())
    }

    fn check_open(&self) -> Result<(), StoreError> {
        if self.is_closed.load(Ordering::Acquire) { Err(StoreError::Closed) } else { Ok(()) }
    }

    fn gone(&self) -> StoreError {
        let why = "a thread of the store is gone: it panicked (see the log, and report it)";
        self.check_open().err().unwrap_or_else(|| StoreError::Broken { why: why.to_owned() })
    }

    async fn shut(&self) {
        // First the one that reads: the last that closes tidies up, and must be able to write.
        let (done, closed) = oneshot::channel();
        if self.reader.put(reader::Message::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
        let (done, closed) = oneshot::channel();
        if self.writer.put(writer::Message::Close(done)).await.is_ok() {
            let _ = closed.await;
        }
    }
}

fn start(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), StoreError> {
    let started = thread::Builder::new().name(name.to_owned()).spawn(run);
    // It ends with its queue; there is nothing to wait for.
    started.map(drop).map_err(|error| StoreError::Unavailable {
        why: format!("cannot start a thread for the task store: {error} (raise the limit)"),
    })
}

impl Store for SqliteStore {
    fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    fn identity(&self) -> &str {
        &self.identity
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn enqueue(&self, tasks: Vec<NewTask>, limit: u64) -> Answer<'_, Vec<Enqueued>> {
        self.write(move |tx| intake::enqueue(tx, &tasks, limit))
    }

    fn claim(&self, kinds: Vec<Wanted>, limit: usize, lease: Duration) -> Answer<'_, Vec<Claim>> {
        self.write(move |tx| claim::claim(tx, &kinds, limit, lease))
    }

    fn renew(&self, attempts: Vec<Fence>, lease: Duration) -> Answer<'_, Vec<Lease>> {
        self.write(move |tx| claim::renew(tx, &attempts, lease))
    }

    fn finish(&self, endings: Vec<(Fence, Ending)>) -> Answer<'_, Vec<Finish>> {
        self.write(move |tx| ending::finish(tx, &endings))
    }

    fn progress(&self, news: Vec<Progress>) -> Answer<'_, Vec<Option<u64>>> {
        self.write(move |tx| told::progress(tx, &news))
    }

    fn rescue(&self, limit: usize) -> Answer<'_, Vec<Rescued>> {
        self.write(move |tx| ending::rescue(tx, limit, Whose::OfDeadAndOverdue))
    }

    fn rescue_of_dead(&self, limit: usize) -> Answer<'_, Vec<Rescued>> {
        self.write(move |tx| ending::rescue(tx, limit, Whose::OfDead))
    }

    /// What was said holds as long as the lock of this process.
    fn advertise(&self, served: Vec<Route>, _life: Duration) -> Answer<'_, ()> {
        self.write(move |tx| serving::advertise(tx, &served))
    }

    fn unserved(&self) -> Answer<'_, Vec<Unserved>> {
        self.read(serving::unserved)
    }

    fn unwanted(&self, attempts: Vec<Fence>) -> Answer<'_, Vec<Fence>> {
        self.read(move |sql| unwanted::of(sql, attempts))
    }

    fn cancel(&self, task: TaskId) -> Answer<'_, Change> {
        self.write(move |tx| wish::cancel(tx, task))
    }

    fn requeue(&self, task: TaskId) -> Answer<'_, Change> {
        self.write(move |tx| wish::requeue(tx, task))
    }

    fn discard(&self, task: TaskId) -> Answer<'_, Change> {
        self.write(move |tx| wish::discard(tx, task))
    }

    fn change_all(&self, operation: Operation, selection: Selection) -> Answer<'_, Selected> {
        self.write(move |tx| bulk::change(tx, operation, &selection))
    }

    fn count_all(&self, selection: Selection) -> Answer<'_, Selected> {
        self.read(move |sql| bulk::count(sql, &selection))
    }

    fn get(&self, task: TaskId) -> Answer<'_, Option<Entry>> {
        self.read(move |sql| Ok(row::task(sql, task)?.map(|(_, task)| task)))
    }

    fn list(&self, filter: Filter) -> Answer<'_, Vec<Entry>> {
        self.read(move |sql| listing::list(sql, &filter))
    }

    fn events(&self, task: TaskId, after: u64, limit: usize) -> Answer<'_, Option<Events>> {
        self.read(move |sql| told::events(sql, task, after, limit))
    }

    fn marks(&self, tasks: Vec<TaskId>) -> Answer<'_, Vec<Option<Mark>>> {
        self.read(move |sql| told::marks(sql, &tasks))
    }

    fn counts(&self) -> Answer<'_, Counts> {
        self.read(listing::counts)
    }

    fn purge(&self, ended_before: Duration, limit: usize) -> Answer<'_, u64> {
        self.write(move |tx| wish::purge(tx, ended_before, limit))
    }

    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.await_news(News::Work)
    }

    fn told(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.await_news(News::Log)
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            self.is_closed.store(true, Ordering::Release);
            self.shut().await;
            Ok(())
        })
    }
}
