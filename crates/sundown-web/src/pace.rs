//! How long a client is waited for: as long as the server was told, and while it drains no longer
//! than the stop can bear.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Who moves nothing for so long while the server drains is given up, if there is not time for more.
const SOON: Duration = Duration::from_secs(1);

/// What the clients of one server are granted.
#[derive(Debug)]
pub(crate) struct Pace {
    stall: Option<Duration>,
    /// The end of the drain, once it has begun.
    until: OnceLock<Instant>,
    draining: CancellationToken,
}

impl Pace {
    pub(crate) fn new(stall: Option<Duration>) -> Arc<Self> {
        Arc::new(Pace { stall, until: OnceLock::new(), draining: CancellationToken::new() })
    }

    /// The server drains now, and has so much time for it.
    pub(crate) fn hurry(&self, until: Instant) {
        let _ = self.until.set(until);
        self.draining.cancel();
    }

    pub(crate) fn is_hurried(&self) -> bool {
        self.until.get().is_some()
    }

    /// Ends when it is hurried.
    pub(crate) fn hurries(&self) -> WaitForCancellationFutureOwned {
        self.draining.clone().cancelled_owned()
    }

    /// For others, who may follow the drain and cannot begin it.
    pub(crate) fn token(&self) -> CancellationToken {
        self.draining.child_token()
    }

    /// The time in which something must move, if it must.
    pub(crate) fn window(&self, now: Instant) -> Option<Duration> {
        let Some(until) = self.until.get() else { return self.stall };
        let bearable = bearable(until.saturating_duration_since(now));
        Some(self.stall.map_or(bearable, |stall| stall.min(bearable)))
    }
}

/// A quarter of what is left of the drain; if that is little, a second, but never more than half.
fn bearable(left: Duration) -> Duration {
    (left / 4).max(SOON.min(left / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_well_before_the_drain() {
        for (left, window) in [(80_000, 20_000), (20_000, 5000), (4500, 1125), (3000, 1000)] {
            assert_eq!(bearable(Duration::from_millis(left)).as_millis(), window);
        }
        for (left, window) in [(2000, 1000), (500, 250), (0, 0)] {
            assert_eq!(bearable(Duration::from_millis(left)).as_millis(), window);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_drain_shortens_a_window_and_never_lengthens_it() {
        let seconds = |pace: &Pace| pace.window(Instant::now()).map(|window| window.as_secs());
        for (stall, draining) in [(None, 5), (Some(30), 5), (Some(2), 2)] {
            let pace = Pace::new(stall.map(Duration::from_secs));
            assert_eq!(seconds(&pace), stall);
            pace.hurry(Instant::now() + Duration::from_secs(20));
            assert_eq!(seconds(&pace), Some(draining));
        }
    }
}
