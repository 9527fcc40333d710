//! The metrics of the web layer, all in one place. The label `server` is the server's name.

use std::sync::Arc;

use metrics::{counter, describe_counter, describe_gauge, gauge};

/// Requests that came after the signal: how well the world was told.
const AFTER_SIGNAL: &str = "sundown_requests_after_signal_total";
/// Requests being answered when the signal came.
const IN_FLIGHT_AT_SIGNAL: &str = "sundown_in_flight_at_signal";
/// Connections that were cut at the deadline.
const FORCED_CLOSES: &str = "sundown_forced_closes_total";

/// Clients that let the server wait for too long.
const GIVEN_UP: &str = "sundown_clients_given_up_total";

/// How often no more connections were accepted, because there were as many as there may be.
const FULL: &str = "sundown_connection_limit_reached_total";
/// HTTP/2 connections that were ended because they sent frames without progress.
const FLOODS: &str = "sundown_http2_floods_total";

/// Tells the recorder what they mean. One that is installed later is not told.
pub(crate) fn describe() {
    describe_counter!(AFTER_SIGNAL, "Requests that came after the shutdown had begun.");
    describe_gauge!(IN_FLIGHT_AT_SIGNAL, "Requests being answered when the shutdown began.");
    describe_counter!(FORCED_CLOSES, "Connections that were cut at the deadline.");
    describe_counter!(FULL, "How often the most connections that may be open were open.");
    describe_counter!(FLOODS, "HTTP/2 connections ended because of frames without progress.");
    describe_counter!(GIVEN_UP, "Clients given up because they let the server wait too long.");
}

pub(crate) fn request_after_signal(server: &Arc<str>) {
    counter!(AFTER_SIGNAL, "server" => server.clone()).increment(1);
}

pub(crate) fn in_flight_at_signal(server: &Arc<str>, count: usize) {
    gauge!(IN_FLIGHT_AT_SIGNAL, "server" => server.clone())
        .set(u32::try_from(count).unwrap_or(u32::MAX));
}

pub(crate) fn given_up(server: &Arc<str>) {
    counter!(GIVEN_UP, "server" => server.clone()).increment(1);
}

pub(crate) fn connections_full(server: &Arc<str>) {
    counter!(FULL, "server" => server.clone()).increment(1);
}

pub(crate) fn flood(server: &Arc<str>) {
    counter!(FLOODS, "server" => server.clone()).increment(1);
}

pub(crate) fn forced_closes(server: &Arc<str>, count: usize) {
    counter!(FORCED_CLOSES, "server" => server.clone())
        .increment(u64::try_from(count).unwrap_or(u64::MAX));
}
