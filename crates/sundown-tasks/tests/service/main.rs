//! The service over a real store: what is taken in is done, whatever happens to those who do it.

#![cfg(all(unix, feature = "sqlite"))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod attempts;
mod desk;
mod drain;
mod follow;
mod intake;
