//! Every store against one suite, and beside it what each has of its own.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

#[macro_use]
mod conformance;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
