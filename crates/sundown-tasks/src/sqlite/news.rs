//! Who waits for news, and how they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::store::bells::{Bells, Ear, News};

/// Tells all who wait that something changed.
#[derive(Debug)]
pub(super) struct Board {
    bells: Bells,
    waiting: AtomicUsize,
}

/// Somebody who waits.
pub(super) struct Waiting {
    board: Arc<Board>,
    ear: Option<Ear>,
}

impl Board {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Board { bells: Bells::new(), waiting: AtomicUsize::new(0) })
    }

    pub(super) fn tell(&self, news: News) {
        self.bells.ring(news);
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Begins to wait: whatever is told from now on counts. Answers as well whether nobody did.
    pub(super) fn await_next(self: Arc<Self>, least: News) -> (Waiting, bool) {
        let ear = Some(self.bells.hear(least));
        let is_first = self.waiting.fetch_add(1, Ordering::AcqRel) == 0;
        (Waiting { board: self, ear }, is_first)
    }
}

impl Waiting {
    pub(super) async fn told(mut self) {
        if let Some(ear) = self.ear.take() {
            ear.rings().await;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.board.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
