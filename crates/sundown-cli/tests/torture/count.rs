//! What was done to the service, in numbers.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counted by everybody at once.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicUsize);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl fmt::Display for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

/// Everything that was done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) kills: Counter,
    /// How many processes of commands were there just before.
    pub(crate) alive: Counter,
    /// How many kills and freezes at an enumerated system call.
    pub(crate) points: Counter,
    pub(crate) terms: Counter,
    /// Ends that the cap brought about, and not the plan.
    pub(crate) forced: Counter,
    pub(crate) freezes: Counter,
    /// Of these, how many in the middle of a write to the disk.
    pub(crate) mid_commit: Counter,
    /// Starts that did not come as far as serving.
    pub(crate) failed_starts: Counter,
    /// Times the store was away: a server restarted, a disk full.
    pub(crate) outages: Counter,
    /// Of these, how many in which a write was refused because there was no room.
    pub(crate) full: Counter,
    /// Times a stranger held the lock of the database.
    pub(crate) locks: Counter,
    /// The same, for longer than anybody waits.
    pub(crate) long_locks: Counter,
    /// Times a client was told that the store does not answer.
    pub(crate) unavailable: Counter,
    /// Times the machine itself halted.
    pub(crate) stalls: Counter,
    pub(crate) acks: Counter,
    /// Asked again, with the same key.
    pub(crate) again: Counter,
    pub(crate) batches: Counter,
    pub(crate) cancelled: Counter,
    /// Lives of replicas that lack something that tasks need.
    pub(crate) partial: Counter,
    /// Tasks that such a replica refused.
    pub(crate) elsewhere: Counter,
    /// Tasks for later.
    pub(crate) later: Counter,
    /// Writes of superseded attempts that the service itself reports as refused.
    pub(crate) refused: Counter,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kill -9 ({} commands alive), {} SIGTERM ({} cut off), {} frozen ({} in a commit), \
             {} at system calls, {} outages ({} full), {} locks and {} long ones ({} times \
             unavailable), {} stalls, {} failed starts; {} acknowledged, {} asked again, {} batches, \
             {} cancelled, {} for later, {} refused writes, {} lives without something, {} refused there",
            self.kills,
            self.alive,
            self.terms,
            self.forced,
            self.freezes,
            self.mid_commit,
            self.points,
            self.outages,
            self.full,
            self.locks,
            self.long_locks,
            self.unavailable,
            self.stalls,
            self.failed_starts,
            self.acks,
            self.again,
            self.batches,
            self.cancelled,
            self.later,
            self.refused,
            self.partial,
            self.elsewhere,
        )
    }
}
