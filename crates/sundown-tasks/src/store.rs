//! What a store of tasks can do. There is one suite of tests that every store must pass, and
//! nothing above this trait knows which one it talks to.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) mod age;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) mod bells;
mod bulk;
mod error;
mod event;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) mod json;
mod route;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::bulk::{Operation, Selected, Selection};
pub use self::error::StoreError;
pub use self::event::{Events, Mark, TaskEvent, What};
pub use self::route::{Route, Unserved, Wanted};
use crate::state::State;
use crate::{Fence, Incarnation, TaskId};

/// What a store answers, later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Milliseconds since 1970, by the clock of the store. For people and for `run_at`; leases are
/// measured by a clock that nobody can set.
pub type UnixMillis = i64;

/// Keeps tasks. One value stands for one process: whatever it claims, it claims as its
/// [incarnation](Store::incarnation).
///
/// Every method that changes something is one transaction: when it answers, what it did is on disk,
/// and when it fails, nothing was done or it is not known whether it was. Calls that come at the same
/// time share a commit.
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// As whom it claims.
    fn incarnation(&self) -> Incarnation;

    /// What tells this store from every other one: random, made with the store and kept in it. It is
    /// the same for every process, and a store that is restored from a backup keeps it. Together with
    /// the id of a task it is a name that no other task has.
    fn identity(&self) -> &str;

    /// Whether processes elsewhere run what is taken in here, so that it may be taken in although this
    /// process stops.
    fn is_shared(&self) -> bool;

    /// Takes tasks in, in this order. `limit` is how many may wait; those beyond it are refused,
    /// but a key that is known is answered however many wait. Inputs are the same if they are the
    /// same JSON, however spaced, with numbers that are written the same.
    fn enqueue(&self, tasks: Vec<NewTask>, limit: u64) -> Answer<'_, Vec<Enqueued>>;

    /// Claims tasks that may run now, those of higher priority first, then the older ones, and
    /// answers them in that order: of each kind at most as many as it says, and `limit` in all.
    /// They are leased for so long. Only tasks of a route that is wanted are claimed, and those without
    /// a route; however many others wait, they cost nothing.
    fn claim(&self, kinds: Vec<Wanted>, limit: usize, lease: Duration) -> Answer<'_, Vec<Claim>>;

    /// Prolongs leases.
    fn renew(&self, attempts: Vec<Fence>, lease: Duration) -> Answer<'_, Vec<Lease>>;

    /// Ends attempts. An attempt that lost its lease, or has ended before, changes nothing.
    fn finish(&self, endings: Vec<(Fence, Ending)>) -> Answer<'_, Vec<Finish>>;

    /// Writes progress and checkpoints, each pair in one step. Answers the number of the event, and
    /// nothing for an attempt that lost its lease.
    fn progress(&self, news: Vec<Progress>) -> Answer<'_, Vec<Option<u64>>>;

    /// Takes back what processes that are gone had claimed: those whose lease has run out.
    fn rescue(&self, limit: usize) -> Answer<'_, Vec<Rescued>>;

    /// The same, of processes that are proven to be gone, whatever their leases say. A store that has
    /// no proof takes nothing back, and answers.
    fn rescue_of_dead(&self, _limit: usize) -> Answer<'_, Vec<Rescued>> {
        self.rescue(0)
    }

    /// Says what this process claims, so that others can tell which tasks wait for a process that is not
    /// there. It replaces what was said before, and holds for so long, or as long as the process lives.
    fn advertise(&self, _served: Vec<Route>, _life: Duration) -> Answer<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// What could run now and is claimed by no living process, in order.
    fn unserved(&self) -> Answer<'_, Vec<Unserved>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Those of these attempts whose task nobody wants any more. A store that cannot say it here says
    /// it with the next [`renew`](Store::renew).
    fn unwanted(&self, _attempts: Vec<Fence>) -> Answer<'_, Vec<Fence>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Ends a task, or asks whoever runs it to.
    fn cancel(&self, task: TaskId) -> Answer<'_, Change>;

    /// Lets a task that failed, died or was cancelled begin again.
    fn requeue(&self, task: TaskId) -> Answer<'_, Change>;

    /// Forgets a task that is over.
    fn discard(&self, task: TaskId) -> Answer<'_, Change>;

    /// Changes all selected tasks. A task that somebody else changes meanwhile stays as it is.
    fn change_all(&self, operation: Operation, selection: Selection) -> Answer<'_, Selected>;

    /// Counts them.
    fn count_all(&self, selection: Selection) -> Answer<'_, Selected>;

    /// A task as it stands.
    fn get(&self, task: TaskId) -> Answer<'_, Option<Entry>>;

    /// Tasks, the newest first.
    fn list(&self, filter: Filter) -> Answer<'_, Vec<Entry>>;

    /// The events of a task that come after this one. Nothing for a task that is not there.
    fn events(&self, task: TaskId, after: u64, limit: usize) -> Answer<'_, Option<Events>>;

    /// How far the logs of these tasks go, and where the tasks stand; in this order. Nothing for a task
    /// that is not there. One question for whoever follows many.
    fn marks(&self, tasks: Vec<TaskId>) -> Answer<'_, Vec<Option<Mark>>> {
        Box::pin(async move {
            let mut marks = Vec::with_capacity(tasks.len());
            for task in tasks {
                let events = self.events(task, u64::MAX, 0).await?;
                marks.push(events.as_ref().map(Mark::of));
            }
            Ok(marks)
        })
    }

    /// How many tasks there are in each state. It may be a moment old.
    fn counts(&self) -> Answer<'_, Counts>;

    /// Forgets tasks that ended so long ago, with their events; at most `limit`, and answers how many.
    fn purge(&self, ended_before: Duration, limit: usize) -> Answer<'_, u64>;

    /// Waits until there may be news: tasks to claim, tasks to cancel, tasks that are over; counted from
    /// this call, awaited or not yet: so call it, look, and then await it. It may wake for nothing, and it
    /// may miss something (a process that dies, a time that comes), so whoever waits looks by itself
    /// from time to time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// As [`changed`](Self::changed), and for events as well.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    fn told(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.changed()
    }

    /// Waits until everything that was asked for is on disk, and closes.
    fn close(&self) -> Answer<'_, ()>;
}

/// A task to be.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// What it is: the name of its code.
    pub kind: String,
    /// Only processes that want this route claim it. Empty: all that want the kind.
    pub route: String,
    /// What it works on.
    pub input: Box<RawValue>,
    /// Whoever comes again with the same key gets the same task.
    pub key: Option<String>,
    /// The higher, the sooner.
    pub priority: i16,
    /// When it may run at the earliest.
    pub run_at: Option<UnixMillis>,
    /// How many attempts may fail.
    pub max_attempts: u32,
    /// How many may be interrupted before that counts as a failure.
    pub max_interruptions: u32,
}

/// What became of a task that was to be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It was.
    New(TaskId),
    /// It was before, under the same key.
    Known(TaskId),
    /// Its key belongs to another task, of another kind or with another input.
    KeyTaken(TaskId),
    /// Too many wait already.
    Full,
}

/// A task that was claimed, with all that an attempt needs to know.
#[derive(Debug, Clone)]
pub struct Claim {
    /// The attempt.
    pub fence: Fence,
    /// The kind.
    pub kind: String,
    /// What it works on.
    pub input: Box<RawValue>,
    /// How far an attempt before it came.
    pub checkpoint: Option<Checkpoint>,
    /// How many attempts failed before.
    pub failures: u32,
    /// How many were interrupted before.
    pub interruptions: u32,
    /// How many may fail.
    pub max_attempts: u32,
}

/// How far an attempt came: the name of a step, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The step.
    pub step: String,
    /// Where in it: whatever the task can read again.
    pub cursor: serde_json::Value,
}

/// How it stands with a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lease {
    /// It was prolonged.
    Held,
    /// It was prolonged, and somebody asked for the end of the task.
    Unwanted,
    /// It belongs to somebody else now, or to nobody.
    Lost,
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// With this output.
    Succeeded(Box<RawValue>),
    /// With this error; it may be tried again after so long.
    Failed {
        /// Why.
        error: String,
        /// How long it is left alone.
        retry_in: Duration,
    },
    /// With this error, and would do so again.
    FailedForGood {
        /// Why.
        error: String,
    },
    /// It was cut short by no fault of its own.
    Interrupted {
        /// Why.
        reason: String,
    },
    /// It never began.
    Returned,
    /// This process cannot run it, another one may. It counts neither as a failure nor as an interruption.
    Declined {
        /// Why.
        reason: String,
        /// How long it is left alone.
        again_in: Duration,
    },
    /// It was not wanted any more.
    Stopped,
}

/// What the end of an attempt made of its task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// This.
    Now(State),
    /// Nothing: the attempt had lost its lease, or had ended before.
    Superseded,
}

/// What an attempt has to tell.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Which attempt.
    pub fence: Fence,
    /// For those who follow it.
    pub event: Option<Box<RawValue>>,
    /// For the attempt after it.
    pub checkpoint: Option<Checkpoint>,
}

/// A task whose process was gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rescued {
    /// The attempt that was lost.
    pub fence: Fence,
    /// Where the task stands now.
    pub state: State,
}

/// What became of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was granted: the task stands here now.
    Now(State),
    /// It cannot be granted to a task that stands here.
    Impossible(State),
    /// There is no such task.
    Unknown,
}

/// A task as others see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub id: TaskId,
    /// Its kind.
    pub kind: String,
    /// Its route within the kind, if it has one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub route: String,
    /// Where it stands.
    pub state: State,
    /// The higher, the sooner.
    pub priority: i16,
    /// How many attempts were begun.
    pub attempt: u32,
    /// How many failed.
    pub failures: u32,
    /// How many were interrupted.
    pub interruptions: u32,
    /// How many may fail.
    pub max_attempts: u32,
    /// Somebody asked for its end, and it has not ended yet.
    pub is_unwanted: bool,
    /// What it works on.
    pub input: Box<RawValue>,
    /// What came of it.
    pub output: Option<Box<RawValue>>,
    /// Why its last attempt did not succeed.
    pub error: Option<String>,
    /// What it waits for, if no running process can run it.
    #[serde(default)]
    pub waits_for: Option<String>,
    /// How far it came.
    pub checkpoint: Option<Checkpoint>,
    /// The key it was taken in with.
    pub key: Option<String>,
    /// The number of its last event.
    pub last_event: u64,
    /// When it was taken in.
    pub created_at: UnixMillis,
    /// When it may run.
    pub run_at: UnixMillis,
    /// When its last attempt began.
    pub started_at: Option<UnixMillis>,
    /// When it was over.
    pub ended_at: Option<UnixMillis>,
}

/// Which tasks are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those that stand here.
    pub state: Option<State>,
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those before this one: the last of the page before.
    pub before: Option<TaskId>,
    /// At most so many.
    pub limit: usize,
    /// With the task by which inputs, outputs and cursors come to so many bytes, the page ends.
    pub bytes: Option<usize>,
}

/// How many tasks there are in each state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Those that wait.
    pub pending: u64,
    /// Those that run.
    pub running: u64,
    /// Those that died, and that failed for good.
    pub dead: u64,
}
