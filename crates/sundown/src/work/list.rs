//! The list behind owned work: who runs, since when, and how to abort it.
//!
//! Spawning is on the hot path of services, so an entry costs one short lock when it is put there
//! and one when its task is gone, on one of several shards. An entry is published after its task
//! was spawned, with the handle that aborts it; a task that was quicker leaves a mark for the
//! publisher to find.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Place;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::since::Since;
use crate::sync::{Mutex, locked};
use crate::waiter::Name;

const SHARDS: usize = 8;
/// How many threads have a place of their own to say what they run; others share.
const THREADS: usize = 64;
/// The bit of `alive` that says that the list is closed.
const CLOSED: usize = 1 << (usize::BITS - 1);
/// The bit of an id that says that it is a component's: the plan waits for it by itself, so it is
/// neither counted nor closed here.
const COMPONENT: u64 = 1 << 63;
/// How many failures are kept.
const FAILURES: usize = 100;

#[derive(Debug)]
pub(super) struct List {
    shards: [Shard; SHARDS],
    next_id: AtomicU64,
    next_component: AtomicU64,
    /// How many tasks there are, and whether the list is closed: one number, so that it can be
    /// closed only while it is empty.
    alive: AtomicUsize,
    /// Nobody is expected to begin more: the list closes once it is empty.
    is_freed: AtomicBool,
    /// The task that each thread runs just now; 0 is none.
    on_thread: [AtomicU64; THREADS],
    emptied: Notify,
    /// How many came after the list was closed.
    refused: AtomicU64,
    /// Names and errors of tasks that panicked, or failed under supervision.
    failures: Mutex<Vec<(Name, String)>>,
}

/// On a cache line of its own, so that neighbours do not slow each other down.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Shard(Mutex<Entries>);

/// `None` is the mark of a task that ended before it was published.
type Entries = HashMap<u64, Option<Entry>, BuildHasherDefault<Spread>>;

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: Name,
    pub(super) since: Since,
    pub(super) abort: AbortHandle,
}

/// A running piece of owned work, as reports name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StillRunning {
    pub(crate) name: Name,
    pub(crate) age: Duration,
    /// Whether it was on a runtime thread just now: what stays there long blocks that thread.
    pub(crate) on_thread: bool,
}

impl Default for List {
    fn default() -> Self {
        List {
            shards: Default::default(),
            next_id: AtomicU64::new(1),
            next_component: AtomicU64::new(0),
            alive: AtomicUsize::new(0),
            is_freed: AtomicBool::new(false),
            refused: AtomicU64::new(0),
            failures: Mutex::default(),
            on_thread: std::array::from_fn(|_| AtomicU64::new(0)),
            emptied: Notify::new(),
        }
    }
}

impl List {
    /// A place for a task that is about to be spawned, unless the list is closed.
    pub(super) fn ticket(self: &Arc<Self>) -> Option<Ticket> {
        if self.alive.fetch_add(1, Ordering::SeqCst) & CLOSED != 0 {
            self.alive.fetch_sub(1, Ordering::SeqCst);
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        Some(Ticket { list: self.clone(), id })
    }

    /// A place for the task of a component.
    pub(super) fn component_ticket(self: &Arc<Self>) -> Ticket {
        let id = self.next_component.fetch_add(1, Ordering::Relaxed) | COMPONENT;
        Ticket { list: self.clone(), id }
    }

    /// Makes a spawned task known. One that comes while the list is closed is aborted.
    pub(super) fn publish(&self, id: u64, entry: Entry) {
        let ended = match locked(self.shard(id)).entry(id) {
            Place::Vacant(place) => {
                place.insert(Some(entry));
                None
            }
            Place::Occupied(mark) => Some((mark.remove(), entry)),
        };
        drop(ended);
        // Only now: whoever closes the list afterwards finds the entry.
        if self.is_closed() && !is_component(id) {
            let late = locked(self.shard(id)).get(&id).cloned().flatten();
            late.inspect(|entry| entry.abort.abort());
        }
    }

    fn is_closed(&self) -> bool {
        self.alive.load(Ordering::SeqCst) & CLOSED != 0
    }

    fn remove(&self, id: u64) {
        let entry = match locked(self.shard(id)).entry(id) {
            Place::Vacant(place) => {
                place.insert(None);
                None
            }
            Place::Occupied(place) => place.remove(),
        };
        if std::thread::panicking() && !is_component(id) {
            let name = entry.as_ref().map(|entry| entry.name.clone());
            self.has_failed(name.unwrap_or("a task".into()), "panicked".to_owned());
        }
        drop(entry);
        if is_component(id) {
            return;
        }
        if self.alive.fetch_sub(1, Ordering::SeqCst) & !CLOSED == 1 {
            self.emptied.notify_waiters();
        }
    }

    fn shard(&self, id: u64) -> &Mutex<Entries> {
        let index = usize::try_from(id % SHARDS as u64).expect("below SHARDS");
        &self.shards[index].0
    }

    /// Marks the task as being on this thread for as long as the guard lives.
    pub(super) fn running_here(&self, id: u64) -> OnThread<'_> {
        let place = &self.on_thread[THREAD.with(|number| *number)];
        place.store(id, Ordering::Relaxed);
        OnThread(place)
    }

    pub(super) fn len(&self) -> usize {
        self.alive.load(Ordering::SeqCst) & !CLOSED
    }

    /// A task panicked, or failed under supervision.
    pub(super) fn has_failed(&self, name: Name, error: String) {
        let mut failures = locked(&self.failures);
        if failures.len() < FAILURES {
            failures.push((name, error));
        }
    }

    pub(super) fn failures(&self) -> Vec<(Name, String)> {
        locked(&self.failures).clone()
    }

    /// Forgets the failures so far: what went wrong while the service ran was told then.
    pub(super) fn forget_failures(&self) {
        locked(&self.failures).clear();
    }

    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// From now on the list may close as soon as it is empty.
    pub(super) fn free(&self) {
        self.is_freed.store(true, Ordering::SeqCst);
        self.emptied.notify_waiters();
    }

    pub(super) fn was_used(&self) -> bool {
        self.next_id.load(Ordering::Relaxed) > 1
    }

    /// Waits until the list was freed and nothing runs, and closes it in the same instant: what
    /// was spawned before is waited for, what comes after is refused.
    pub(super) async fn close_when_empty(&self) {
        loop {
            let changed = self.emptied.notified();
            let closes = self.is_freed.load(Ordering::SeqCst)
                && self
                    .alive
                    .compare_exchange(0, CLOSED, Ordering::SeqCst, Ordering::SeqCst)
                    .is_ok();
            if closes || self.is_closed() {
                return;
            }
            changed.await;
        }
    }

    /// Closes the list: aborts what is on it, and what is published from now on.
    pub(super) fn close(&self) -> Vec<StillRunning> {
        self.alive.fetch_or(CLOSED, Ordering::SeqCst);
        let entries = self.owned();
        let running = self.describe(&entries);
        for (_, entry) in entries {
            entry.abort.abort();
        }
        running
    }

    /// What runs, the oldest first.
    pub(super) fn running(&self) -> Vec<StillRunning> {
        self.describe(&self.owned())
    }

    fn owned(&self) -> Vec<(u64, Entry)> {
        let all = self.shards.iter().flat_map(|shard| published(&locked(&shard.0)));
        all.filter(|(id, _)| !is_component(*id)).collect()
    }

    /// The same without waiting for a lock, and the components that hold a runtime thread.
    pub(super) fn try_running(&self) -> Option<Vec<StillRunning>> {
        let mut entries = Vec::new();
        for shard in &self.shards {
            entries.extend(published(&*shard.0.try_lock().ok()?));
        }
        entries.retain(|(id, _)| !is_component(*id) || self.is_on_thread(*id));
        Some(self.describe(&entries))
    }

    fn is_on_thread(&self, id: u64) -> bool {
        self.on_thread.iter().any(|on| on.load(Ordering::Relaxed) == id)
    }

    fn describe(&self, entries: &[(u64, Entry)]) -> Vec<StillRunning> {
        let mut running: Vec<_> = entries
            .iter()
            .map(|(id, entry)| StillRunning {
                name: entry.name.clone(),
                age: entry.since.elapsed(),
                on_thread: self.is_on_thread(*id),
            })
            .collect();
        running.sort_by_key(|work| std::cmp::Reverse(work.age));
        running
    }
}

fn is_component(id: u64) -> bool {
    id & COMPONENT != 0
}

fn published(entries: &Entries) -> Vec<(u64, Entry)> {
    entries.iter().filter_map(|(id, entry)| Some((*id, entry.clone()?))).collect()
}

/// A task's place in the list, given up when the task is gone.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) list: Arc<List>,
    pub(super) id: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.list.remove(self.id);
    }
}

/// Says that a task is on a thread, until it is dropped.
pub(super) struct OnThread<'a>(&'a AtomicU64);

impl Drop for OnThread<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

thread_local! {
    /// This thread's place in [`List::on_thread`].
    static THREAD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed) % THREADS
    };
}

/// Spreads consecutive ids over the table; nobody outside chooses them.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(self.0 ^ u64::from(byte)));
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = id.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
