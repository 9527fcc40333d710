//! Keeps what this process holds, on a thread of its own: renews leases, writes down how attempts
//! ended, takes back what dead processes held, forgets what is old. It goes on until the process
//! exits, whatever becomes of the application's runtime, so that a long drain makes nothing run twice.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::thread::Builder;
use std::time::{Duration, Instant};

use sundown::{Cause, Shutdown, ShutdownCoordinator};
use tokio::runtime;
use tokio::time::{sleep, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{error, warn};

use crate::attempt::Attempts;
use crate::endings::Writer;
use crate::failures::{self, Ended, Failure, Failures};
use crate::health::{Deed, Health};
use crate::run::message;
use crate::serving::Serving;
use crate::store::{Finish, Lease, Rescued};
use crate::{Fence, Settings, State, Store, StoreError, metrics};

/// How many tasks of the dead are taken back, and old ones forgotten, at once.
const SWEEP: usize = 1000;
/// How often it is looked for tasks of the dead.
const RESCUE: Duration = Duration::from_millis(500);
/// How often it is asked which of the running tasks nobody wants any more.
const LOOK: Duration = Duration::from_millis(500);
/// What the others need, besides the pause between two renewals, to renew after nobody could.
const COURTESY: Duration = Duration::from_secs(1);
/// How often it is told how many there are.
const COUNT: Duration = Duration::from_secs(5);
/// How often old tasks are forgotten: so often, or as often as they become old.
const PURGE: Duration = Duration::from_secs(60);
const LEAST_PURGE: Duration = Duration::from_millis(500);
/// The pauses before the store is asked again after it could not answer.
const PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How long an end is left alone that the store cannot write.
const ASIDE: Duration = Duration::from_secs(5);

/// The way to the keeper; when it is gone, and everything is written, so is the keeper.
#[derive(Debug)]
pub(crate) struct Keeper {
    health: Arc<Health>,
    failures: Arc<Failures>,
    _is_wanted: DropGuard,
}

impl Keeper {
    /// Starts it. A bug that stops it does so for a moment only, and begins the shutdown: the leases
    /// of what runs are kept meanwhile.
    pub(crate) fn start(
        coordinator: &Arc<dyn ShutdownCoordinator>,
        store: Arc<dyn Store>,
        attempts: Arc<Attempts>,
        serving: Arc<Serving>,
        settings: &Settings,
    ) -> io::Result<Self> {
        let health = Arc::new(Health::new(coordinator.shutdown()));
        let failures = Arc::<Failures>::default();
        let unwanted = CancellationToken::new();
        let keeping = Keeping {
            store,
            attempts,
            serving,
            shutdown: coordinator.shutdown(),
            health: health.clone(),
            failures: failures.clone(),
            lease: settings.lease,
            retention: settings.retention,
            unwanted: unwanted.clone(),
        };
        let name = format!("{} keeper", settings.name);
        // Weak, because the coordinator is who keeps the service alive.
        let (component, coordinator) = (name.clone(), Arc::downgrade(coordinator));
        let runtime = runtime::Builder::new_current_thread().enable_time().build()?;
        Builder::new().name(name).spawn(move || {
            let keep = || runtime.block_on(keeping.keep());
            let mut pause = PAUSE;
            while let Err(panic) = catch_unwind(AssertUnwindSafe(keep)) {
                keeping.has_panicked(&component, &message(&*panic), &coordinator);
                runtime.block_on(async { sleep(pause).await });
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        })?;
        Ok(Keeper { health, failures, _is_wanted: unwanted.drop_guard() })
    }

    pub(crate) fn health(&self) -> &Arc<Health> {
        &self.health
    }

    pub(crate) fn failures(&self) -> &Failures {
        &self.failures
    }
}

struct Keeping {
    store: Arc<dyn Store>,
    attempts: Arc<Attempts>,
    health: Arc<Health>,
    failures: Arc<Failures>,
    serving: Arc<Serving>,
    shutdown: Shutdown,
    lease: Duration,
    retention: Duration,
    unwanted: CancellationToken,
}

impl Keeping {
    async fn keep(&self) {
        tokio::select! {
            biased;
            () = self.write_endings() => {}
            () = self.renew() => {}
            () = self.look() => {}
            () = self.rescue() => {}
            () = self.count() => {}
            () = self.purge() => {}
            () = self.tell_failures() => {}
            () = self.serving.keep(&self.store, &self.shutdown) => {}
        }
    }

    fn has_panicked(&self, component: &str, error: &str, owner: &Weak<dyn ShutdownCoordinator>) {
        self.health.has_failed();
        error!(%component, %error, "it panicked, and goes on while the service stops");
        if let Some(owner) = owner.upgrade() {
            owner.initiate(Cause::failed(component, format_args!("panicked: {error}")));
        }
    }

    /// Until nobody wants the service any more, and all of them are written.
    async fn write_endings(&self) {
        let [first, second] = Writer::all();
        tokio::join!(self.write_endings_as(first), self.write_endings_as(second));
    }

    /// They stand in the line until they are written, so that nothing that stops this loses one.
    async fn write_endings_as(&self, writer: Writer) {
        let mut pause = PAUSE;
        let mut again = tokio::time::Instant::now();
        loop {
            if self.attempts.has_aside(writer) && again.elapsed() > Duration::ZERO {
                self.attempts.take_up(writer);
            }
            let batch = self.attempts.endings(writer);
            if batch.is_empty() {
                tokio::select! {
                    biased;
                    () = self.attempts.some_ended() => {}
                    () = sleep_until(again), if self.attempts.has_aside(writer) => {}
                    () = self.unwanted.cancelled() => return,
                }
                continue;
            }
            let ended: Vec<Ended> = batch.iter().map(Ended::of).collect();
            let answer = self.store.finish(batch).await;
            // What it says of an end says nothing of the store.
            if !matches!(answer, Err(StoreError::Broken { .. })) {
                self.health.heard(Deed::Finish, &answer);
            }
            match answer {
                Ok(finished) => {
                    pause = PAUSE;
                    self.note(&ended, &finished);
                    self.attempts.written(writer, ended.len());
                }
                Err(why @ StoreError::Broken { .. }) => {
                    if let Some(fence) = self.attempts.refused(writer, ended.len(), &why) {
                        let (task, attempt) = (fence.task, fence.attempt);
                        error!(%task, attempt, %why, "its end cannot be written; it is tried again");
                        again = tokio::time::Instant::now() + ASIDE;
                    }
                }
                Err(StoreError::Closed) => return,
                Err(StoreError::Unavailable { .. }) => {
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Three times within a lease, and soon again when one fails, so that no single failure costs
    /// anything.
    async fn renew(&self) {
        let mut pause = PAUSE;
        sleep(self.lease / 3).await;
        loop {
            if self.renew_all().await {
                pause = PAUSE;
                sleep(self.lease / 3).await;
            } else {
                sleep(pause.min(self.lease / 3)).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Answers whether the store did.
    async fn renew_all(&self) -> bool {
        let fences = self.attempts.leased();
        if fences.is_empty() {
            self.health.rests(Deed::Renew);
            return true;
        }
        let held_until = Instant::now() + self.lease;
        let answer = self.store.renew(fences.clone(), self.lease).await;
        self.health.heard(Deed::Renew, &answer);
        let Ok(leases) = answer else { return false };
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
        true
    }

    fn lost(&self, fence: Fence) {
        if self.attempts.lose(fence) {
            let (task, attempt) = (fence.task, fence.attempt);
            warn!(%task, attempt, "its lease is lost; the attempt is stopped");
            metrics::lost();
        }
    }

    /// Whoever cancels a task elsewhere does not wait for the next renewal.
    async fn look(&self) {
        loop {
            sleep(LOOK).await;
            let running = self.attempts.wanted();
            if running.is_empty() {
                self.health.rests(Deed::Look);
                continue;
            }
            let answer = self.store.unwanted(running).await;
            self.health.heard(Deed::Look, &answer);
            answer.unwrap_or_default().into_iter().for_each(|fence| self.attempts.cancel(fence));
        }
    }

    /// After the store could not be reached everybody has the time of a lease to renew first: those
    /// who were cut off with us are not dead. Whoever has just come, or was frozen, cannot know how it
    /// went for others, and leaves them the time for one renewal. What is proven to be dead need not
    /// be waited for.
    async fn rescue(&self) {
        let courtesy = self.lease / 3 + COURTESY;
        let mut not_before = Instant::now() + courtesy;
        loop {
            sleep(RESCUE.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            if !self.health.is_answered() {
                not_before = Instant::now() + self.lease;
            } else if self.attempts.is_overdue() {
                not_before = not_before.max(Instant::now() + courtesy);
            }
            let answer = if Instant::now() < not_before {
                self.store.rescue_of_dead(SWEEP).await
            } else {
                self.store.rescue(SWEEP).await
            };
            self.health.heard(Deed::Rescue, &answer);
            for rescued in answer.unwrap_or_default() {
                let (task, attempt) = (rescued.fence.task, rescued.fence.attempt);
                warn!(%task, attempt, now = rescued.state.name(), "its process is gone; taken back");
                metrics::rescued();
                if matches!(rescued.state, State::Failed | State::Dead) {
                    self.died(rescued).await;
                }
            }
        }
    }

    /// What it was is known to the store alone.
    async fn died(&self, rescued: Rescued) {
        let entry = self.store.get(rescued.fence.task).await.ok().flatten();
        let (kind, error) = entry.map_or_else(Default::default, |entry| (entry.kind, entry.error));
        let (fence, state) = (rescued.fence, rescued.state);
        self.failures.add(Failure { fence, kind, state, error: error.unwrap_or_default() });
    }

    async fn tell_failures(&self) {
        loop {
            sleep(failures::PERIOD).await;
            self.failures.tell();
        }
    }

    async fn count(&self) {
        loop {
            let answer = self.store.counts().await;
            self.health.heard(Deed::Count, &answer);
            if let Ok(counts) = answer {
                metrics::counted(counts);
            }
            sleep(COUNT).await;
        }
    }

    async fn purge(&self) {
        let often = self.retention.clamp(LEAST_PURGE, PURGE);
        loop {
            sleep(often.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
            // In small steps, so that nobody waits for it.
            while let Ok(Ok(count)) = timeout(PURGE, self.store.purge(self.retention, SWEEP)).await
                && count == SWEEP as u64
            {
                sleep(PAUSE).await;
            }
        }
    }

    fn note(&self, ended: &[Ended], finished: &[Finish]) {
        for (ended, &finish) in ended.iter().zip(finished) {
            match finish {
                Finish::Now(state) => metrics::finished(state),
                Finish::Superseded => {
                    let (task, attempt) = (ended.fence.task, ended.fence.attempt);
                    warn!(%task, attempt, "superseded; its end is not kept");
                    metrics::superseded();
                }
            }
            let failure = ended.failure(finish, |fence| self.attempts.kind_of(fence));
            failure.into_iter().for_each(|failure| self.failures.add(failure));
        }
    }
}
