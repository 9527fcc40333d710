//! The report as a stream of events: one whenever something has changed, until there is no more.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use sundown::{Report, ShutdownCoordinator, Verdict};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// How often it looks.
const GLANCE: Duration = Duration::from_millis(100);
/// After so many looks without news it says that it is still there.
const QUIET: u32 = 100;

pub(crate) struct Live {
    coordinator: Arc<dyn ShutdownCoordinator>,
    glance: Interval,
    told: Option<Report>,
    quiet: u32,
    has_ended: bool,
}

impl Live {
    pub(crate) fn new(coordinator: Arc<dyn ShutdownCoordinator>) -> Self {
        let mut glance = interval(GLANCE);
        glance.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Live { coordinator, glance, told: None, quiet: 0, has_ended: false }
    }

    /// What there is to say now, if anything.
    fn news(&mut self) -> Option<Bytes> {
        let report = self.coordinator.report();
        self.has_ended = report.verdict != Verdict::Running;
        if self.told.as_ref().is_some_and(|told| is_no_news(told, &report)) {
            self.quiet += 1;
            return self
                .quiet
                .is_multiple_of(QUIET)
                .then(|| Bytes::from_static(b": still there\n\n"));
        }
        self.quiet = 0;
        let json = serde_json::to_string(&report).unwrap_or_default();
        self.told = Some(report);
        Some(Bytes::from(format!("event: report\ndata: {json}\n\n")))
    }
}

/// Whether only time has passed.
fn is_no_news(told: &Report, now: &Report) -> bool {
    let mut told = told.clone();
    told.elapsed = now.elapsed;
    told.began_unix_ms = now.began_unix_ms;
    told == *now
}

impl Stream for Live {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        while self.glance.poll_tick(cx).is_ready() {
            if let Some(news) = self.news() {
                return Poll::Ready(Some(Ok(news)));
            }
        }
        Poll::Pending
    }
}
