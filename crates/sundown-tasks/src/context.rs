//! What an attempt is given besides its input: a voice, a memory, and an ear for its end.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use sundown::{Deadline, Shutdown};
use thiserror::Error;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::attempt::Attempts;
use crate::store::Progress;
use crate::{Checkpoint, Claim, Fence, Store, StoreError, TaskId, depth};

/// The pause before something that the store could not do just now is tried again.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The surroundings of one attempt; cheap to clone.
#[derive(Clone)]
pub struct TaskContext(Arc<Inner>);

pub(crate) struct Inner {
    fence: Fence,
    failures: u32,
    store: Arc<dyn Store>,
    attempts: Arc<Attempts>,
    reached: Mutex<Option<Checkpoint>>,
    cancel: CancellationToken,
    shutdown: Shutdown,
    drain: Arc<OnceLock<Deadline>>,
    timeout: Option<Deadline>,
    /// It wanted to say something when it was told to stop, and could not.
    was_silenced: AtomicBool,
}

/// Why something could not be told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TellError {
    /// The attempt has lost its lease: another one goes on, and this one has nothing to say any more.
    #[error("attempt {} at task {} is superseded: another one goes on", .0.attempt, .0.task)]
    Superseded(Fence),
    /// It cannot be written as JSON.
    #[error("this cannot be told: {0}")]
    NoJson(#[from] serde_json::Error),
    /// It is JSON that nobody could read back.
    #[error("{what} of {levels} levels cannot be read back ({} at most)", depth::MOST)]
    TooDeep {
        /// Progress, or a checkpoint.
        what: &'static str,
        /// How deep it is.
        levels: usize,
    },
    /// The attempt was told to stop while the store could not be reached.
    #[error("told to stop, and the store could not be reached: {0}")]
    Stopped(StoreError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(StoreError),
}

impl TaskContext {
    pub(crate) fn new(
        claim: &Claim,
        store: Arc<dyn Store>,
        attempts: Arc<Attempts>,
        cancel: CancellationToken,
        shutdown: Shutdown,
        drain: Arc<OnceLock<Deadline>>,
        timeout: Option<Duration>,
    ) -> Self {
        TaskContext(Arc::new(Inner {
            fence: claim.fence,
            failures: claim.failures,
            store,
            attempts,
            reached: Mutex::new(claim.checkpoint.clone()),
            cancel,
            shutdown,
            drain,
            timeout: timeout.map(Deadline::after),
            was_silenced: AtomicBool::new(false),
        }))
    }

    /// The task.
    pub fn task(&self) -> TaskId {
        self.0.fence.task
    }

    /// A name that no task of another store has, and that stays the same over all attempts: for
    /// servers that take an idempotency key.
    pub fn unique_name(&self) -> String {
        format!("sundown-{}-{}", self.0.store.identity(), self.task())
    }

    /// Which attempt this is: 1 is the first. Interrupted ones count here, and nowhere else.
    pub fn attempt(&self) -> u32 {
        self.0.fence.attempt
    }

    /// How many attempts failed before.
    pub fn failures(&self) -> u32 {
        self.0.failures
    }

    /// Tells those who follow the task. When it returns, it is on disk, in its place in the order.
    ///
    /// # Errors
    ///
    /// See [`TellError`]. While the store cannot be reached it waits, until the attempt is to stop.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it is told or it is not.
    pub async fn progress<T: Serialize + ?Sized>(&self, what: &T) -> Result<(), TellError> {
        self.tell(Some(readable("progress", what)?), None).await
    }

    /// Remembers how far this attempt came, for the one after it.
    ///
    /// # Errors
    ///
    /// As [`progress`](Self::progress).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it is remembered or it is not.
    pub async fn checkpoint<T: Serialize + ?Sized>(
        &self,
        step: impl Into<String>,
        cursor: &T,
    ) -> Result<(), TellError> {
        self.tell(None, Some(checkpoint(step.into(), cursor)?)).await
    }

    /// Remembers how far this attempt came, and tells of it, in one step: whoever has heard it can
    /// rely on it.
    ///
    /// # Errors
    ///
    /// As [`progress`](Self::progress).
    ///
    /// # Cancel safety
    ///
    /// Dropped, both are done or neither is.
    pub async fn checkpoint_and_tell<T: Serialize + ?Sized, P: Serialize + ?Sized>(
        &self,
        step: impl Into<String>,
        cursor: &T,
        what: &P,
    ) -> Result<(), TellError> {
        let checkpoint = checkpoint(step.into(), cursor)?;
        self.tell(Some(readable("progress", what)?), Some(checkpoint)).await
    }

    /// The last checkpoint, of this attempt or of the one before it.
    pub fn reached(&self) -> Option<Checkpoint> {
        self.0.reached.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where in this step the last checkpoint is; nothing if it is in another step, or was written
    /// by code that remembered something else.
    pub fn cursor<T: DeserializeOwned>(&self, step: &str) -> Option<T> {
        let reached = self.reached().filter(|reached| reached.step == step)?;
        serde_json::from_value(reached.cursor).ok()
    }

    /// Whether the service stops: a good moment for a checkpoint. What can be done before the
    /// [deadline](Self::deadline), should be.
    pub fn is_wrapping_up(&self) -> bool {
        self.0.shutdown.is_shutting_down() || self.is_cancelled()
    }

    /// Waits until the service stops.
    pub async fn wrapping_up(&self) {
        tokio::select! {
            _ = self.0.shutdown.wait() => {}
            () = self.0.cancel.cancelled() => {}
        }
    }

    /// Whether this attempt is to end now: somebody cancelled the task, its time is over, or its
    /// lease is lost.
    pub fn is_cancelled(&self) -> bool {
        self.0.cancel.is_cancelled()
    }

    /// For how long this attempt is the only one for certain, by a clock that goes on while the
    /// process is frozen. Nothing left means that another one may have begun, or even ended, the
    /// task: whoever does what a store cannot fence, such as starting a program, looks here right
    /// before, and hands it on to what it starts.
    pub fn lease_left(&self) -> Duration {
        self.0.attempts.lease_left(self.0.fence)
    }

    /// Waits until this attempt is to end.
    pub async fn cancelled(&self) {
        self.0.cancel.cancelled().await;
    }

    /// When this attempt is stopped, if that is known: by its kind's timeout, or by the drain.
    pub fn deadline(&self) -> Option<Deadline> {
        let deadlines = [self.0.timeout, self.0.drain.get().copied()].into_iter().flatten();
        deadlines.min_by_key(|deadline| deadline.instant())
    }

    /// Whether it was told to stop while it had something to say.
    pub(crate) fn was_silenced(&self) -> bool {
        self.0.was_silenced.load(Ordering::Relaxed)
    }

    async fn tell(
        &self,
        event: Option<Box<RawValue>>,
        checkpoint: Option<Checkpoint>,
    ) -> Result<(), TellError> {
        let fence = self.0.fence;
        let news = Progress { fence, event, checkpoint: checkpoint.clone() };
        let mut pause = PAUSE;
        loop {
            match self.0.store.progress(vec![news.clone()]).await {
                Ok(told) if told.first().is_some_and(Option::is_some) => break,
                Ok(_) => return Err(TellError::Superseded(fence)),
                Err(error) if !error.is_passing() => return Err(TellError::Store(error)),
                Err(error) if self.is_cancelled() => {
                    self.0.was_silenced.store(true, Ordering::Relaxed);
                    return Err(TellError::Stopped(error));
                }
                Err(_) => sleep(pause).await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        if checkpoint.is_some() {
            *self.0.reached.lock().unwrap_or_else(PoisonError::into_inner) = checkpoint;
        }
        Ok(())
    }
}

/// What is told must be fit to be heard.
fn readable<T: Serialize + ?Sized>(
    what: &'static str,
    told: &T,
) -> Result<Box<RawValue>, TellError> {
    let told = to_raw_value(told)?;
    match depth::levels(told.get()) {
        0..=depth::MOST => Ok(told),
        levels => Err(TellError::TooDeep { what, levels }),
    }
}

fn checkpoint<T: Serialize + ?Sized>(step: String, cursor: &T) -> Result<Checkpoint, TellError> {
    let cursor = readable("a checkpoint", cursor)?;
    Ok(Checkpoint { step, cursor: serde_json::from_str(cursor.get())? })
}

impl fmt::Debug for TaskContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskContext").field("fence", &self.0.fence).finish_non_exhaustive()
    }
}
