//! Durable tasks that survive every restart: nothing that was taken in is lost, and what is
//! interrupted goes on elsewhere, from its last checkpoint, within milliseconds.
//!
//! ```
//! use std::sync::Arc;
//! use sundown::{Cause, Coordinator};
//! use sundown_tasks::{Kind, Request, Settings, Task, TaskContext, TaskError, TaskService};
//! # #[cfg(feature = "sqlite")]
//! use sundown_tasks::{SqliteSettings, SqliteStore};
//!
//! struct Resize;
//!
//! impl Task for Resize {
//!     const KIND: &'static str = "resize";
//!     type Input = String;                              // what it works on: anything JSON can say
//!     type Output = u64;
//!
//!     async fn run(&self, photo: String, context: TaskContext) -> Result<u64, TaskError> {
//!         context.progress(&format!("resizing {photo}")).await?;   // on disk, for those who follow
//!         Ok(photo.len() as u64)
//!     }
//! }
//!
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let file = std::env::temp_dir().join(format!("sundown-doctest-{}.db", std::process::id()));
//! let coordinator = Coordinator::builder().build()?;
//! let store = Arc::new(SqliteStore::open(SqliteSettings::new(&file))?);
//! let kinds = [Kind::new(Resize).concurrency(2)];
//! let tasks = TaskService::start(coordinator.clone(), store, kinds, Settings::default())?;
//!
//! let request = Request::of::<Resize>(&"cat.jpg".to_owned())?.key("upload-17");
//! let started = tasks.start_task(request).await?;       // on disk: it will be done, here or elsewhere
//! println!("task {}, events at {}", started.id, started.stream_url);
//!
//! coordinator.initiate(Cause::requested("doc test"));
//! let report = coordinator.run().await;                 // what ran has ended, or was handed back
//! assert!(report.is_clean());
//! # std::fs::remove_file(&file)?;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! # The model
//!
//! A [`Task`] is code with a typed input and output; a [`Kind`] is a task with limits and retries. A
//! task that was taken in is a row in a [`Store`] and stands in one [`State`]; everything that can
//! happen to it is in one table, [`Standing::next`], and the stores do what that says.
//!
//! A process claims a task for an *attempt*, which has a lease and a number. Whatever the attempt
//! writes, it writes as that number of that process: progress, checkpoints, the end. Who has lost
//! the lease is refused. So a completion commits once, and a process that comes back from the dead
//! changes nothing. What a task does *outside* the store may be done twice: after `kill -9` nobody
//! knows what the last attempt had done since its last checkpoint.
//!
//! # At shutdown
//!
//! | when | what |
//! |---|---|
//! | at once | [`start_task`](TaskService::start_task) refuses; no more is claimed; what was claimed and not begun goes back; running tasks can [see it](TaskContext::is_wrapping_up) |
//! | `drain` | running tasks are waited for; a little before the end they are [told to stop](TaskContext::cancelled) |
//! | `flush` | what has not ended is handed back in one step: with its last checkpoint, at no cost of an attempt |
//! | `release` | the store is closed |
//!
//! Leases are renewed and ends written down by a thread of its own until the process exits, so that
//! a long drain makes nothing run twice.
//!
//! # Stores
//!
//! `SqliteStore` (feature `sqlite`, on by default) is a file that several processes on one host
//! share. `PostgresStore` (feature `postgres`) is for many replicas. One suite of tests runs against
//! both.

mod attempt;
mod context;
mod decline;
mod depth;
mod dispatch;
mod drain;
mod endings;
mod failures;
mod follow;
mod health;
mod id;
mod intake;
mod keeper;
mod kind;
mod metrics;
#[cfg(feature = "postgres")]
mod postgres;
mod run;
mod service;
mod serving;
mod settings;
#[cfg(feature = "sqlite")]
mod sqlite;
mod state;
mod store;
mod task;

pub use context::{TaskContext, TellError};
pub use follow::{Follower, Heard};
pub use id::{Fence, Incarnation, NoTaskId, TaskId};
pub use intake::{Refused, Request, Started};
pub use kind::Kind;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use postgres::fuzzing;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresSettings, PostgresStore};
pub use service::TaskService;
pub use settings::{Settings, StartError};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteSettings, SqliteStore};
pub use state::{Event, Impossible, Standing, State};
pub use store::{
    Answer, Change, Checkpoint, Claim, Counts, Ending, Enqueued, Entry, Events, Filter, Finish,
    Lease, Mark, NewTask, Operation, Progress, Rescued, Route, Selected, Selection, Store,
    StoreError, TaskEvent, UnixMillis, Unserved, Wanted, What,
};
pub use task::{Task, TaskError};
