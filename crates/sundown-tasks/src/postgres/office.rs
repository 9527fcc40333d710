//! The store's own thread: connections that answer, and what goes on beside them.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time;
use tracing::error;

use super::address::Address;
use super::lane::Lane;
use super::news::{self, Board};
use super::question::{Asked, Call, Question};
use super::queue::Queue;
use super::settings::PostgresSettings;
use crate::store::age::Since;
use crate::{Incarnation, StoreError};

/// How many may wait for an answer; more wait for a place.
const PLACES: usize = 4096;

/// What the store and its thread share.
pub(super) struct Office {
    pub(super) settings: PostgresSettings,
    pub(super) address: Address,
    pub(super) incarnation: Incarnation,
    pub(super) queue: Queue,
    pub(super) news: Board,
    places: Arc<Semaphore>,
    doubted_at: Mutex<Option<time::Instant>>,
    /// What tells this store from every other one; known once it is open.
    pub(super) identity: OnceLock<String>,
    /// The server's clock at the start, beside ours.
    pub(super) since: OnceLock<Since>,
    started: Instant,
}

/// A thread that was started.
pub(super) struct Opening {
    pub(super) is_ready: oneshot::Receiver<Result<(), StoreError>>,
    pub(super) has_ended: watch::Receiver<bool>,
}

impl Office {
    pub(super) fn new(settings: PostgresSettings) -> Result<Self, StoreError> {
        settings.check()?;
        Ok(Office {
            address: settings.address()?,
            settings,
            incarnation: Incarnation::random(),
            queue: Queue::new(),
            news: Board::new(),
            places: Arc::new(Semaphore::new(PLACES)),
            doubted_at: Mutex::new(None),
            identity: OnceLock::new(),
            since: OnceLock::new(),
            started: Instant::now(),
        })
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask<Q: Question>(&self, question: Q) -> Result<Q::Answer, StoreError>
    where
        Call: From<Asked<Q>>,
    {
        let since = Instant::now();
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.map_err(|_| StoreError::Closed)?;
        let (reply, answer) = oneshot::channel();
        self.queue.push(Asked { question, reply, since, _place: Some(place) }.into());
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Milliseconds since the start, by a clock that nobody can set.
    pub(super) fn steady(&self) -> i64 {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// A connection fell silent: those that were not heard since may be as dead, and nobody is to
    /// find out one after the other while leases run out.
    pub(super) fn doubt(&self) {
        *self.doubted_at.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(time::Instant::now());
    }

    pub(super) fn doubted_at(&self) -> Option<time::Instant> {
        *self.doubted_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the thread. It tells when it is ready, and when it has ended.
    pub(super) fn open(self: &Arc<Self>) -> io::Result<Opening> {
        let (ready, is_ready) = oneshot::channel();
        let (ended, has_ended) = watch::channel(false);
        let office = Arc::clone(self);
        // A runtime of its own: leases and acknowledgements go on whatever becomes of the
        // application's.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("task-store".to_owned()).spawn(move || {
            office.run(&runtime, ready);
            ended.send_replace(true);
        })?;
        Ok(Opening { is_ready, has_ended })
    }

    fn run(self: Arc<Self>, runtime: &Runtime, ready: oneshot::Sender<Result<(), StoreError>>) {
        runtime.block_on(async {
            let mut first = Lane::new(Arc::clone(&self), 1);
            let opened = first.open().await;
            let is_open = opened.is_ok();
            let is_wanted = ready.send(opened).is_ok();
            if is_open && is_wanted {
                self.work(first).await;
            }
        });
    }

    async fn work(self: &Arc<Self>, first: Lane) {
        let mut lanes = JoinSet::new();
        lanes.spawn(first.work());
        for number in 2..=i32::try_from(self.settings.connections).unwrap_or(1) {
            lanes.spawn(Lane::new(Arc::clone(self), number).work());
        }
        // Aborted when the last connection is done.
        let mut beside = JoinSet::new();
        beside.spawn(Arc::clone(self).expire());
        beside.spawn(news::spread(Arc::clone(self)));
        beside.spawn(news::hear(Arc::clone(self)));
        while let Some(ended) = lanes.join_next().await {
            if let Err(panic) = ended {
                // The questions it had taken are refused as their senders are dropped.
                error!(%panic, "a connection of the task store panicked; the store closes");
                self.queue.close();
            }
        }
    }

    /// Refuses what waits for too long.
    async fn expire(self: Arc<Self>) {
        let patience = self.settings.patience;
        let often = (patience / 10).clamp(Duration::from_millis(10), Duration::from_millis(200));
        loop {
            time::sleep(often).await;
            self.queue.expire(patience);
        }
    }
}
