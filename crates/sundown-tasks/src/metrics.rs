//! The metrics of this layer, all in one place. They go through the `metrics` facade.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

use crate::{Counts, State};

/// Tasks taken in; label `kind`.
const ENQUEUED: &str = "sundown_tasks_enqueued_total";
/// Requests to take tasks in that were refused; label `why`.
const REFUSED: &str = "sundown_tasks_refused_total";
/// Attempts begun; label `kind`.
const BEGUN: &str = "sundown_tasks_attempts_total";
/// Ends of attempts that were written down; label `state`: what they made of their tasks.
const FINISHED: &str = "sundown_tasks_finished_total";
/// How long attempts took; label `kind`.
const SECONDS: &str = "sundown_tasks_attempt_duration_seconds";
/// Claimed and running tasks of this process.
const ACTIVE: &str = "sundown_tasks_active";
/// Whether the store does what it is asked, and those who ask it are alive.
const HEALTHY: &str = "sundown_tasks_healthy";
/// All tasks in the store; label `state`.
const STORED: &str = "sundown_tasks_stored";
/// Handed back unfinished at shutdown.
const HANDED_BACK: &str = "sundown_tasks_handed_back_total";
/// Taken back from processes that were gone.
const RESCUED: &str = "sundown_tasks_rescued_total";
/// Attempts of this process that lost their lease.
const LOST: &str = "sundown_tasks_leases_lost_total";
/// Ends of attempts that were not kept, because another attempt went on.
const SUPERSEDED: &str = "sundown_tasks_superseded_total";

/// Attempts that this process cannot run and gave back; label `kind`.
const DECLINED: &str = "sundown_tasks_declined_total";
/// Tasks that could run now and that no running replica claims; label `kind`.
const UNSERVED: &str = "sundown_tasks_unserved";

/// Tells the recorder what they mean. One that is installed later is not told.
pub(crate) fn describe() {
    describe_counter!(ENQUEUED, "Tasks taken in.");
    describe_counter!(REFUSED, "Tasks that were not taken in.");
    describe_counter!(BEGUN, "Attempts begun.");
    describe_counter!(FINISHED, "Ends of attempts, by what became of the task.");
    describe_histogram!(SECONDS, "How long attempts took.");
    describe_gauge!(ACTIVE, "Tasks that this process has claimed.");
    describe_gauge!(HEALTHY, "1 while the task store does what it is asked, else 0.");
    describe_gauge!(STORED, "Tasks in the store, by state.");
    describe_counter!(HANDED_BACK, "Tasks handed back unfinished at shutdown.");
    describe_counter!(RESCUED, "Tasks taken back from processes that were gone.");
    describe_counter!(LOST, "Attempts of this process that lost their lease.");
    describe_counter!(SUPERSEDED, "Ends of attempts that another attempt had overtaken.");
    describe_counter!(DECLINED, "Tasks given back because this replica cannot run them.");
    describe_gauge!(UNSERVED, "Tasks that no running replica can run, up to 10,000 of a route.");
}

pub(crate) fn enqueued(kind: &str) {
    counter!(ENQUEUED, "kind" => kind.to_owned()).increment(1);
}

pub(crate) fn refused(why: &'static str) {
    counter!(REFUSED, "why" => why).increment(1);
}

pub(crate) fn begun(kind: &str) {
    counter!(BEGUN, "kind" => kind.to_owned()).increment(1);
}

pub(crate) fn took(kind: &str, time: Duration) {
    histogram!(SECONDS, "kind" => kind.to_owned()).record(time);
}

pub(crate) fn finished(state: State) {
    counter!(FINISHED, "state" => state.name()).increment(1);
}

pub(crate) fn active(count: usize) {
    gauge!(ACTIVE).set(u32::try_from(count).unwrap_or(u32::MAX));
}

pub(crate) fn healthy(is_healthy: bool) {
    gauge!(HEALTHY).set(f64::from(u8::from(is_healthy)));
}

pub(crate) fn counted(counts: Counts) {
    for (state, count) in
        [("pending", counts.pending), ("running", counts.running), ("dead", counts.dead)]
    {
        gauge!(STORED, "state" => state).set(count as f64);
    }
}

pub(crate) fn handed_back(count: usize) {
    counter!(HANDED_BACK).increment(count as u64);
}

pub(crate) fn rescued() {
    counter!(RESCUED).increment(1);
}

pub(crate) fn lost() {
    counter!(LOST).increment(1);
}

pub(crate) fn declined(kind: &str) {
    counter!(DECLINED, "kind" => kind.to_owned()).increment(1);
}

pub(crate) fn unserved(kind: &str, tasks: u64) {
    gauge!(UNSERVED, "kind" => kind.to_owned()).set(tasks as f64);
}

pub(crate) fn superseded() {
    counter!(SUPERSEDED).increment(1);
}
