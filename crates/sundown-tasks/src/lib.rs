//! Durable tasks that survive every restart.

mod id;
mod state;
mod store;

pub use id::{Fence, Incarnation, NoTaskId, TaskId};
pub use state::{Event, Impossible, Standing, State};
pub use store::{
    Answer, Change, Checkpoint, Claim, Counts, Ending, Enqueued, Events, Filter, Finish, Lease,
    NewTask, Progress, Rescued, Store, StoreError, Task, TaskEvent, UnixMillis, Wanted, What,
};
