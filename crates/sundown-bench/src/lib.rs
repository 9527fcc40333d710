//! Same-run comparisons with peers and limits: how they are measured, judged and printed.
//!
//! Each area is a program of its own under `peers/`, in a workspace with its own lock file, since
//! the peers' dependencies clash. What they share is here: a [`Contest`] measures the sides in
//! turn, its [`Figures`] become [`Row`]s, a [`Target`] judges each, and a [`Comparison`] prints
//! them, as a table for people or as one line of JSON.
//!
//! ```
//! use std::sync::Mutex;
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use sundown_bench::{Comparison, Contest, Statistic, Target, repeat};
//!
//! let (atomic, mutex) = (AtomicU32::new(0), Mutex::new(0));
//! let figures = Contest::new(Statistic::Minimum, 20, 1_000)
//!     .side("AtomicU32", |ops| repeat(ops, || atomic.fetch_add(1, Ordering::Relaxed)))
//!     .side("Mutex", |ops| repeat(ops, || *mutex.lock().expect("nobody panics") += 1))
//!     .run();
//!
//! let mut comparison = Comparison::new("counting");
//! comparison.push(figures.row("count to one", "Mutex").target(Target::AtMost(1.0)));
//! comparison.print(false);
//! ```

mod comparison;
mod contest;
mod row;
mod table;

pub use comparison::Comparison;
pub use contest::{Contest, Figures, Statistic, repeat};
pub use row::{Row, Target};
