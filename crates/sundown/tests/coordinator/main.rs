//! The coordinator through its public API, on the paused clock.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod circumstances;
mod component;
mod contract;
mod handle;
mod metrics;
mod pending;
mod refusals;
mod report;
mod support;
