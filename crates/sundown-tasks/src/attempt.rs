//! The attempts of this process: which there are, how each is told to stop, and what it still owes.

mod held;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio_util::sync::CancellationToken;

use self::held::{Attempt, Held, Stage};
use crate::endings::Writer;
use crate::store::Ending;
use crate::{Fence, StoreError, TaskId, metrics};

/// Everything this process has claimed and not given back.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    held: Mutex<Held>,
    changed: Notify,
    /// For those who write them down.
    has_ended: Notify,
}

/// How an attempt is stopped from outside.
#[derive(Debug, Clone, Default)]
pub(crate) struct Leash {
    /// It is told to stop where it is.
    pub(crate) cancel: CancellationToken,
    /// Its code is dropped: nobody listens to it any more.
    pub(crate) cut: CancellationToken,
}

impl Attempts {
    /// `held_until` counts from before the claim was asked for: the store's lease ends no sooner.
    pub(crate) fn add(&self, fence: Fence, kind: String, held_until: Instant) -> Leash {
        let leash = Leash::default();
        let attempt = Attempt {
            fence,
            kind,
            since: Instant::now(),
            held_until,
            leash: leash.clone(),
            is_unwanted: false,
            stage: Stage::Waiting,
        };
        let mut held = self.held();
        // An attempt of ours that lost its lease while nobody looked.
        let older = held.attempts.get(&fence.task).map(|older| older.fence);
        if let Some(older) = older.and_then(|older| held.remove(older)) {
            older.stop();
        }
        held.attempts.insert(fence.task, attempt);
        leash
    }

    /// The code of an attempt runs from now on; this is said before it does. Answers whether it may:
    /// not if it was given back meanwhile.
    pub(crate) fn runs(&self, fence: Fence) -> bool {
        let mut held = self.held();
        let waits = held.get(fence).is_some_and(|held| held.stage == Stage::Waiting);
        waits && held.enter(fence, Stage::Running)
    }

    /// The code of an attempt has ended, and if its word still counts, that is to be written: one
    /// step, which nothing can come between. `note` sees what counts before the store does.
    pub(crate) fn end(&self, fence: Fence, ending: Ending, note: impl FnOnce(&Ending)) {
        let mut held = self.held();
        if held.get(fence).is_some_and(|held| held.is_open()) {
            note(&ending);
            held.enter(fence, Stage::Ended);
            held.endings.push(fence, ending);
        }
        drop(held);
        self.has_ended.notify_one();
        self.changed.notify_waiters();
    }

    /// Has these ends written as well; their code is not listened to any more.
    pub(crate) fn owe(&self, endings: Vec<(Fence, Ending)>) {
        let mut held = self.held();
        endings.into_iter().for_each(|(fence, ending)| held.endings.push(fence, ending));
        drop(held);
        self.has_ended.notify_one();
    }

    /// The ends that this one is to write next.
    pub(crate) fn endings(&self, writer: Writer) -> Vec<(Fence, Ending)> {
        self.held().endings.next(writer)
    }

    /// Waits until there are some. One of those who wait is woken.
    pub(crate) async fn some_ended(&self) {
        self.has_ended.notified().await;
    }

    /// How many ends are not written yet.
    pub(crate) fn unwritten(&self) -> usize {
        self.held().endings.len()
    }

    /// The store knows so many of the first of its own.
    pub(crate) fn written(&self, writer: Writer, count: usize) {
        let fences = self.held().endings.written(writer, count);
        self.forget(&fences);
    }

    /// The store cannot write so many of the first of its own. Answers which one is put aside.
    pub(crate) fn refused(&self, writer: Writer, count: usize, why: &StoreError) -> Option<Fence> {
        self.held().endings.refused(writer, count, why)
    }

    /// Whether it has put some aside.
    pub(crate) fn has_aside(&self, writer: Writer) -> bool {
        self.held().endings.has_aside(writer)
    }

    /// Has those tried again.
    pub(crate) fn take_up(&self, writer: Writer) {
        self.held().endings.take_up(writer);
    }

    /// The store knows how these ended.
    pub(crate) fn forget(&self, fences: &[Fence]) {
        let mut held = self.held();
        for fence in fences {
            held.remove(*fence);
        }
        drop(held);
        self.is_changed();
    }

    /// It is not this process's any more: its code is stopped. Answers whether it still ran; one
    /// whose end is being written loses its lease by that.
    pub(crate) fn lose(&self, fence: Fence) -> bool {
        let mut held = self.held();
        let runs = held.get(fence).is_some_and(|held| held.is_open());
        if runs && let Some(lost) = held.remove(fence) {
            lost.stop();
        }
        drop(held);
        self.is_changed();
        runs
    }

    /// Its lease was prolonged; `held_until` counts from before that was asked for.
    pub(crate) fn renewed(&self, fence: Fence, held_until: Instant) {
        if let Some(held) = self.held().get(fence) {
            held.held_until = held_until;
        }
    }

    /// For how long it is this process's for certain.
    pub(crate) fn lease_left(&self, fence: Fence) -> Duration {
        let until = self.held().get(fence).map(|held| held.held_until);
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Tells one to stop, because nobody wants it any more.
    pub(crate) fn cancel(&self, fence: Fence) {
        if let Some(held) = self.held().get(fence) {
            held.is_unwanted = true;
            held.leash.cancel.cancel();
        }
    }

    /// The same, for whichever attempt there is.
    pub(crate) fn cancel_task(&self, task: TaskId) {
        let fence = self.held().attempts.get(&task).map(|held| held.fence);
        if let Some(fence) = fence {
            self.cancel(fence);
        }
    }

    /// Whether it was told so.
    pub(crate) fn is_unwanted(&self, fence: Fence) -> bool {
        self.held().get(fence).is_some_and(|held| held.is_unwanted)
    }

    /// Tells all to stop.
    pub(crate) fn cancel_all(&self) {
        self.held().attempts.values().for_each(|held| held.leash.cancel.cancel());
    }

    /// Takes the word from all whose code has not ended, stops them, and says which they were.
    pub(crate) fn give_up(&self) -> Vec<Fence> {
        let mut held = self.held();
        let open = held.attempts.values().filter(|held| held.is_open());
        let mut given: Vec<Fence> = open.map(|open| open.fence).collect();
        given.sort_unstable();
        for fence in &given {
            if let Some(open) = held.get(*fence) {
                open.stop();
            }
            held.enter(*fence, Stage::Given);
        }
        given
    }

    /// What kind it is.
    pub(crate) fn kind_of(&self, fence: Fence) -> Option<String> {
        self.held().get(fence).map(|held| held.kind.clone())
    }

    /// How many attempts have run and do not any more, since the start.
    pub(crate) fn ran(&self) -> u64 {
        self.held().ran
    }

    /// All that are held.
    pub(crate) fn fences(&self) -> Vec<Fence> {
        self.held().attempts.values().map(|held| held.fence).collect()
    }

    /// All whose lease must be kept. Those that are being handed back are not among them: should
    /// that fail, their lease runs out.
    pub(crate) fn leased(&self) -> Vec<Fence> {
        let held = self.held();
        let leased = held.attempts.values().filter(|held| held.stage != Stage::Given);
        leased.map(|held| held.fence).collect()
    }

    /// Whether there is one whose lease may have run out: this process was frozen, or could not renew.
    pub(crate) fn is_overdue(&self) -> bool {
        let (held, now) = (self.held(), Instant::now());
        let mut leased = held.attempts.values().filter(|held| held.stage != Stage::Given);
        leased.any(|held| held.held_until < now)
    }

    /// All whose code runs and was not told yet that nobody wants it.
    pub(crate) fn wanted(&self) -> Vec<Fence> {
        let held = self.held();
        let wanted = held.attempts.values().filter(|held| held.is_running() && !held.is_unwanted);
        wanted.map(|held| held.fence).collect()
    }

    /// Claimed or running: what a person would call active.
    pub(crate) fn len(&self) -> usize {
        self.held().attempts.len()
    }

    /// How many run.
    pub(crate) fn running(&self) -> usize {
        self.held().running
    }

    /// How many of a kind run.
    pub(crate) fn running_of(&self, kind: &str) -> usize {
        self.held().running_of.get(kind).copied().unwrap_or(0)
    }

    /// Those that are held, with their kinds and ages.
    pub(crate) fn list(&self) -> Vec<(Fence, String, Duration)> {
        let held = self.held();
        let describe = |held: &Attempt| (held.fence, held.kind.clone(), held.since.elapsed());
        held.attempts.values().map(describe).collect()
    }

    /// Waits until none is held.
    pub(crate) async fn none_left(&self) {
        loop {
            let changed = self.changed.notified();
            if self.len() == 0 {
                return;
            }
            changed.await;
        }
    }

    /// The next time one ends or is gone, counted from this call.
    pub(crate) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Tells those who wait, and those who watch.
    pub(crate) fn is_changed(&self) {
        metrics::active(self.len());
        self.changed.notify_waiters();
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holder_of_a_lease_that_lasts_has_time_left() {
        let attempts = Attempts::default();
        let fence = Fence { task: TaskId(1), attempt: 2 };
        let older = Fence { attempt: 1, ..fence };
        let hour = Duration::from_secs(3600);
        attempts.add(fence, "count".to_owned(), Instant::now());
        assert!(attempts.lease_left(fence).is_zero(), "it was frozen since it was claimed");
        attempts.renewed(older, Instant::now() + hour);
        assert!(attempts.lease_left(fence).is_zero(), "that was another attempt");
        attempts.renewed(fence, Instant::now() + hour);
        assert!(attempts.lease_left(fence) > hour / 2);
        assert!(attempts.lease_left(older).is_zero());
        attempts.forget(&[fence]);
        assert!(attempts.lease_left(fence).is_zero());
    }

    #[test]
    fn whatever_comes_first_an_attempt_ends_once() {
        let attempts = Attempts::default();
        let [ended, given] = [1, 2].map(|task| Fence { task: TaskId(task), attempt: 1 });
        for fence in [ended, given] {
            attempts.add(fence, "count".to_owned(), Instant::now());
            assert!(attempts.runs(fence));
        }
        let mut noted = 0;
        attempts.end(ended, Ending::Returned, |_| noted += 1);
        attempts.end(ended, Ending::Stopped, |_| noted += 1);
        assert_eq!(attempts.give_up(), [given]);
        attempts.end(given, Ending::Stopped, |_| noted += 1);
        assert_eq!((noted, attempts.unwritten(), attempts.running()), (1, 1, 0));
        assert!(!attempts.runs(given), "it was given back");
        let [writer, _] = Writer::all();
        assert_eq!(attempts.endings(writer).len(), 1);
        attempts.written(writer, 1);
        assert_eq!(attempts.fences(), [given]);
    }
}
