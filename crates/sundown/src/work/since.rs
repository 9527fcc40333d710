//! How long ago something was, to a few milliseconds: the coarse clock costs a fifth of the
//! precise one, and every spawn reads it. It is the real clock also where tokio's is paused.

#[cfg(target_os = "linux")]
pub(super) use self::coarse::Since;
#[cfg(not(target_os = "linux"))]
pub(super) use self::precise::Since;

#[cfg(target_os = "linux")]
mod coarse {
    use std::time::Duration;

    use rustix::time::{ClockId, Timespec, clock_gettime};

    /// An instant of the kernel's last tick.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super) struct Since(Timespec);

    impl Since {
        pub(in super::super) fn now() -> Self {
            Since(clock_gettime(ClockId::MonotonicCoarse))
        }

        pub(in super::super) fn elapsed(self) -> Duration {
            Duration::try_from(Since::now().0 - self.0).unwrap_or_default()
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod precise {
    use std::time::{Duration, Instant};

    /// An instant.
    #[derive(Debug, Clone, Copy)]
    pub(in super::super) struct Since(Instant);

    impl Since {
        pub(in super::super) fn now() -> Self {
            Since(Instant::now())
        }

        pub(in super::super) fn elapsed(self) -> Duration {
            self.0.elapsed()
        }
    }
}
