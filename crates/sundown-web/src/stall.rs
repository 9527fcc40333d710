//! When a client is too slow to be waited for: decided purely, with a thin clock around it.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use crate::pace::Pace;

/// What must move within a window, at the least. The end of a message ends the wait for it, so a
/// shorter rest need only come.
const LEAST: usize = 1024;
/// Longer than this nobody waits; so that no sum of times overflows.
const LONGEST: Duration = Duration::from_secs(86_400 * 365);

/// How long one side of a connection was waited for, and what that brought. Only waiting counts:
/// while nobody asks for anything, no time passes here.
#[derive(Debug, Default)]
struct Stall {
    /// In this window, without the wait that lasts.
    waited: Duration,
    /// Since when it lasts.
    since: Option<Instant>,
    moved: usize,
}

impl Stall {
    /// It is waited for, now if it was not already. Says when its time is over.
    fn waits(&mut self, now: Instant, window: Duration) -> Instant {
        let since = *self.since.get_or_insert(now);
        since + window.min(LONGEST).saturating_sub(self.waited)
    }

    /// It was waited for until then.
    fn stops(&mut self, at: Instant) {
        if let Some(since) = self.since.take() {
            self.waited += at.saturating_duration_since(since);
        }
    }

    /// So much moved: enough of it opens a new window.
    fn moves(&mut self, bytes: usize) {
        self.moved = self.moved.saturating_add(bytes);
        if self.moved >= LEAST {
            self.rests();
        }
    }

    /// Nothing is wanted: what comes next has a window of its own.
    fn rests(&mut self) {
        *self = Stall::default();
    }
}

/// The same with a clock. It allocates when it first has to wait, and not before.
#[derive(Debug)]
pub(crate) struct Patience {
    pace: Arc<Pace>,
    stall: Stall,
    alarm: Option<Pin<Box<Sleep>>>,
    /// Ends when another window holds.
    hurries: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    is_hurried: bool,
}

impl Patience {
    pub(crate) fn new(pace: Arc<Pace>) -> Self {
        let stall = Stall::default();
        Patience { pace, stall, alarm: None, hurries: None, is_hurried: false }
    }

    /// So much moved, and could since then; the clock is asked only at the end of a wait.
    pub(crate) fn moved(&mut self, bytes: usize, since: impl FnOnce() -> Instant) {
        if self.stall.since.is_some() {
            self.stall.stops(since());
        }
        self.stall.moves(bytes);
    }

    /// Nothing is wanted for now.
    pub(crate) fn rests(&mut self) {
        self.stall.rests();
    }

    /// Waits, until the time is over in which something should have moved.
    pub(crate) fn poll_ends(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.follow(cx);
        let now = Instant::now();
        let Some(window) = self.pace.window(now) else { return Poll::Pending };
        let end = self.stall.waits(now, window);
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if alarm.deadline() != end {
            alarm.as_mut().reset(end);
        }
        alarm.as_mut().poll(cx)
    }

    /// The window of the drain begins with it, whatever was waited before.
    fn follow(&mut self, cx: &mut Context<'_>) {
        if self.is_hurried {
            return;
        }
        let hurries = self.hurries.get_or_insert_with(|| Box::pin(self.pace.hurries()));
        if hurries.as_mut().poll(cx).is_ready() {
            (self.hurries, self.is_hurried) = (None, true);
            self.stall.rests();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::time::{advance, timeout};

    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    fn patience() -> Patience {
        Patience::new(Pace::new(Some(WINDOW)))
    }

    /// How long a patience lasts from now.
    async fn lasts(patience: &mut Patience) -> Duration {
        let began = Instant::now();
        poll_fn(|cx| patience.poll_ends(cx)).await;
        began.elapsed()
    }

    /// Waits so long for so many bytes.
    async fn takes(patience: &mut Patience, seconds: u64, bytes: usize) {
        let wait = Duration::from_secs(seconds);
        let end = timeout(wait, poll_fn(|cx| patience.poll_ends(cx))).await;
        assert!(end.is_err(), "its time was over within {wait:?}");
        patience.moved(bytes, Instant::now);
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_nothing_has_one_window() {
        assert_eq!(lasts(&mut patience()).await.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_buys_no_time() {
        let mut patience = patience();
        for _ in 0..3 {
            takes(&mut patience, 3, 1).await;
        }
        assert_eq!(lasts(&mut patience).await.as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_slow_and_fast_enough_goes_on_for_ever() {
        let mut patience = patience();
        for _ in 0..1000 {
            takes(&mut patience, 4, LEAST / 2).await;
        }
        assert_eq!(lasts(&mut patience).await.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_waits_does_not_count() {
        let mut patience = patience();
        for _ in 0..9 {
            takes(&mut patience, 1, 1).await;
            advance(WINDOW * 5).await;
        }
        assert_eq!(lasts(&mut patience).await.as_secs(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_long_before_it_was_asked_for_was_not_waited_for() {
        let mut patience = patience();
        takes(&mut patience, 1, 0).await;
        let came = Instant::now();
        takes(&mut patience, 1, 0).await;
        patience.stall.waits(came, WINDOW);
        advance(WINDOW * 5).await;
        patience.moved(1, || came);
        assert_eq!(lasts(&mut patience).await.as_secs(), 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_that_was_taken_leaves_the_next_message_its_window() {
        let mut patience = patience();
        takes(&mut patience, 9, 1).await;
        patience.rests();
        assert_eq!(lasts(&mut patience).await.as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_window_overflows_nothing() {
        takes(&mut Patience::new(Pace::new(Some(Duration::MAX))), 1, 1).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_waited_for_when_the_drain_begins_has_the_window_of_the_drain() {
        for stall in [None, Some(WINDOW)] {
            let pace = Pace::new(stall);
            let mut patience = Patience::new(pace.clone());
            takes(&mut patience, 9, 1).await;
            let hurry = async {
                advance(WINDOW / 20).await;
                pace.hurry(Instant::now() + WINDOW * 2);
            };
            let (lasted, ()) = tokio::join!(lasts(&mut patience), hurry);
            assert_eq!(lasted.as_millis(), 5500);
        }
    }
}
