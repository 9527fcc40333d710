//! Gauges that the application lets us read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use metrics::{Gauge, Key};
use tracing::error;

use crate::service::locked;

/// All of them.
#[derive(Default)]
pub(crate) struct WatchList(Mutex<Vec<Arc<Watched>>>);

struct Watched {
    key: Key,
    gauge: Gauge,
    read: Box<dyn Fn() -> f64 + Send + Sync>,
}

impl WatchList {
    /// Reads it now, and at every update.
    pub(crate) fn add(
        &self,
        key: Key,
        gauge: Gauge,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        let watched = Arc::new(Watched { key, gauge, read: Box::new(read) });
        watched.update();
        locked(&self.0).push(watched);
    }

    pub(crate) fn update(&self) {
        // Not under the lock: a closure may come back to us.
        let all = locked(&self.0).clone();
        for watched in all {
            watched.update();
        }
    }

    pub(crate) fn len(&self) -> usize {
        locked(&self.0).len()
    }
}

impl Watched {
    fn update(&self) {
        match catch_unwind(AssertUnwindSafe(|| (self.read)())) {
            Ok(value) => self.gauge.set(value),
            Err(_) => error!(metric = self.key.name(), "its closure panicked; the value is old"),
        }
    }
}
