//! The contract between layers and the coordinator: the object-safe trait that layers name.

use std::fmt;
use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::waiter::Name;
use crate::{
    Cause, Notification, Phase, PhaseWatch, PlanError, Priority, Report, Shutdown, Waiter,
    WaiterResult, Work,
};

/// What a layer sees of the shutdown. It takes an `Arc<dyn ShutdownCoordinator>` and registers
/// itself; tests and testing modes give it a [`NoopCoordinator`](crate::NoopCoordinator).
///
/// The trait is object-safe; the methods with closures are on `dyn ShutdownCoordinator` itself,
/// which every coordinator dereferences to.
///
/// ```
/// use std::sync::Arc;
/// use sundown::{PlanError, ScopedRegistration, ShutdownCoordinator, Waiter};
///
/// struct Mailer {
///     // A mailer that is dropped earlier leaves the plan.
///     _registrations: [ScopedRegistration; 2],
/// }
///
/// impl Mailer {
///     fn start(coordinator: Arc<dyn ShutdownCoordinator>) -> Result<Mailer, PlanError> {
///         let intake = coordinator.register_notification("mailer", |_cause| {
///             // close the intake; must not block
///         });
///         let drain = coordinator.register_waiter(Waiter::new("mailer", |deadline| async move {
///             // send what is queued, until the deadline
///             let _ = deadline.left();
///         }))?;
///         Ok(Mailer { _registrations: [intake.scoped(), drain.scoped()] })
///     }
/// }
///
/// assert!(Mailer::start(Arc::new(sundown::NoopCoordinator::new())).is_ok());
/// ```
pub trait ShutdownCoordinator: Send + Sync + 'static {
    /// Adds a participant that the shutdown waits for.
    ///
    /// Before the shutdown, anything goes that [`check`](crate::Coordinator::check) accepts.
    /// Afterwards, a waiter of the phase being run starts as soon as its turn comes, and one of a
    /// later phase with that phase.
    ///
    /// # Errors
    ///
    /// A name its phase has already, a phase the plan does not have, a phase that has passed; and,
    /// once the shutdown has begun, whatever `check` would refuse.
    fn register_waiter(&self, waiter: Waiter) -> Result<Registration, PlanError>;

    /// Adds a callback; see `register_notification`, which makes the value for you.
    fn notify(&self, notification: Notification) -> Registration;

    /// Begins the shutdown; answers whether this was the first cause, which is the one that
    /// counts. When it was, all notifications have been run on return, unless one of them blocks.
    fn initiate(&self, cause: Cause) -> bool;

    /// The handle that workers poll and await. To begin the shutdown, [`initiate`](Self::initiate) it.
    #[must_use = "this is a handle and stops nothing; `initiate` begins the shutdown"]
    fn shutdown(&self) -> Shutdown;

    /// The root token, cancelled when the shutdown begins. Do not cancel it yourself: that is
    /// what `initiate` is for. Tasks that may be cancelled alone take a
    /// [`child_token`](CancellationToken::child_token) of it.
    fn token(&self) -> CancellationToken;

    /// The phase being run, from the instant the shutdown begins; `None` before it and after it.
    fn phase(&self) -> Option<Phase>;

    /// A subscription to phase changes.
    fn phases(&self) -> PhaseWatch;

    /// What happened so far, who blocks included.
    fn report(&self) -> Report;

    /// The owned work, aborted at the end of `drain`.
    fn work(&self) -> &Work;
}

impl dyn ShutdownCoordinator {
    /// Whether the shutdown has begun.
    pub fn is_shutting_down(&self) -> bool {
        self.shutdown().is_shutting_down()
    }

    /// Why, once it has begun.
    pub fn cause(&self) -> Option<Cause> {
        self.shutdown().cause().cloned()
    }

    /// Adds a callback that runs at once when the shutdown begins, before any phase, or now if it
    /// has begun already. It must not block. A panic in one never stops the others.
    pub fn register_notification(
        &self,
        name: impl Into<Name>,
        callback: impl FnOnce(&Cause) + Send + 'static,
    ) -> Registration {
        self.notify(Notification::new(name, callback))
    }

    /// Adds a cleanup function that runs in `release`, by priority, where it may block.
    ///
    /// For an async hook, or one in another phase, register a
    /// [`Waiter::as_hook`](crate::Waiter::as_hook).
    ///
    /// # Errors
    ///
    /// As [`register_waiter`](ShutdownCoordinator::register_waiter).
    pub fn register_hook<R>(
        &self,
        name: impl Into<Name>,
        priority: Priority,
        hook: impl FnOnce() -> R + Send + 'static,
    ) -> Result<Registration, PlanError>
    where
        R: WaiterResult + 'static,
    {
        self.register_waiter(Waiter::blocking(name, |_deadline| hook()).as_hook(priority))
    }

    /// Runs a task that the coordinator owns: it is listed by name while it blocks, waited for in
    /// `drain` and aborted at the end of it. Once `drain` has passed it is dropped unpolled.
    ///
    /// Whoever awaits the handle learns of the abort as an error that
    /// [is cancelled](tokio::task::JoinError::is_cancelled): not everything that has ended is done.
    pub fn spawn<F>(&self, name: impl Into<Name>, future: F) -> JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.work().spawn(name, future)
    }

    /// The same for a task the service cannot live without: its error or panic begins the
    /// shutdown.
    pub fn supervise<F, E>(&self, name: impl Into<Name>, future: F) -> JoinHandle<()>
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display + Send + 'static,
    {
        self.work().supervise(name, future)
    }
}

/// Membership of a shutdown. It lasts as long as the coordinator, also when this value is dropped;
/// [`unregister`](Self::unregister) ends it earlier, and [`scoped`](Self::scoped) with a scope.
pub struct Registration {
    undo: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Registration {
    /// A registration that is undone by this function; for implementers of the trait.
    pub fn new(undo: impl FnOnce() + Send + Sync + 'static) -> Self {
        Registration { undo: Some(Box::new(undo)) }
    }

    /// A registration of nothing.
    pub fn noop() -> Self {
        Registration { undo: None }
    }

    /// Takes the participant out again, unless it has started.
    pub fn unregister(mut self) {
        if let Some(undo) = self.undo.take() {
            undo();
        }
    }

    /// A guard that takes the participant out again when it is dropped, unless it has started: for a
    /// part of the service that may end before the service does.
    pub fn scoped(self) -> ScopedRegistration {
        ScopedRegistration(Some(self))
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registration").finish_non_exhaustive()
    }
}

/// Membership of a shutdown until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it unregisters the participant"]
pub struct ScopedRegistration(Option<Registration>);

impl Drop for ScopedRegistration {
    fn drop(&mut self) {
        if let Some(registration) = self.0.take() {
            registration.unregister();
        }
    }
}
