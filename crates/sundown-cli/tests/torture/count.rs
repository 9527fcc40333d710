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
    /// Of these, how many at an enumerated system call.
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
    /// Times a stranger held the lock of the database.
    pub(crate) locks: Counter,
    pub(crate) acks: Counter,
    /// Asked again, with the same key.
    pub(crate) again: Counter,
    /// Writes of superseded attempts that the service itself reports as refused.
    pub(crate) refused: Counter,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} kill -9 ({} at system calls), {} SIGTERM ({} cut off), {} frozen ({} in a commit), \
             {} outages, {} locks, {} failed starts; {} acknowledged, {} asked again, {} refused writes",
            self.kills,
            self.points,
            self.terms,
            self.forced,
            self.freezes,
            self.mid_commit,
            self.outages,
            self.locks,
            self.failed_starts,
            self.acks,
            self.again,
            self.refused,
        )
    }
}
