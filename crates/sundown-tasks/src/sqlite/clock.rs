//! Two clocks: one for people, which may jump, and one for leases, which nobody can set.
//!
//! The clock of leases counts from the start of the machine, also while it sleeps, and is the same
//! for all processes on it. Outside Linux it is `CLOCK_MONOTONIC`: where that one stands still while
//! the machine sleeps, a lease lasts longer by the sleep.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::UnixMillis;

#[cfg(target_os = "linux")]
const LEASES: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const LEASES: ClockId = ClockId::Monotonic;

/// What a person would say the time is.
#[expect(clippy::disallowed_methods, reason = "people read it; no lease depends on it")]
pub(super) fn wall() -> UnixMillis {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
}

/// Milliseconds since the start of the machine.
pub(super) fn since_boot() -> i64 {
    let now = clock_gettime(LEASES);
    let (seconds, nanos): (i64, i64) = (now.tv_sec, now.tv_nsec);
    seconds * 1000 + nanos / 1_000_000
}

/// The name of this run of the machine. Where the system has none it is empty, and then only locks
/// tell that processes from before a restart are gone.
pub(super) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// In whole milliseconds, as the file keeps them.
pub(super) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}
