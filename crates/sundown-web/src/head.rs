//! The heads of later requests. actix has a clock for the first one of a connection only.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Watches that a head which was begun is whole in time. It allocates when one comes in pieces, and
/// once for a connection.
#[derive(Debug)]
pub(crate) struct Heads {
    limit: Duration,
    /// Something came while no request was being answered, and was not looked at yet.
    has_come: bool,
    /// Since when a head is being sent.
    begun: Option<Instant>,
    /// How many requests there have been.
    known: usize,
    alarm: Option<Pin<Box<Sleep>>>,
    is_armed: bool,
}

impl Heads {
    pub(crate) fn new(limit: Duration) -> Self {
        Heads { limit, has_come: false, begun: None, known: 0, alarm: None, is_armed: false }
    }

    /// Something came, and nobody is being answered: the beginning of a head, or what is left of a
    /// body that nobody wanted, which must come to its end as soon.
    pub(crate) fn came(&mut self) {
        self.has_come = true;
    }

    /// What came was looked at, and this many requests were made of it so far.
    pub(crate) fn seen(&mut self, requests: usize, cx: &mut Context<'_>) {
        let has_come = mem::take(&mut self.has_come);
        if requests != self.known {
            self.known = requests;
            self.is_armed = false;
            self.begun = None;
            return;
        }
        if has_come {
            self.begun.get_or_insert_with(Instant::now);
        }
        if has_come && requests > 0 && !self.is_armed {
            self.is_armed = true;
            let end = Instant::now() + self.limit;
            let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(end)));
            alarm.as_mut().reset(end);
            let _ = alarm.as_mut().poll(cx);
        }
    }

    /// Since when a head is on its way that is not whole yet.
    pub(crate) fn begun(&self) -> Option<Instant> {
        self.begun
    }

    /// Whether its time is over.
    pub(crate) fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(alarm) = self.alarm.as_mut().filter(|_| self.is_armed) else { return false };
        matches!(alarm.as_mut().poll(cx), Poll::Ready(()))
    }
}
