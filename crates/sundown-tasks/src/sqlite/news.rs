//! Who waits for news, and how they are told.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::watch;

/// Tells all who wait that something changed.
#[derive(Debug)]
pub(super) struct News {
    changes: watch::Sender<()>,
    waiting: AtomicUsize,
}

/// Somebody who waits.
pub(super) struct Waiting {
    news: Arc<News>,
    changes: watch::Receiver<()>,
}

impl News {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(News { changes: watch::Sender::new(()), waiting: AtomicUsize::new(0) })
    }

    pub(super) fn tell(&self) {
        self.changes.send_replace(());
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Begins to wait: whatever is told from now on counts. Answers as well whether nobody did.
    pub(super) fn await_next(self: Arc<Self>) -> (Waiting, bool) {
        let changes = self.changes.subscribe();
        let is_first = self.waiting.fetch_add(1, Ordering::AcqRel) == 0;
        (Waiting { news: self, changes }, is_first)
    }
}

impl Waiting {
    pub(super) async fn told(mut self) {
        // The other half lives in the same value.
        let _ = self.changes.changed().await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.news.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
