//! `sundown check` and the sum a service makes when it starts: the real binary over manifests as
//! people write them.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod inputs;
mod manifest;
#[path = "../serve/service.rs"]
#[expect(dead_code, reason = "the tests of the service use the rest of it")]
mod service;
mod start;
mod unseen;
mod verdict;
