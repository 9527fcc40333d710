//! Temporary files through the public API, in one process and on the paused clock.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod handles;
mod intruders;
mod persisting;
mod quota;
mod roots;
mod shutdown;
mod support;
mod sweeping;
