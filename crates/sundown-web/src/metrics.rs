//! The metrics of the web layer, all in one place.

use metrics::{counter, gauge};

/// Requests that came after the signal: how well the world was told.
const AFTER_SIGNAL: &str = "sundown_requests_after_signal_total";
/// Requests being answered when the signal came.
const IN_FLIGHT_AT_SIGNAL: &str = "sundown_in_flight_at_signal";
/// Connections that were cut at the deadline.
const FORCED_CLOSES: &str = "sundown_forced_closes_total";

pub(crate) fn request_after_signal() {
    counter!(AFTER_SIGNAL).increment(1);
}

pub(crate) fn in_flight_at_signal(count: usize) {
    gauge!(IN_FLIGHT_AT_SIGNAL).set(u32::try_from(count).unwrap_or(u32::MAX));
}

pub(crate) fn forced_closes(count: usize) {
    counter!(FORCED_CLOSES).increment(u64::try_from(count).unwrap_or(u64::MAX));
}
