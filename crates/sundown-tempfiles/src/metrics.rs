//! The metrics of this layer, all in one place. They go through the `metrics` facade.

use metrics::{counter, describe_counter, describe_gauge, gauge};

use crate::tree::Tally;

/// Handles made; label `kind`: `file`, `directory`.
const CREATED: &str = "sundown_tempfiles_created_total";
/// Handles alive now.
const HELD: &str = "sundown_tempfiles_held";
/// Bytes that count against the quota.
const USED: &str = "sundown_tempfiles_used_bytes";
/// The quota; absent without one.
const LIMIT: &str = "sundown_tempfiles_limit_bytes";
/// Files removed; label `by`: `handle`, `sweeper`, `release`, `successor`.
const REMOVED: &str = "sundown_tempfiles_removed_total";
/// Bytes removed; label `by` as above.
const REMOVED_BYTES: &str = "sundown_tempfiles_removed_bytes_total";
/// Files and directories moved out.
const PERSISTED: &str = "sundown_tempfiles_persisted_total";
/// Writes and creations refused by the quota.
const REFUSED: &str = "sundown_tempfiles_quota_refusals_total";
/// Handles that were still alive when the shutdown removed their files.
const IN_USE: &str = "sundown_tempfiles_in_use_at_release_total";

/// Tells the recorder what they mean. One that is installed later is not told.
pub(crate) fn describe() {
    describe_counter!(CREATED, "Temporary files and directories made.");
    describe_gauge!(HELD, "Handles of temporary files that are alive.");
    describe_gauge!(USED, "Bytes that temporary files take.");
    describe_gauge!(LIMIT, "The most bytes that temporary files may take.");
    describe_counter!(REMOVED, "Temporary files removed, by whom.");
    describe_counter!(REMOVED_BYTES, "Bytes of temporary files removed, by whom.");
    describe_counter!(PERSISTED, "Temporary files that were moved out and kept.");
    describe_counter!(REFUSED, "Writes and creations that the quota refused.");
    describe_counter!(IN_USE, "Temporary files in use when the shutdown removed them.");
}

/// Who removed something.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    /// Its handle, dropped or told to.
    Handle,
    /// The sweeper, for its age.
    Sweeper,
    /// The end of the shutdown.
    Release,
    /// A process that found what a dead one had left.
    Successor,
}

impl By {
    fn name(self) -> &'static str {
        match self {
            By::Handle => "handle",
            By::Sweeper => "sweeper",
            By::Release => "release",
            By::Successor => "successor",
        }
    }
}

pub(crate) fn created(kind: &'static str) {
    counter!(CREATED, "kind" => kind).increment(1);
}

pub(crate) fn removed(by: By, tally: Tally) {
    if tally != Tally::default() {
        counter!(REMOVED, "by" => by.name()).increment(tally.files);
        counter!(REMOVED_BYTES, "by" => by.name()).increment(tally.bytes);
    }
}

pub(crate) fn persisted() {
    counter!(PERSISTED).increment(1);
}

pub(crate) fn refused() {
    counter!(REFUSED).increment(1);
}

pub(crate) fn in_use_at_release(count: usize) {
    counter!(IN_USE).increment(count as u64);
}

pub(crate) fn held(change: f64) {
    gauge!(HELD).increment(change);
}

pub(crate) fn usage(used: u64, limit: Option<u64>) {
    gauge!(USED).set(used as f64);
    if let Some(limit) = limit {
        gauge!(LIMIT).set(limit as f64);
    }
}
