//! `sundown serve` under every kind of sudden end, judged by what it had promised before.
//!
//! Nothing in here knows how the service works inside. A client that is never killed writes down
//! what was acknowledged, every run of a command writes down itself, and a judge that sees only
//! these two records and the final answers of the API says what was lost, doubled or left behind.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod count;
mod disk;
mod fault;
mod followers;
mod ground;
#[path = "../serve/http.rs"]
#[expect(dead_code, reason = "the tests of the service use the rest of it")]
mod http;
mod judge;
mod ledger;
mod load;
mod processes;
mod replica;
mod sabotage;
#[path = "../serve/service.rs"]
#[expect(dead_code, reason = "the tests of the service use the rest of it")]
mod service;
mod siege;
mod stream;
mod trial;
