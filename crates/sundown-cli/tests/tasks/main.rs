//! The tasks of `sundown serve`: its API, its kinds and its client, as real processes.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod api;
mod bulk;
mod calls;
mod client;
mod client_terminal;
mod client_wire;
mod command;
mod command_begin;
mod command_end;
mod documented;
mod events;
mod failures;
#[expect(dead_code, reason = "the tests of serving use the rest")]
#[path = "../serve/http.rs"]
mod http;
mod identity;
mod intake;
mod openapi;
mod private;
mod refusals;
mod routing;
mod schema;
#[expect(dead_code, reason = "the tests of serving use the rest")]
#[path = "../serve/service.rs"]
mod service;
mod wishes;
