//! Stops a Rust service without losing anything: in order, in bounded time, with a report that
//! says what happened.
//!
//! ```no_run
//! use std::time::Duration;
//! use sundown::{BoxError, Coordinator, Exit, Phase, Waiter};
//!
//! #[tokio::main]
//! async fn main() -> Exit {
//!     Exit::of(serve().await)
//! }
//!
//! async fn serve() -> Result<Exit, BoxError> {
//!     let coordinator = Coordinator::builder().default_cap(Duration::from_secs(30)).build()?;
//!     coordinator.listen_for_signals()?;            // before anything else can fail
//!
//!     let (_orders, mut queue) = tokio::sync::mpsc::channel::<u32>(64);
//!     coordinator.component("orders").run(|stop| async move {   // told to stop in its turn, awaited
//!         while let Some(order) = stop.receive(&mut queue).await {
//!             println!("executing order {order}");  // every order that was accepted
//!         }
//!     })?;
//!     let save = Waiter::new("ledger", |_deadline| async { std::fs::write("ledger", "…") });
//!     coordinator.register_waiter(save.in_phase(Phase::FLUSH))?;
//!     coordinator.check()?;                         // names, cycles, times: now, not at 3 a.m.
//!
//!     let report = coordinator.run().await;         // waits for a cause, then runs the plan
//!     report.print();                               // a timeline a person can read
//!     Ok(report.exit())
//! }
//! ```
//!
//! # The model
//!
//! A [`Coordinator`] drives one shutdown. It begins with a [`Cause`]: a signal, a request, a failed
//! component. The first one wins. At once all [notifications] are run and every [`Shutdown`] handle
//! and token tells its worker. Then the [`Phase`]s of the plan pass one after the other:
//!
//! | phase | what for | time |
//! |---|---|---|
//! | `announce` | the world looks away: readiness is off, what is under way is still accepted | 0 s, in Kubernetes 3 s |
//! | `drain` | what was begun is finished | all that the others leave of the cap |
//! | `flush` | what must not be lost is put in safety; a second signal jumps here | 5 s |
//! | `release` | what was taken is given back; [hooks](Waiter::as_hook) run by [`Priority`] | 5 s |
//!
//! What runs as long as the service does is a [`Component`]: it is told to stop in its turn, and awaited. A
//! phase in which nobody takes part leaves its time to `drain`; under a short cap, times that nobody has set
//! are shorter.
//!
//! In each phase run its [`Waiter`]s, in parallel but for the edges that the application
//! [draws](Coordinator::order). Every waiter has a [`Deadline`], reckoned backwards so that a hung
//! one starves neither its successors nor a later phase, and ends with an [`Outcome`]. When all is
//! over there is a [`Report`]: text, JSON, SVG, and the [exit code](Exit).
//!
//! Nothing outlasts the cap. Signals and the watchdog live on threads of their own and need no
//! runtime: with every worker blocked the process still ends in time, and its report names who
//! blocked it.
//!
//! # Layers
//!
//! A reusable layer takes an `Arc<dyn `[`ShutdownCoordinator`]`>` and registers itself; it names no
//! sibling and no phase that is not standard. Its tests give it a [`NoopCoordinator`], or a real
//! `Coordinator` on tokio's paused clock.
//!
//! # Where to look
//!
//! [`dag`] is the pure scheduler and [`timeline`] the drawing; both are public for those who stop
//! more than one process. The examples are programs to copy; `misbehave` lets every part of a
//! service fail in every way. The promises are in `docs/spec.md`.
//!
//! [notifications]: trait.ShutdownCoordinator.html#method.register_notification

mod alert;
mod builder;
mod cause;
mod component;
mod contract;
mod coordinator;
pub mod dag;
mod deadline;
mod driver;
mod forced_flush;
mod handle;
mod metrics;
mod noop;
mod notifications;
mod notify;
mod outcome;
mod panics;
mod past_stops;
mod pending;
mod phase;
mod plan;
mod preview;
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
pub use component::Component;
pub use contract::{Registration, ScopedRegistration, ShutdownCoordinator};
pub use coordinator::Coordinator;
pub use deadline::Deadline;
pub use handle::{Shutdown, UntilShutdown, Wait};
pub use noop::NoopCoordinator;
pub use notifications::Notification;
pub use outcome::{BoxError, Exit, HandedBack, Outcome, WaiterResult};
pub use past_stops::PastStop;
pub use pending::{Pending, PendingItem};
pub use phase::{Phase, PhaseWatch};
pub use plan::PlanError;
pub use preview::{PhasePreview, Preview, WaiterPreview};
pub use report::{
    Blocked, Force, LeftWork, NotificationReport, PhaseReport, Process, Report, Verdict,
    WaiterReport, WorkFailure,
};
pub use waiter::{Priority, Waiter};
pub use work::Work;

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide.md")]
struct Guide;
