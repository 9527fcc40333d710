//! The coordinator of tests and testing modes: it accepts everything and never shuts down.

use std::ops::Deref;
use std::sync::Weak;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::phase::Trail;
use crate::{
    Cause, Notification, Phase, PhaseWatch, PlanError, Registration, Report, Shutdown,
    ShutdownCoordinator, Waiter, Work,
};

/// A coordinator that never shuts anything down, for tests of a layer and for testing modes.
///
/// Registrations are accepted and forgotten, [`initiate`](ShutdownCoordinator::initiate) answers
/// `false` and changes nothing. Owned work is run.
#[derive(Debug)]
pub struct NoopCoordinator {
    shutdown: Shutdown,
    token: CancellationToken,
    trail: watch::Sender<Trail>,
    work: Work,
}

impl NoopCoordinator {
    /// Makes one.
    pub fn new() -> Self {
        NoopCoordinator {
            shutdown: Shutdown::new(),
            token: CancellationToken::new(),
            trail: watch::Sender::default(),
            work: Work::new(Weak::<NoopCoordinator>::new()),
        }
    }
}

impl Default for NoopCoordinator {
    fn default() -> Self {
        NoopCoordinator::new()
    }
}

impl ShutdownCoordinator for NoopCoordinator {
    fn register_waiter(&self, _waiter: Waiter) -> Result<Registration, PlanError> {
        Ok(Registration::noop())
    }

    fn notify(&self, _notification: Notification) -> Registration {
        Registration::noop()
    }

    fn initiate(&self, _cause: Cause) -> bool {
        false
    }

    fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    fn phase(&self) -> Option<Phase> {
        None
    }

    fn phases(&self) -> PhaseWatch {
        PhaseWatch::new(self.trail.subscribe())
    }

    fn report(&self) -> Report {
        Report::running()
    }

    fn work(&self) -> &Work {
        &self.work
    }
}

impl Deref for NoopCoordinator {
    type Target = dyn ShutdownCoordinator;

    fn deref(&self) -> &Self::Target {
        self
    }
}
