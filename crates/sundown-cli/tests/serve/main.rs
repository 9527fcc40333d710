//! `sundown serve` as a real process, with real sockets and real signals.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod admittance;
mod attacks;
mod clients;
mod drain;
mod first_run;
mod hostile;
mod http;
mod notify;
mod operating;
mod readme;
mod service;
mod starting;
mod stops;
mod terminal;
mod visit;
mod waiting;
mod watchers;
