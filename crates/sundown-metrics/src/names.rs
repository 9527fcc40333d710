//! The metrics by name: what each is, for HELP and TYPE. Those of the core are named here too.

use metrics::{KeyName, Recorder, SharedString, Unit};

/// 1 from the beginning of the shutdown on.
pub(crate) const SHUTTING_DOWN: &str = "application_shutting_down";
/// How long graceful shutdowns took.
pub(crate) const SHUTDOWN_SECONDS: &str = "graceful_shutdown_duration_seconds";
/// How many tasks were active when the shutdown began.
pub(crate) const ACTIVE_TASKS: &str = "active_tasks_at_shutdown";

/// The core's: how long each phase took.
pub(crate) const PHASE_SECONDS: &str = "sundown_phase_duration_seconds";
/// The core's: how long each participant took.
pub(crate) const WAITER_SECONDS: &str = "sundown_waiter_duration_seconds";

pub(crate) const RESIDENT_BYTES: &str = "process_resident_memory_bytes";
pub(crate) const VIRTUAL_BYTES: &str = "process_virtual_memory_bytes";
pub(crate) const OPEN_FDS: &str = "process_open_fds";
pub(crate) const MAX_FDS: &str = "process_max_fds";
pub(crate) const THREADS: &str = "process_threads";
pub(crate) const START_TIME: &str = "process_start_time_seconds";
pub(crate) const UPTIME: &str = "process_uptime_seconds";
/// Not through the facade, whose counters are whole numbers.
pub(crate) const CPU_SECONDS: &str = "process_cpu_seconds_total";
pub(crate) const CPU_HELP: &str = "User and system CPU time spent, in seconds.";

type Describe = fn(&dyn Recorder, KeyName, Option<Unit>, SharedString);

const COUNTER: Describe = |recorder, name, unit, help| recorder.describe_counter(name, unit, help);
const GAUGE: Describe = |recorder, name, unit, help| recorder.describe_gauge(name, unit, help);
const HISTOGRAM: Describe =
    |recorder, name, unit, help| recorder.describe_histogram(name, unit, help);

#[rustfmt::skip]
const DESCRIPTIONS: &[(&str, Describe, Unit, &str)] = &[
    (SHUTTING_DOWN, GAUGE, Unit::Count, "Whether the application is shutting down: 1 yes, 0 no."),
    (SHUTDOWN_SECONDS, HISTOGRAM, Unit::Seconds, "How long graceful shutdowns took."),
    (ACTIVE_TASKS, GAUGE, Unit::Count, "Tasks that were active when the shutdown began."),
    ("sundown_shutting_down", GAUGE, Unit::Count, "1 from the beginning of the shutdown on."),
    ("sundown_cap_seconds", GAUGE, Unit::Seconds, "The most the whole stop may take."),
    ("sundown_phase_budget_seconds", GAUGE, Unit::Seconds, "The most each phase of it may take."),
    ("sundown_previous_stop", GAUGE, Unit::Count, "1 under how the process before this one ended."),
    (PHASE_SECONDS, HISTOGRAM, Unit::Seconds, "How long each phase of the shutdown took."),
    (WAITER_SECONDS, HISTOGRAM, Unit::Seconds, "How long each participant of the shutdown took."),
    ("sundown_waiter_outcomes_total", COUNTER, Unit::Count, "How participants of the shutdown ended."),
    ("sundown_owned_work_aborted_total", COUNTER, Unit::Count, "Owned work aborted at the end of its time."),
    (RESIDENT_BYTES, GAUGE, Unit::Bytes, "Resident memory size in bytes."),
    (VIRTUAL_BYTES, GAUGE, Unit::Bytes, "Virtual memory size in bytes."),
    (OPEN_FDS, GAUGE, Unit::Count, "Number of open file descriptors."),
    (MAX_FDS, GAUGE, Unit::Count, "Maximum number of open file descriptors."),
    (THREADS, GAUGE, Unit::Count, "Number of OS threads in the process."),
    (START_TIME, GAUGE, Unit::Seconds, "Start time of the process since the Unix epoch, in seconds."),
    (UPTIME, GAUGE, Unit::Seconds, "How long the process has been running, in seconds."),
];

/// Tells the recorder what each metric means.
pub(crate) fn describe(recorder: &dyn Recorder) {
    for (name, describe, unit, help) in DESCRIPTIONS {
        describe(recorder, KeyName::from(*name), Some(*unit), (*help).into());
    }
}
