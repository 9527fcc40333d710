//! Attempts that say that they have begun, and end when they are let.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use sundown_tasks::{Kind, Task, TaskContext, TaskError};
use tokio::sync::watch;
use tokio::time::timeout;

use super::desk::PATIENCE;

/// What the attempts behind one gate have done so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// How many have begun.
    pub(crate) begun: usize,
    /// How many are there.
    pub(crate) now: usize,
    /// How many were there at once at the most.
    pub(crate) most: usize,
    /// How many threads were told to stop.
    pub(crate) told: usize,
}

/// Cheap to clone; a clone is the same gate.
#[derive(Clone)]
pub(crate) struct Gate {
    seen: Arc<watch::Sender<Seen>>,
    is_open: Arc<watch::Sender<bool>>,
}

/// An attempt behind the gate.
struct Inside(Arc<watch::Sender<Seen>>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.send_modify(|seen| seen.now -= 1);
    }
}

impl Gate {
    pub(crate) fn new() -> Self {
        Gate { seen: Arc::default(), is_open: Arc::default() }
    }

    /// Futures behind it: the kind `gate`.
    pub(crate) fn kind(&self) -> Kind {
        Kind::new(self.clone())
    }

    /// Threads behind it: the kind `thread`. They hear that they are to stop, and do not obey.
    pub(crate) fn thread(&self) -> Kind {
        let gate = self.clone();
        Kind::blocking("thread", move |_: Value, context: TaskContext| {
            let _inside = gate.enter();
            let (mut is_told, began) = (false, Instant::now());
            // A test that fails leaves it closed, and its runtime waits for every thread.
            while !*gate.is_open.borrow() && began.elapsed() < 2 * PATIENCE {
                if context.is_cancelled() && !is_told {
                    is_told = true;
                    gate.seen.send_modify(|seen| seen.told += 1);
                }
                std::thread::park_timeout(Duration::from_millis(5));
            }
            Ok(context.attempt())
        })
    }

    fn enter(&self) -> Inside {
        self.seen.send_modify(|seen| {
            seen.begun += 1;
            seen.now += 1;
            seen.most = seen.most.max(seen.now);
        });
        Inside(self.seen.clone())
    }

    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }

    pub(crate) fn close(&self) {
        self.is_open.send_replace(false);
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    /// Waits until so many have begun.
    pub(crate) async fn begun(&self, count: usize) {
        self.sees(|seen| seen.begun >= count).await;
    }

    /// Waits until it has seen that.
    pub(crate) async fn sees(&self, what: impl FnMut(&Seen) -> bool) {
        let mut seen = self.seen.subscribe();
        timeout(PATIENCE, seen.wait_for(what)).await.unwrap().unwrap();
    }
}

impl Task for Gate {
    const KIND: &'static str = "gate";
    type Input = Value;
    type Output = u32;

    async fn run(&self, _: Value, context: TaskContext) -> Result<u32, TaskError> {
        let _inside = self.enter();
        self.is_open.subscribe().wait_for(|open| *open).await?;
        Ok(context.attempt())
    }
}
