//! For whom a change is news: for whoever looks for work, or only for those who read logs.

use tokio::sync::watch;

/// What a change is news of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum News {
    Nothing,
    /// Of something that was told.
    Log,
    /// Of tasks to claim, to cancel, or that are over; logs may have changed as well.
    Work,
}

#[cfg(feature = "postgres")]
impl News {
    pub(crate) fn when(self, is_so: bool) -> Self {
        if is_so { self } else { News::Nothing }
    }
}

/// Wakes those who wait for news.
#[derive(Debug)]
pub(crate) struct Bells {
    work: watch::Sender<()>,
    log: watch::Sender<()>,
}

/// Somebody who waits for news.
pub(crate) struct Ear(watch::Receiver<()>);

impl Bells {
    pub(crate) fn new() -> Self {
        Bells { work: watch::Sender::new(()), log: watch::Sender::new(()) }
    }

    pub(crate) fn ring(&self, news: News) {
        if news >= News::Log {
            self.log.send_replace(());
        }
        if news >= News::Work {
            self.work.send_replace(());
        }
    }

    /// Hears from now on what is at least this.
    pub(crate) fn hear(&self, least: News) -> Ear {
        let bell = if least >= News::Work { &self.work } else { &self.log };
        Ear(bell.subscribe())
    }
}

impl Ear {
    pub(crate) async fn rings(mut self) {
        // It fails only when the store is gone.
        let _ = self.0.changed().await;
    }
}
