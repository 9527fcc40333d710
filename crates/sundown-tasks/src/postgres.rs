//! The store for many replicas: tasks in PostgreSQL, directly or through a pooler in transaction mode.
//!
//! Every kind of write is one function in the database, so one round trip and one commit; callers
//! who come at the same time are answered by one call. A write carries a number that is written with
//! it, so when the connection is lost in the middle, asking again tells whether it was done.
//!
//! Leases are measured by the clock of the server, `clock_timestamp()`, which all replicas share.
//! Whoever sets that clock forward ends leases early: the attempts are taken back and their writes
//! refused, so the work is done again, and no write is accepted twice. Set back, rescue waits longer.

mod address;
mod bounds;
mod bulk;
mod claims;
mod dial;
mod endings;
mod fault;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod intake;
mod lane;
mod listing;
mod news;
mod office;
mod outcomes;
#[cfg(test)]
mod plans;
mod question;
mod queue;
mod row;
mod schema;
mod serving;
mod session;
mod settings;
mod tls;
mod told;
mod unwanted;
mod wishes;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::store::bells::News;
use crate::{
    Answer, Change, Claim, Counts, Ending, Enqueued, Entry, Events, Fence, Filter, Finish,
    Incarnation, Lease, Mark, NewTask, Operation, Progress, Rescued, Route, Selected, Selection,
    Store, StoreError, TaskId, Unserved, Wanted,
};
use bulk::{ChangeAll, CountAll};
use claims::{Claiming, Renew};
use endings::{Finishing, Rescue};
use intake::Enqueue;
use listing::{Count, Get, List};
use office::Office;
use serving::{Advertise, Missing};
use told::{Follow, Marks, Tidings};
use unwanted::Unwanted;
use wishes::{Purge, What, Wish};

pub use settings::PostgresSettings;

/// Keeps tasks in PostgreSQL, for any number of processes.
///
/// It works on a thread of its own, with connections of its own, until it is closed: what was asked
/// for is done even if nobody waits for the answer any more. While the server is away, callers wait as
/// long as they were told to be [patient](PostgresSettings::patience), and are told then.
pub struct PostgresStore {
    office: Arc<Office>,
    has_ended: watch::Receiver<bool>,
}

impl PostgresStore {
    /// Connects, and makes or updates the tables.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when the server does not answer in time, [`StoreError::Broken`]
    /// when it refuses or its tables are of a newer version.
    pub async fn connect(settings: PostgresSettings) -> Result<Self, StoreError> {
        let office = Arc::new(Office::new(settings)?);
        let opening = office.open().map_err(|error| StoreError::Unavailable {
            why: format!("its thread cannot be started: {error}"),
        })?;
        let store = PostgresStore { office, has_ended: opening.has_ended };
        opening.is_ready.await.unwrap_or(Err(StoreError::Closed))?;
        Ok(store)
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let incarnation = &self.office.incarnation;
        f.debug_struct("PostgresStore").field("incarnation", incarnation).finish_non_exhaustive()
    }
}

impl Drop for PostgresStore {
    /// What was asked for is still done.
    fn drop(&mut self) {
        self.office.queue.close();
    }
}

impl Store for PostgresStore {
    fn incarnation(&self) -> Incarnation {
        self.office.incarnation
    }

    fn identity(&self) -> &str {
        self.office.identity.get().expect("it is read before the store is handed out")
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn enqueue(&self, tasks: Vec<NewTask>, limit: u64) -> Answer<'_, Vec<Enqueued>> {
        Box::pin(self.office.ask(Enqueue { tasks, limit }))
    }

    fn claim(&self, kinds: Vec<Wanted>, limit: usize, lease: Duration) -> Answer<'_, Vec<Claim>> {
        Box::pin(self.office.ask(Claiming { kinds, limit, lease }))
    }

    fn renew(&self, attempts: Vec<Fence>, lease: Duration) -> Answer<'_, Vec<Lease>> {
        Box::pin(self.office.ask(Renew { attempts, lease }))
    }

    fn finish(&self, endings: Vec<(Fence, Ending)>) -> Answer<'_, Vec<Finish>> {
        Box::pin(self.office.ask(Finishing { endings }))
    }

    fn progress(&self, news: Vec<Progress>) -> Answer<'_, Vec<Option<u64>>> {
        Box::pin(self.office.ask(Tidings { news }))
    }

    fn rescue(&self, limit: usize) -> Answer<'_, Vec<Rescued>> {
        Box::pin(self.office.ask(Rescue { limit }))
    }

    fn advertise(&self, served: Vec<Route>, life: Duration) -> Answer<'_, ()> {
        Box::pin(self.office.ask(Advertise { served, life }))
    }

    fn unserved(&self) -> Answer<'_, Vec<Unserved>> {
        Box::pin(self.office.ask(Missing))
    }

    fn unwanted(&self, attempts: Vec<Fence>) -> Answer<'_, Vec<Fence>> {
        Box::pin(self.office.ask(Unwanted { attempts }))
    }

    fn cancel(&self, task: TaskId) -> Answer<'_, Change> {
        Box::pin(self.office.ask(Wish { task, what: What::Cancel }))
    }

    fn requeue(&self, task: TaskId) -> Answer<'_, Change> {
        Box::pin(self.office.ask(Wish { task, what: What::Requeue }))
    }

    fn discard(&self, task: TaskId) -> Answer<'_, Change> {
        Box::pin(self.office.ask(Wish { task, what: What::Discard }))
    }

    fn change_all(&self, operation: Operation, selection: Selection) -> Answer<'_, Selected> {
        Box::pin(self.office.ask(ChangeAll { operation, selection }))
    }

    fn count_all(&self, selection: Selection) -> Answer<'_, Selected> {
        Box::pin(self.office.ask(CountAll(selection)))
    }

    fn get(&self, task: TaskId) -> Answer<'_, Option<Entry>> {
        Box::pin(self.office.ask(Get(task)))
    }

    fn list(&self, filter: Filter) -> Answer<'_, Vec<Entry>> {
        Box::pin(self.office.ask(List(filter)))
    }

    fn events(&self, task: TaskId, after: u64, limit: usize) -> Answer<'_, Option<Events>> {
        Box::pin(self.office.ask(Follow { task, after, limit }))
    }

    fn counts(&self) -> Answer<'_, Counts> {
        Box::pin(self.office.ask(Count))
    }

    fn purge(&self, ended_before: Duration, limit: usize) -> Answer<'_, u64> {
        Box::pin(self.office.ask(Purge { ended_before, limit }))
    }

    fn marks(&self, tasks: Vec<TaskId>) -> Answer<'_, Vec<Option<Mark>>> {
        Box::pin(self.office.ask(Marks { tasks }))
    }

    /// Wakes for every change of this process that comes after the call, and soon after those of
    /// others.
    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.office.news.hear(News::Work).rings())
    }

    fn told(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.office.news.hear(News::Log).rings())
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async {
            self.office.queue.close();
            let mut has_ended = self.has_ended.clone();
            // A thread that is gone without a word has ended, too.
            let _ = has_ended.wait_for(|ended| *ended).await;
            Ok(())
        })
    }
}
