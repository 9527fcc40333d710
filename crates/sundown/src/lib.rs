//! Stops a Rust service without losing anything: in order, in bounded time, with a report.
mod alert;
mod builder;
mod cause;
mod contract;
mod coordinator;
pub mod dag;
mod deadline;
mod driver;
mod handle;
mod metrics;
mod noop;
mod notifications;
mod outcome;
mod panics;
mod phase;
mod plan;
mod report;
mod run;
mod saved;
mod signals;
mod snapshot;
mod sync;
mod telling;
pub mod timeline;
mod trip;
mod waiter;
mod watchdog;
mod work;

pub use alert::Alert;
pub use builder::{BuildError, Builder};
pub use cause::{Cause, Signal};
pub use contract::{Registration, ShutdownCoordinator};
pub use coordinator::Coordinator;
pub use deadline::Deadline;
pub use handle::{Shutdown, UntilShutdown, Wait};
pub use noop::NoopCoordinator;
pub use notifications::Notification;
pub use outcome::{BoxError, Exit, HandedBack, Outcome, WaiterResult};
pub use phase::{Phase, PhaseWatch};
pub use plan::PlanError;
pub use report::{
    Blocked, Force, LeftWork, NotificationReport, PhaseReport, Process, Report, Verdict,
    WaiterReport,
};
pub use waiter::{Priority, Waiter};
pub use work::Work;
