//! The report as a stream of events: one whenever something has changed, until there is no more, or
//! the server that tells it goes.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use sundown::{Report, ShutdownCoordinator, Verdict};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// How often it looks.
const GLANCE: Duration = Duration::from_millis(100);
/// After so many looks without news it says that it is still there.
const QUIET: u32 = 100;
/// The last it says: come back in a second, to who serves next.
const GOODBYE: &str = "retry: 1000\n\n";

pub(crate) struct Live {
    coordinator: Arc<dyn ShutdownCoordinator>,
    glance: Interval,
    /// The server drains: it waits for this stream, so the stream must not wait for it.
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    told: Option<Report>,
    quiet: u32,
    has_ended: bool,
}

impl Live {
    pub(crate) fn new(
        coordinator: Arc<dyn ShutdownCoordinator>,
        draining: Option<CancellationToken>,
    ) -> Self {
        let mut glance = interval(GLANCE);
        glance.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let draining = Box::pin(draining.unwrap_or_default().cancelled_owned());
        Live { coordinator, glance, draining, told: None, quiet: 0, has_ended: false }
    }

    /// What there is to say now, if anything.
    fn news(&mut self) -> Option<Bytes> {
        let report = self.coordinator.report();
        self.has_ended |= report.verdict != Verdict::Running;
        let mut text = String::new();
        if self.told.as_ref().is_none_or(|told| !is_no_news(told, &report)) {
            self.quiet = 0;
            let json = serde_json::to_string(&report).unwrap_or_default();
            text = format!("event: report\ndata: {json}\n\n");
            self.told = Some(report);
        } else {
            self.quiet += 1;
        }
        if self.has_ended {
            text.push_str(GOODBYE);
        } else if self.quiet > 0 && self.quiet.is_multiple_of(QUIET) {
            text.push_str(": still there\n\n");
        }
        (!text.is_empty()).then(|| Bytes::from(text))
    }
}

/// Whether only time has passed.
fn is_no_news(told: &Report, now: &Report) -> bool {
    let [told, now] = [told, now].map(|report| {
        let mut report = report.clone();
        (report.elapsed, report.began_unix_ms) = (Duration::ZERO, None);
        let waiters = report.phases.iter_mut().flat_map(|phase| &mut phase.waiters);
        let pending = waiters.filter_map(|waiter| waiter.pending.as_mut());
        pending.flat_map(|pending| &mut pending.oldest).for_each(|item| item.age = Duration::ZERO);
        report
    });
    told == now
}

impl Stream for Live {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        self.has_ended = self.draining.as_mut().poll(cx).is_ready();
        while self.has_ended || self.glance.poll_tick(cx).is_ready() {
            if let Some(news) = self.news() {
                return Poll::Ready(Some(Ok(news)));
            }
        }
        Poll::Pending
    }
}
