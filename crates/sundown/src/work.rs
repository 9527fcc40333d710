//! Owned work: tasks with a name, listed while they block the shutdown, aborted at its deadline.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

use crate::Cause;
use crate::contract::ShutdownCoordinator;
use crate::panics::message_of;
use crate::sync::{Mutex, OnceLock, locked};
use crate::telling::quietly;
use crate::waiter::Name;

/// The tasks that a coordinator owns. Cheap to clone; a clone is the same list.
#[derive(Clone)]
pub struct Work {
    list: Arc<List>,
    owner: Weak<dyn ShutdownCoordinator>,
}

/// A running piece of owned work, as reports name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StillRunning {
    pub(crate) name: Name,
    pub(crate) age: Duration,
    /// Whether it was on a runtime thread just now: what stays there long blocks that thread.
    pub(crate) on_thread: bool,
}

#[derive(Default)]
struct List {
    entries: Mutex<Entries>,
    emptied: Notify,
}

#[derive(Default)]
struct Entries {
    slots: Vec<Option<Arc<Entry>>>,
    free: Vec<usize>,
    ever: u64,
    is_closed: bool,
}

struct Entry {
    name: Name,
    since: Instant,
    on_thread: AtomicBool,
    abort: OnceLock<AbortHandle>,
}

impl Work {
    /// An empty list. Its owner is told when a supervised task fails.
    pub fn new(owner: Weak<dyn ShutdownCoordinator>) -> Self {
        Work { list: Arc::default(), owner }
    }

    /// Runs the future as a task of this list.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn spawn<F>(&self, name: impl Into<Name>, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        let entry = Arc::new(Entry {
            name: name.into(),
            since: Instant::now(),
            on_thread: AtomicBool::new(false),
            abort: OnceLock::new(),
        });
        let (slot, is_closed) = locked(&self.list.entries).put(entry.clone());
        let ticket = Ticket { list: self.list.clone(), slot, entry: entry.clone() };
        #[expect(clippy::disallowed_methods, reason = "this list is the owner")]
        let task = tokio::spawn(Owned { future, ticket });
        let abort = task.abort_handle();
        if is_closed {
            abort.abort();
        }
        let _ = entry.abort.set(abort);
        task
    }

    /// Runs the future as a task of this list whose error or panic begins the shutdown.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn supervise<F, E>(&self, name: impl Into<Name>, future: F) -> JoinHandle<()>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        let name = name.into();
        let (owner, component) = (self.owner.clone(), name.clone());
        self.spawn(name, async move {
            let error = match (Caught { future }).await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => format!("{error:#}"),
                Err(panic) => format!("panicked: {panic}"),
            };
            quietly(|| tracing::error!(%component, %error, "component failed; shutting down"));
            if let Some(owner) = owner.upgrade() {
                owner.initiate(Cause::failed(component, error));
            }
        })
    }

    /// How many are running.
    pub fn len(&self) -> usize {
        let entries = locked(&self.list.entries);
        entries.slots.len() - entries.free.len()
    }

    /// Whether none is running.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn was_used(&self) -> bool {
        locked(&self.list.entries).ever > 0
    }

    /// Those still running, the oldest first.
    pub(crate) fn running(&self) -> Vec<StillRunning> {
        let entries: Vec<_> = locked(&self.list.entries).slots.iter().flatten().cloned().collect();
        list_of(&entries)
    }

    /// The same without waiting for a lock.
    pub(crate) fn try_running(&self) -> Option<Vec<StillRunning>> {
        let entries: Vec<_> =
            self.list.entries.try_lock().ok()?.slots.iter().flatten().cloned().collect();
        Some(list_of(&entries))
    }

    /// Waits until none is running.
    pub(crate) async fn drained(&self) {
        loop {
            let emptied = self.list.emptied.notified();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// Aborts those that are left, and whatever is spawned from now on.
    pub(crate) fn close(&self) -> Vec<StillRunning> {
        let entries: Vec<_> = {
            let mut entries = locked(&self.list.entries);
            entries.is_closed = true;
            entries.slots.iter().flatten().cloned().collect()
        };
        for abort in entries.iter().filter_map(|entry| entry.abort.get()) {
            abort.abort();
        }
        list_of(&entries)
    }
}

fn list_of(entries: &[Arc<Entry>]) -> Vec<StillRunning> {
    let mut running: Vec<_> = entries
        .iter()
        .map(|entry| StillRunning {
            name: entry.name.clone(),
            age: entry.since.elapsed(),
            on_thread: entry.on_thread.load(Ordering::Relaxed),
        })
        .collect();
    running.sort_by_key(|work| std::cmp::Reverse(work.age));
    running
}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Work").field("running", &self.len()).finish()
    }
}

impl Entries {
    fn put(&mut self, entry: Arc<Entry>) -> (usize, bool) {
        self.ever += 1;
        let slot = match self.free.pop() {
            Some(slot) => {
                self.slots[slot] = Some(entry);
                slot
            }
            None => {
                self.slots.push(Some(entry));
                self.slots.len() - 1
            }
        };
        (slot, self.is_closed)
    }
}

/// A task's place in the list, given up when the task is gone.
struct Ticket {
    list: Arc<List>,
    slot: usize,
    entry: Arc<Entry>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut entries = locked(&self.list.entries);
        entries.slots[self.slot] = None;
        entries.free.push(self.slot);
        let is_empty = entries.free.len() == entries.slots.len();
        drop(entries);
        if is_empty {
            self.list.emptied.notify_waiters();
        }
    }
}

pin_project! {
    /// The future first, the ticket after it: it is off the list once its destructors have run.
    struct Owned<F> {
        #[pin]
        future: F,
        ticket: Ticket,
    }
}

impl<F: Future> Future for Owned<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let on_thread = &this.ticket.entry.on_thread;
        on_thread.store(true, Ordering::Relaxed);
        let poll = this.future.poll(cx);
        on_thread.store(false, Ordering::Relaxed);
        poll
    }
}

pin_project! {
    /// A future whose panic is its output.
    struct Caught<F> {
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, String>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        let poll = catch_unwind(AssertUnwindSafe(|| future.poll(cx)));
        match poll {
            Ok(poll) => Poll::Ready(Ok(ready!(poll))),
            Err(payload) => Poll::Ready(Err(message_of(&*payload))),
        }
    }
}
