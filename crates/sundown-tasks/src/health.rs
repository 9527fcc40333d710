//! Whether the store does what it is asked, and whether those who ask are alive.

use std::sync::atomic::{AtomicU8, Ordering};

use sundown::Shutdown;
use tracing::{error, info};

use crate::{StoreError, metrics};

/// What the store is asked all the time. Each is ill by itself: that a file can be read does not say
/// that it can be written.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub(crate) enum Deed {
    Claim = 1,
    Renew = 1 << 1,
    Look = 1 << 2,
    Finish = 1 << 3,
    Rescue = 1 << 4,
    Count = 1 << 5,
}

/// Somebody who asks is gone for good.
const GONE: u8 = 1 << 7;

/// Which of those went wrong the last time.
#[derive(Debug)]
pub(crate) struct Health {
    ill: AtomicU8,
    shutdown: Shutdown,
}

/// Whoever holds it is needed: a panic that drops it makes the service ill.
pub(crate) struct Needed<'a>(&'a Health);

impl Health {
    pub(crate) fn new(shutdown: Shutdown) -> Self {
        Health { ill: AtomicU8::new(0), shutdown }
    }

    pub(crate) fn is_good(&self) -> bool {
        self.ill.load(Ordering::Relaxed) == 0
    }

    /// Whether the store does everything it is asked.
    pub(crate) fn is_answered(&self) -> bool {
        self.ill.load(Ordering::Relaxed) & !GONE == 0
    }

    /// Remembers how it went, and says so when that is news.
    pub(crate) fn heard<T>(&self, deed: Deed, answer: &Result<T, StoreError>) {
        let bit = deed as u8;
        match answer {
            Ok(_) => self.is_well(bit),
            // Then it is closed on purpose.
            Err(StoreError::Closed) if self.shutdown.is_shutting_down() => {}
            Err(problem) => {
                if self.ill.fetch_or(bit, Ordering::Relaxed) == 0 {
                    error!(%problem, "the task store does not answer; it is asked again");
                }
            }
        }
        // Every time: of two who tell of a change at once, the one with the older news may be the last.
        metrics::healthy(self.is_good());
    }

    /// There is nothing to ask of that kind any more, so nobody would find out that it is well.
    pub(crate) fn rests(&self, deed: Deed) {
        self.is_well(deed as u8);
    }

    /// Somebody who asks is gone, or was, by a bug: that is for a person to look at.
    pub(crate) fn has_failed(&self) {
        self.ill.fetch_or(GONE, Ordering::Relaxed);
    }

    /// The caller is needed as long as the value lives.
    pub(crate) fn needs(&self) -> Needed<'_> {
        Needed(self)
    }

    fn is_well(&self, bit: u8) {
        if self.ill.load(Ordering::Relaxed) & bit == 0 {
            return;
        }
        if self.ill.fetch_and(!bit, Ordering::Relaxed) == bit {
            info!("the task store answers again");
        }
    }
}

impl Drop for Needed<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.has_failed();
        }
    }
}

#[cfg(test)]
mod tests {
    use sundown::{NoopCoordinator, ShutdownCoordinator as _};

    use super::*;

    #[test]
    fn only_what_was_ill_can_show_that_it_is_well() {
        let health = Health::new(NoopCoordinator::new().shutdown());
        let away = || StoreError::Unavailable { why: "locked".to_owned() };
        health.heard::<()>(Deed::Finish, &Err(away()));
        health.heard(Deed::Count, &Ok(()));
        health.heard(Deed::Claim, &Ok(()));
        assert!(!health.is_good(), "that it can be read says nothing of writing");
        health.heard::<()>(Deed::Claim, &Err(away()));
        health.heard(Deed::Finish, &Ok(()));
        assert!(!health.is_good());
        health.rests(Deed::Claim);
        assert!(health.is_good());
    }

    #[test]
    fn a_store_that_is_closed_too_early_is_ill() {
        let health = Health::new(NoopCoordinator::new().shutdown());
        health.heard::<()>(Deed::Claim, &Err(StoreError::Closed));
        assert!(!health.is_good());
    }
}
