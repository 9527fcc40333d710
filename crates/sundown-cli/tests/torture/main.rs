//! `sundown serve` under every kind of sudden end, judged by what it had promised before.
//!
//! Nothing in here knows how the service works inside. A client that is never killed writes down
//! what was acknowledged, every run of a command writes down itself, and a judge that reads only
//! these records, what was done when, and the final answers of the API says what was lost, doubled or
//! left behind.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod callee;
mod count;
mod disk;
mod errand;
mod evidence;
mod fault;
mod followers;
mod ground;
#[path = "../serve/http.rs"]
#[expect(dead_code, reason = "the tests of the service use the rest of it")]
mod http;
mod judge;
mod kept;
mod last_word;
mod ledger;
mod load;
mod outage;
mod processes;
mod replica;
mod sabotage;
#[path = "../serve/service.rs"]
#[expect(dead_code, reason = "the tests of the service use the rest of it")]
mod service;
mod siege;
mod stream;
mod trial;
