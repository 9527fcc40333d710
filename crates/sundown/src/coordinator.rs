//! The coordinator: who takes part, whether it has begun, and the way to run the plan.

mod last_words;
#[cfg(all(test, sundown_loom))]
mod loom;
mod members;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Notify, OnceCell, watch};
use tokio_util::sync::CancellationToken;

use crate::builder::{Builder, Settings};
use crate::driver::Driver;
use crate::notifications::Notifications;
use crate::pending::PendingFn;
use crate::phase::Trail;
use crate::run::Run;
use crate::run::member::{Kind, MemberId};
use crate::sync::{Mutex, OnceLock, locked};
use crate::telling;
use crate::waiter::Body;
use crate::watchdog::{LastWord, Watch};
use crate::work::StillRunning;
use crate::{
    Cause, Notification, Pending, Phase, PhaseWatch, PlanError, Preview, Registration, Report,
    Shutdown, ShutdownCoordinator, Waiter, Work,
};

/// Starts and drives one shutdown. One per process; layers see it as a
/// [`ShutdownCoordinator`].
///
/// See the [front page](crate) for how it is used.
pub struct Coordinator {
    pub(crate) me: Weak<Coordinator>,
    pub(crate) settings: Settings,
    pub(crate) shutdown: Shutdown,
    pub(crate) token: CancellationToken,
    pub(crate) run: Mutex<Run>,
    pub(crate) bodies: Mutex<HashMap<MemberId, Bodies>>,
    /// What those who were cut off were waiting for then.
    pub(crate) cut: Mutex<HashMap<MemberId, Pending>>,
    pub(crate) notifications: Arc<Notifications>,
    pub(crate) trail: watch::Sender<Trail>,
    pub(crate) work: Work,
    /// Owned work that had to be aborted.
    pub(crate) left: Mutex<Vec<StillRunning>>,
    /// Somebody joined or left: look again.
    pub(crate) nudge: Notify,
    /// The second signal came.
    pub(crate) urgent: Notify,
    pub(crate) watch: OnceLock<Watch>,
    /// Set once the report file says `running`.
    pub(crate) is_marked: OnceLock<()>,
    /// Whether the last termination message was written: none may follow it.
    pub(crate) has_last_message: Mutex<bool>,
    /// Shared with the watchdog: a process has one last word.
    pub(crate) last_word: Arc<OnceLock<LastWord>>,
    /// Shared with the watchdog, which must not wait for a lock.
    pub(crate) cap_nanos: Arc<AtomicU64>,
    report: OnceCell<Report>,
    previous: Option<Report>,
}

/// What a member runs, until it is taken to be run.
pub(crate) struct Bodies {
    pub(crate) main: Option<Body>,
    pub(crate) fallback: Option<Body>,
    pub(crate) pending: Option<PendingFn>,
}

impl Coordinator {
    /// The name under which all owned work takes part in `drain`, for [`order`](Self::order).
    pub const OWNED_WORK: &str = "owned work";

    /// Begins to build one; every setting has a default that works.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(settings: Settings, run: Run, previous: Option<Report>) -> Arc<Self> {
        let cap = run.plan.cap;
        let coordinator = Arc::new_cyclic(|me: &Weak<Coordinator>| Coordinator {
            me: me.clone(),
            settings,
            shutdown: Shutdown::new(),
            token: CancellationToken::new(),
            run: Mutex::new(run),
            bodies: Mutex::default(),
            cut: Mutex::default(),
            notifications: Arc::default(),
            trail: watch::Sender::default(),
            work: Work::new(me.clone()),
            left: Mutex::default(),
            nudge: Notify::new(),
            urgent: Notify::new(),
            watch: OnceLock::new(),
            is_marked: OnceLock::new(),
            has_last_message: Mutex::default(),
            last_word: Arc::new(OnceLock::new()),
            cap_nanos: Arc::default(),
            report: OnceCell::new(),
            previous,
        });
        coordinator.set_cap(cap);
        coordinator.join_owned_work();
        coordinator
    }

    /// Catches the signals that ask the process to stop, on a thread of their own, and arms the
    /// watchdog that ends the process at the cap. Call it before anything else can fail.
    ///
    /// From the first signal on: once runs the plan, twice jumps to `flush`, three times ends the
    /// process. A signal after a requested shutdown counts as the first.
    ///
    /// # Errors
    ///
    /// When the signals cannot be caught, or when this coordinator or another one of the process listens
    /// already: two of them would end the process under each other.
    pub fn listen_for_signals(&self) -> io::Result<()> {
        let again =
            || io::Error::new(io::ErrorKind::AlreadyExists, "already listening for signals");
        if self.watch.get().is_some() {
            return Err(again());
        }
        self.watch.set(Watch::start(self)?).map_err(|_| again())?;
        // A cause may have come between the thread's first look and now.
        self.wake_watch();
        self.tell_of_cause();
        Ok(())
    }

    /// Tells the service manager that the service is up: systemd's `READY=1`, for a unit of
    /// `Type=notify`. Call it when the listeners are open and nothing that requests need is missing.
    ///
    /// It does nothing without `NOTIFY_SOCKET` in the environment, before
    /// [`listen_for_signals`](Self::listen_for_signals), and once the shutdown has begun. That one
    /// is told without being asked: `STOPPING=1` at the cause, then who is waited for, and an
    /// `EXTEND_TIMEOUT_USEC` that never reaches beyond the cap.
    pub fn ready(&self) {
        if let Some(manager) = self.watch.get().and_then(|watch| watch.manager.as_ref()) {
            manager.ready();
        }
    }

    /// Tells those outside the process why it stops: the service manager, and whoever reads the
    /// termination message of a process that is killed before its report.
    fn tell_of_cause(&self) {
        let (Some(watch), Some(cause)) = (self.watch.get(), self.shutdown.cause()) else { return };
        if let Some(manager) = &watch.manager {
            manager.stopping(cause, self.time_left());
        }
        self.begin_termination_message();
    }

    /// Draws edges: in every phase in which several of these take part, each starts after the
    /// one before it has ended, with whatever outcome. Layers never order themselves among their
    /// siblings; the application does.
    ///
    /// # Errors
    ///
    /// When the shutdown has begun. Whether the names exist and the order is no cycle, `check`
    /// says.
    pub fn order<S: Into<String>>(
        &self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<(), PlanError> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        if self.shutdown.is_shutting_down() {
            return Err(PlanError::HasBegun { order: names });
        }
        locked(&self.run).order(names)
    }

    /// Whether the plan can work: names, cycles, times. Call it when everybody is registered and
    /// before there is traffic; [`run`](Self::run) looks again. When it succeeds the start has: from
    /// now on the [report file](Builder::report_path) says that the service runs.
    ///
    /// # Errors
    ///
    /// The first thing that cannot work, by name.
    pub fn check(&self) -> Result<(), PlanError> {
        self.check_not_empty()?;
        locked(&self.run).check()?;
        self.write_running_report();
        Ok(())
    }

    /// The plan with everybody who is in it now, as it would pass if all took all of their time.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check).
    pub fn preview(&self) -> Result<Preview, PlanError> {
        self.check_not_empty()?;
        let works = self.work.was_used();
        locked(&self.run).preview(|member| member.kind != Kind::Work || works)
    }

    fn check_not_empty(&self) -> Result<(), PlanError> {
        let run = locked(&self.run);
        let has_members = run.members.values().any(|member| member.kind != Kind::Work);
        if !has_members && self.notifications.is_empty() && !self.work.was_used() {
            return Err(PlanError::Empty);
        }
        Ok(())
    }

    /// Waits for a cause, then runs the plan and reports. It returns within the cap, counted from
    /// the cause. A plan that `check` would refuse is not run; the report says so, and its exit
    /// code is 2.
    ///
    /// Afterwards the process is expected to leave: where signals are listened to, it has the
    /// [linger](Builder::linger), 500 ms unless set, and never more than the cap, and is then
    /// ended with the exit code of the report. What needs longer belongs into a waiter.
    ///
    /// From this call on whoever registers is checked at once. Called again, it answers the same
    /// report.
    ///
    /// # Cancel safety
    ///
    /// Do not drop it in the middle: what the waiters were running would be aborted.
    pub async fn run(&self) -> Report {
        self.wait_for_shutdown(None).await
    }

    /// The same with another cap. `None` is the one the coordinator was built with, by default
    /// `GRACEFUL_SHUTDOWN_TIMEOUT`.
    pub async fn wait_for_shutdown(&self, timeout: Option<Duration>) -> Report {
        self.report
            .get_or_init(|| async {
                if let Some(cap) = timeout {
                    locked(&self.run).plan.cap = cap;
                    self.set_cap(cap);
                }
                let checked =
                    self.check_not_empty().and_then(|()| locked(&self.run).check_for_good());
                match checked {
                    Ok(()) => {
                        if let Ok(preview) = self.preview() {
                            telling::planned(&preview, self.previous_report());
                        }
                        self.write_running_report();
                        Driver::new(self).run().await
                    }
                    Err(error) => self.refuse(&error).await,
                }
            })
            .await
            .clone()
    }

    /// What the process before this one left as its last word, when
    /// [`report_path`](Builder::report_path) is set and there was one. If it was not
    /// [clean](Report::is_clean), components have something to recover.
    pub fn previous_report(&self) -> Option<&Report> {
        self.previous.as_ref()
    }

    /// The time the whole plan has.
    pub fn cap(&self) -> Duration {
        Duration::from_nanos(self.cap_nanos.load(Ordering::Relaxed))
    }

    fn set_cap(&self, cap: Duration) {
        let nanos = u64::try_from(cap.as_nanos()).unwrap_or(u64::MAX);
        self.cap_nanos.store(nanos, Ordering::Relaxed);
        self.wake_watch();
    }

    fn wake_watch(&self) {
        if let Some(watch) = self.watch.get() {
            watch.wake();
        }
    }

    async fn refuse(&self, error: &PlanError) -> Report {
        telling::refused(error);
        let report = self.refused_report(error);
        self.trail.send_modify(|trail| trail.ended = true);
        self.claim_last_word(report.exit()).await;
        self.leave_report(&report);
        report
    }
}

impl ShutdownCoordinator for Coordinator {
    fn register_waiter(&self, waiter: Waiter) -> Result<Registration, PlanError> {
        let id = self.join(waiter, None)?;
        self.nudge.notify_one();
        let me = self.me.clone();
        Ok(Registration::new(move || {
            if let Some(me) = me.upgrade() {
                me.leave(id);
            }
        }))
    }

    fn notify(&self, notification: Notification) -> Registration {
        let id = self.notifications.add(notification);
        if let Some(cause) = self.shutdown.cause() {
            self.notifications.run(cause);
        }
        let notifications = self.notifications.clone();
        Registration::new(move || notifications.remove(id))
    }

    fn initiate(&self, cause: Cause) -> bool {
        if !self.shutdown.begin(cause, None) {
            return false;
        }
        self.wake_watch();
        self.tell_of_cause();
        self.work.forget_failures();
        self.token.cancel();
        if let Some(cause) = self.shutdown.cause() {
            self.notifications.run(cause);
        }
        true
    }

    fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    fn phase(&self) -> Option<Phase> {
        let trail = self.trail.borrow();
        if trail.entered.is_empty() && !trail.ended && self.shutdown.is_shutting_down() {
            // Begun, and not yet entered: as good as in the first one.
            return locked(&self.run).plan.phases.first().map(|first| first.phase.clone());
        }
        trail.current()
    }

    fn phases(&self) -> PhaseWatch {
        PhaseWatch::new(self.trail.subscribe())
    }

    fn report(&self) -> Report {
        match self.report.get() {
            Some(report) => report.clone(),
            None => self.report_so_far(),
        }
    }

    fn work(&self) -> &Work {
        &self.work
    }
}

impl Deref for Coordinator {
    type Target = dyn ShutdownCoordinator;

    fn deref(&self) -> &Self::Target {
        self
    }
}

impl fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Coordinator")
            .field("cap", &self.cap())
            .field("cause", &self.shutdown.cause())
            .finish_non_exhaustive()
    }
}
