//! Tests shutdown itself: drives real processes and judges how they stop.
//!
//! A test starts the program, waits until it is ready, sends what an operator or Kubernetes would
//! send, and looks at what is left. Whatever happens to the test, the program does not outlive it.
//!
//! ```
//! use std::time::Duration;
//! use sundown_drill::process::{Error, Process, Signal};
//!
//! # fn main() -> Result<(), Error> {
//! let script = "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done";
//! let mut service = Process::new("sh").args(["-c", script]).spawn()?;
//! service.wait_for_line(|line| line == "ready", Duration::from_secs(5))?;
//! service.signal(Signal::Term)?;
//!
//! let exit = service.wait(Duration::from_secs(5))?;
//! assert_eq!(exit.code, Some(0));
//! assert!(exit.stdout.ends_with("saved\n"));
//! # Ok(())
//! # }
//! ```
//!
//! - [`process`] drives a child: hostile outputs, signals, kill -9, the exit, the lines it printed.
//! - [`load`] asks a server over HTTP while it is stopped, and counts what went wrong.
//! - [`cargo`] finds, and builds once, the examples and binaries of a workspace to be driven.
//! - [`postgres`] starts a real PostgreSQL server, and a pooler before it.
#![cfg(unix)]

pub mod cargo;
pub mod load;
pub mod postgres;
pub mod process;
