//! Durable tasks that survive every restart: nothing that was taken in is lost, and what is
//! interrupted goes on elsewhere, from its last checkpoint, within milliseconds.

mod attempt;
mod context;
mod dispatch;
mod drain;
mod follow;
mod id;
mod intake;
mod keeper;
mod kind;
mod metrics;
#[cfg(feature = "postgres")]
mod postgres;
mod run;
mod service;
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
#[cfg(feature = "postgres")]
pub use postgres::{PostgresSettings, PostgresStore};
pub use service::TaskService;
pub use settings::{Settings, StartError};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteSettings, SqliteStore};
pub use state::{Event, Impossible, Standing, State};
pub use store::{
    Answer, Change, Checkpoint, Claim, Counts, Ending, Enqueued, Entry, Events, Filter, Finish,
    Lease, NewTask, Progress, Rescued, Store, StoreError, TaskEvent, UnixMillis, Wanted, What,
};
pub use task::{Task, TaskError};
