//! Keeps what this process holds, on a thread of its own: renews leases, writes down how attempts
//! ended, takes back what dead processes held, forgets what is old. It goes on until the process
//! exits, whatever becomes of the application's runtime, so that a long drain makes nothing run twice.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

use tokio::runtime;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{sleep, timeout};
use tracing::{error, info, warn};

use crate::attempt::Attempts;
use crate::metrics;
use crate::store::{Ending, Finish, Lease};
use crate::{Fence, Settings, Store, StoreError};

/// How many endings may wait to be written.
const QUEUE: usize = 4096;
/// How many are written at once.
const BATCH: usize = 512;
/// How many tasks of the dead are taken back, and old ones forgotten, at once.
const SWEEP: usize = 1000;
/// How often it is looked for tasks of the dead.
const RESCUE: Duration = Duration::from_millis(500);
/// How often it is told how many there are.
const COUNT: Duration = Duration::from_secs(5);
/// How often old tasks are forgotten.
const PURGE: Duration = Duration::from_secs(60);
/// The pauses before the store is asked again after it could not answer.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The way to the keeper; when all of them are gone, so is it.
#[derive(Debug, Clone)]
pub(crate) struct Keeper {
    endings: Sender<(Fence, Ending)>,
    health: Arc<Health>,
}

/// Whether the store answers.
#[derive(Debug, Default)]
pub(crate) struct Health {
    is_ill: AtomicBool,
}

impl Health {
    pub(crate) fn is_good(&self) -> bool {
        !self.is_ill.load(Ordering::Relaxed)
    }

    /// Remembers how it went, and says so when that is news.
    pub(crate) fn heard<T>(&self, answer: &Result<T, StoreError>) {
        let is_ill =
            matches!(answer, Err(StoreError::Unavailable { .. } | StoreError::Broken { .. }));
        let was_ill = self.is_ill.swap(is_ill, Ordering::Relaxed);
        match answer {
            Err(problem) if !was_ill && is_ill => {
                error!(%problem, "the task store does not answer; it is asked again");
            }
            Ok(_) if was_ill => info!("the task store answers again"),
            Ok(_) | Err(_) => {}
        }
    }
}

impl Keeper {
    /// Starts it.
    pub(crate) fn start(
        store: Arc<dyn Store>,
        attempts: Arc<Attempts>,
        settings: &Settings,
    ) -> io::Result<Self> {
        let (endings, received) = channel(QUEUE);
        let health = Arc::new(Health::default());
        let keeping = Keeping { store, attempts, health: health.clone(), lease: settings.lease };
        let retention = settings.retention;
        let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
        Builder::new().name(format!("{} keeper", settings.name)).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = keeping.write_endings(received) => {}
                    () = keeping.renew() => {}
                    () = keeping.rescue() => {}
                    () = keeping.count() => {}
                    () = keeping.purge(retention) => {}
                }
            });
        })?;
        Ok(Keeper { endings, health })
    }

    /// Has the end of an attempt written down; it is tried until it is.
    pub(crate) async fn finish(&self, fence: Fence, ending: Ending) {
        // The keeper lives as long as somebody can ask.
        let _ = self.endings.send((fence, ending)).await;
    }

    pub(crate) fn health(&self) -> &Arc<Health> {
        &self.health
    }
}

struct Keeping {
    store: Arc<dyn Store>,
    attempts: Arc<Attempts>,
    health: Arc<Health>,
    lease: Duration,
}

impl Keeping {
    async fn write_endings(&self, mut received: Receiver<(Fence, Ending)>) {
        let mut batch = Vec::with_capacity(BATCH);
        while received.recv_many(&mut batch, BATCH).await > 0 {
            let ended: Vec<Fence> = batch.iter().map(|(fence, _)| *fence).collect();
            let mut pause = PAUSE;
            loop {
                let answer = self.store.finish(batch.clone()).await;
                self.health.heard(&answer);
                match answer {
                    Ok(finished) => {
                        note(&ended, &finished);
                        break;
                    }
                    Err(StoreError::Closed) => return,
                    Err(_) => sleep(pause).await,
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            ended.into_iter().for_each(|fence| self.attempts.remove(fence));
            batch.clear();
        }
    }

    /// Three times within a lease, so that one that fails costs nothing.
    async fn renew(&self) {
        loop {
            sleep(self.lease / 3).await;
            let fences = self.attempts.leased();
            if fences.is_empty() {
                continue;
            }
            let held_until = Instant::now() + self.lease;
            let answer = self.store.renew(fences.clone(), self.lease).await;
            self.health.heard(&answer);
            let Ok(leases) = answer else { continue };
            for (fence, lease) in fences.into_iter().zip(leases) {
                match lease {
                    Lease::Held => self.attempts.renewed(fence, held_until),
                    Lease::Unwanted => {
                        self.attempts.renewed(fence, held_until);
                        self.attempts.cancel(fence);
                    }
                    Lease::Lost => self.lost(fence),
                }
            }
        }
    }

    fn lost(&self, fence: Fence) {
        if self.attempts.lose(fence) {
            let (task, attempt) = (fence.task, fence.attempt);
            warn!(%task, attempt, "its lease is lost; the attempt is stopped");
            metrics::lost();
        }
    }

    /// After the store could not be reached everybody has the time of a lease to renew first: those
    /// who were cut off with us are not dead.
    async fn rescue(&self) {
        let mut not_before = Instant::now();
        loop {
            sleep(RESCUE.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            if !self.health.is_good() {
                not_before = Instant::now() + self.lease;
                // Somebody has to find out that it is well again.
                self.health.heard(&self.store.counts().await);
            }
            if Instant::now() < not_before {
                continue;
            }
            let answer = self.store.rescue(SWEEP).await;
            self.health.heard(&answer);
            for rescued in answer.unwrap_or_default() {
                let (task, attempt) = (rescued.fence.task, rescued.fence.attempt);
                warn!(%task, attempt, now = rescued.state.name(), "its process is gone; taken back");
                metrics::rescued();
            }
        }
    }

    async fn count(&self) {
        loop {
            let answer = self.store.counts().await;
            self.health.heard(&answer);
            if let Ok(counts) = answer {
                metrics::counted(counts);
            }
            sleep(COUNT).await;
        }
    }

    async fn purge(&self, retention: Duration) {
        loop {
            sleep(PURGE.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            // In small steps, so that nobody waits for it.
            while let Ok(Ok(count)) = timeout(PURGE, self.store.purge(retention, SWEEP)).await
                && count == SWEEP as u64
            {
                sleep(PAUSE).await;
            }
        }
    }
}

fn note(ended: &[Fence], finished: &[Finish]) {
    for (fence, finish) in ended.iter().zip(finished) {
        match finish {
            Finish::Now(state) => metrics::finished(*state),
            Finish::Superseded => {
                warn!(task = %fence.task, attempt = fence.attempt, "superseded; its end is not kept");
                metrics::superseded();
            }
        }
    }
}
