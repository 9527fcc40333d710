//! Notifications: callbacks run at once when the shutdown begins, each whatever the others do.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::Cause;
use crate::panics::{message_of, quietly};
use crate::sync::{Mutex, locked};
use crate::waiter::Name;

/// How long the plan waits for one that breaks its promise not to block.
const PATIENCE: Duration = Duration::from_millis(100);
/// How long it waits for all of them.
const LONGEST_PATIENCE: Duration = Duration::from_secs(1);

pub(crate) type Callback = Box<dyn FnOnce(&Cause) + Send>;

/// A callback with a name. See
/// [`register_notification`](trait.ShutdownCoordinator.html#method.register_notification).
pub struct Notification {
    name: Name,
    callback: Callback,
}

impl Notification {
    /// A callback with a name for logs and reports.
    pub fn new(name: impl Into<Name>, callback: impl FnOnce(&Cause) + Send + 'static) -> Self {
        Notification { name: name.into(), callback: Box::new(callback) }
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Those registered, and what became of those that were run.
#[derive(Debug, Default)]
pub(crate) struct Notifications {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Counts those who run them. The latest one goes on; one who was held up by a callback and
    /// was replaced stops when it returns.
    runner: u64,
    is_running: bool,
    next_id: u64,
    waiting: VecDeque<(u64, Notification)>,
    records: Vec<Record>,
}

#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) name: Name,
    pub(crate) start: Instant,
    /// When it returned, and what it panicked with if it did.
    pub(crate) end: Option<(Instant, Option<String>)>,
}

impl Notifications {
    pub(crate) fn add(&self, notification: Notification) -> u64 {
        let mut state = locked(&self.state);
        let id = state.next_id;
        state.next_id += 1;
        state.waiting.push_back((id, notification));
        id
    }

    pub(crate) fn remove(&self, id: u64) {
        let mut state = locked(&self.state);
        let place = state.waiting.iter().position(|(waiting, _)| *waiting == id);
        let removed = place.and_then(|place| state.waiting.remove(place));
        drop(state);
        drop(removed);
    }

    pub(crate) fn is_empty(&self) -> bool {
        locked(&self.state).next_id == 0
    }

    /// Runs those that nobody has run yet, one after the other, unless somebody is at it.
    pub(crate) fn run(&self, cause: &Cause) {
        let runner = {
            let mut state = locked(&self.state);
            if std::mem::replace(&mut state.is_running, true) {
                return;
            }
            state.runner
        };
        self.run_as(runner, cause);
    }

    /// Takes the place of a runner who is held up.
    fn take_over(&self, cause: &Cause) {
        let runner = {
            let mut state = locked(&self.state);
            state.runner += 1;
            state.runner
        };
        self.run_as(runner, cause);
    }

    fn run_as(&self, runner: u64, cause: &Cause) {
        while let Some((index, callback)) = self.take_next(runner) {
            let result = catch_unwind(AssertUnwindSafe(|| callback(cause)));
            let panic = result.err().map(|payload| {
                let message = message_of(&*payload);
                quietly(|| drop(payload));
                message
            });
            let name = {
                let record = &mut locked(&self.state).records[index];
                record.end = Some((Instant::now(), panic.clone()));
                record.name.clone()
            };
            if let Some(panic) = panic {
                quietly(|| tracing::error!(notification = %name, %panic, "notification panicked"));
            }
            self.changed.notify_one();
        }
    }

    fn take_next(&self, runner: u64) -> Option<(usize, Callback)> {
        let mut state = locked(&self.state);
        if state.runner != runner {
            return None;
        }
        let Some((_, Notification { name, callback })) = state.waiting.pop_front() else {
            state.is_running = false;
            return None;
        };
        state.records.push(Record { name, start: Instant::now(), end: None });
        Some((state.records.len() - 1, callback))
    }

    /// Waits until all have run. One that blocks is waited for a moment only, and those behind it
    /// are run without it; and all of them together get no more than a second.
    pub(crate) async fn settle(self: &Arc<Self>, cause: &Cause) {
        let give_up = Instant::now() + LONGEST_PATIENCE;
        loop {
            let (waiting, running) = self.progress();
            if waiting == 0 && running.is_empty() {
                return;
            }
            let is_overdue = |(_, start): &(Name, Instant)| start.elapsed() >= PATIENCE;
            if !running.is_empty() && running.iter().all(is_overdue) {
                for (notification, _) in &running {
                    quietly(|| tracing::error!(%notification, "it blocks; going on without it"));
                }
                if waiting == 0 {
                    return;
                }
                let (rest, cause) = (self.clone(), cause.clone());
                drop(tokio::task::spawn_blocking(move || rest.take_over(&cause)));
            }
            if Instant::now() >= give_up {
                quietly(|| tracing::error!(waiting, "notifications take too long; going on"));
                return;
            }
            let _ = timeout(PATIENCE, self.changed.notified()).await;
        }
    }

    /// How many wait, and which run.
    fn progress(&self) -> (usize, Vec<(Name, Instant)>) {
        let state = locked(&self.state);
        let running = state.records.iter().filter(|record| record.end.is_none());
        (state.waiting.len(), running.map(|record| (record.name.clone(), record.start)).collect())
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        locked(&self.state).records.clone()
    }
}
