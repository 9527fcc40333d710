//! A store before which a test can stand: it is late, fails, or panics, as the test says.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sundown_tasks::{
    Answer, Change, Claim, Counts, Ending, Enqueued, Entry, Events, Fence, Filter, Finish,
    Incarnation, Lease, NewTask, Operation, Progress, Rescued, Route, Selected, Selection, Store,
    StoreError, TaskId, Unserved, Wanted,
};
use tokio::time::sleep;

/// What the store is asked.
pub(crate) enum Asked<'a> {
    Claim,
    Renew,
    Finish(&'a [(Fence, Ending)]),
    Progress,
    Rescue,
    RescueOfDead,
    /// Whatever reads.
    Read,
}

/// What becomes of it.
pub(crate) enum Fate {
    Done,
    Late(Duration),
    Fails(StoreError),
    Panics,
}

pub(crate) fn away() -> Fate {
    Fate::Fails(StoreError::Unavailable { why: "as the test said".to_owned() })
}

pub(crate) fn broken() -> Fate {
    Fate::Fails(StoreError::Broken { why: "as the test said".to_owned() })
}

/// See above.
pub(crate) struct Faulty {
    inner: Arc<dyn Store>,
    fate: Box<dyn Fn(Asked<'_>) -> Fate + Send + Sync>,
}

impl Faulty {
    pub(crate) fn before(
        inner: Arc<dyn Store>,
        fate: impl Fn(Asked<'_>) -> Fate + Send + Sync + 'static,
    ) -> Arc<dyn Store> {
        Arc::new(Faulty { inner, fate: Box::new(fate) })
    }

    fn after<'a, T: 'a>(&'a self, asked: Asked<'_>, then: Answer<'a, T>) -> Answer<'a, T> {
        let fate = (self.fate)(asked);
        Box::pin(async move {
            match fate {
                Fate::Done => {}
                Fate::Late(time) => sleep(time).await,
                Fate::Fails(error) => return Err(error),
                Fate::Panics => panic!("as the test said"),
            }
            then.await
        })
    }
}

impl fmt::Debug for Faulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl Store for Faulty {
    fn incarnation(&self) -> Incarnation {
        self.inner.incarnation()
    }
    fn identity(&self) -> &str {
        self.inner.identity()
    }
    fn is_shared(&self) -> bool {
        self.inner.is_shared()
    }
    fn enqueue(&self, tasks: Vec<NewTask>, limit: u64) -> Answer<'_, Vec<Enqueued>> {
        self.inner.enqueue(tasks, limit)
    }
    fn claim(&self, kinds: Vec<Wanted>, limit: usize, lease: Duration) -> Answer<'_, Vec<Claim>> {
        self.after(Asked::Claim, self.inner.claim(kinds, limit, lease))
    }
    fn renew(&self, attempts: Vec<Fence>, lease: Duration) -> Answer<'_, Vec<Lease>> {
        self.after(Asked::Renew, self.inner.renew(attempts, lease))
    }
    fn finish(&self, endings: Vec<(Fence, Ending)>) -> Answer<'_, Vec<Finish>> {
        self.after(Asked::Finish(&endings.clone()), self.inner.finish(endings))
    }
    fn progress(&self, news: Vec<Progress>) -> Answer<'_, Vec<Option<u64>>> {
        self.after(Asked::Progress, self.inner.progress(news))
    }
    fn rescue(&self, limit: usize) -> Answer<'_, Vec<Rescued>> {
        self.after(Asked::Rescue, self.inner.rescue(limit))
    }
    fn rescue_of_dead(&self, limit: usize) -> Answer<'_, Vec<Rescued>> {
        self.after(Asked::RescueOfDead, self.inner.rescue_of_dead(limit))
    }
    fn advertise(&self, served: Vec<Route>, life: Duration) -> Answer<'_, ()> {
        self.inner.advertise(served, life)
    }
    fn unserved(&self) -> Answer<'_, Vec<Unserved>> {
        self.after(Asked::Read, self.inner.unserved())
    }
    fn unwanted(&self, attempts: Vec<Fence>) -> Answer<'_, Vec<Fence>> {
        self.after(Asked::Read, self.inner.unwanted(attempts))
    }
    fn cancel(&self, task: TaskId) -> Answer<'_, Change> {
        self.inner.cancel(task)
    }
    fn requeue(&self, task: TaskId) -> Answer<'_, Change> {
        self.inner.requeue(task)
    }
    fn discard(&self, task: TaskId) -> Answer<'_, Change> {
        self.inner.discard(task)
    }
    fn change_all(&self, operation: Operation, selection: Selection) -> Answer<'_, Selected> {
        self.inner.change_all(operation, selection)
    }
    fn count_all(&self, selection: Selection) -> Answer<'_, Selected> {
        self.inner.count_all(selection)
    }
    fn get(&self, task: TaskId) -> Answer<'_, Option<Entry>> {
        self.after(Asked::Read, self.inner.get(task))
    }
    fn list(&self, filter: Filter) -> Answer<'_, Vec<Entry>> {
        self.after(Asked::Read, self.inner.list(filter))
    }
    fn events(&self, task: TaskId, after: u64, limit: usize) -> Answer<'_, Option<Events>> {
        self.after(Asked::Read, self.inner.events(task, after, limit))
    }
    fn counts(&self) -> Answer<'_, Counts> {
        self.after(Asked::Read, self.inner.counts())
    }
    fn purge(&self, ended_before: Duration, limit: usize) -> Answer<'_, u64> {
        self.inner.purge(ended_before, limit)
    }
    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.inner.changed()
    }
    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}
