//! The instant a waiter must be done.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

/// The instant a waiter must be done. It is cheap to copy and can be asked what is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline at this instant.
    pub fn at(instant: Instant) -> Self {
        Deadline(instant)
    }

    /// A deadline so long from now; for tests, and for calling a waiter's body by hand.
    pub fn after(duration: Duration) -> Self {
        let now = Instant::now();
        Deadline(now.checked_add(duration).unwrap_or(now + Duration::from_secs(86_400 * 365)))
    }

    /// The instant itself.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// The time left; zero when it has passed.
    pub fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.left().is_zero()
    }

    /// The same deadline, earlier: leave that much for what must come after.
    #[must_use]
    pub fn minus(self, reserve: Duration) -> Self {
        Deadline(self.0.checked_sub(reserve).unwrap_or(self.0))
    }

    /// Waits until it passes.
    pub async fn passes(self) {
        sleep_until(self.0).await;
    }

    /// The future's output if it is ready in time.
    ///
    /// # Cancel safety
    ///
    /// When the deadline passes the future is dropped where it stands.
    pub async fn bound<F: Future>(self, future: F) -> Option<F::Output> {
        timeout_at(self.0, future).await.ok()
    }
}
