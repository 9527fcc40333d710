//! The threads that need no runtime: one catches signals and ends the process at the cap, one
//! begins the shutdown, one writes the last words. A fourth, in `notify`, tells the service manager.
//!
//! The watching thread runs no code of the application, waits for no lock that such code could
//! hold and writes to nothing, so nothing can hold it. What may block, notifications and files,
//! is done by the others.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::low_level;

use crate::alert::Alert;
use crate::notify::{self, Manager};
use crate::panics::quietly;
use crate::plan::reserve_of;
use crate::report::Force;
use crate::signals::{Source, Wake};
use crate::sync::OnceLock;
use crate::telling;
use crate::{Cause, Coordinator, Exit, Shutdown, ShutdownCoordinator, Signal};

/// How long the end of the process waits for the last words after a third signal.
const LAST_WORDS: Duration = Duration::from_millis(40);
const STACK: usize = 256 * 1024;
/// The coordinator that catches the signals of this process. Signals belong to the process, and so does its
/// end, so there is one at a time.
static LISTENING: Mutex<Weak<Coordinator>> = Mutex::new(Weak::new());

fn listening() -> MutexGuard<'static, Weak<Coordinator>> {
    LISTENING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The coordinator's side of the watching thread.
pub(crate) struct Watch {
    wake: Wake,
    ended: Arc<OnceLock<(Instant, Exit)>>,
    /// The service manager, if it wants to be told.
    pub(crate) manager: Option<Arc<Manager>>,
}

impl Watch {
    /// Catches the signals and starts the threads.
    pub(crate) fn start(coordinator: &Coordinator) -> io::Result<Self> {
        let mut listening = listening();
        if listening.strong_count() > 0 {
            let what = "another coordinator of this process listens for signals already (one of them can \
                        stop the process; give that one to both)";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
        }
        let (source, wake) = Source::register(&coordinator.settings.signals)?;
        let ended = Arc::new(OnceLock::new());
        let watcher = Watcher {
            coordinator: coordinator.me.clone(),
            shutdown: coordinator.shutdown.clone(),
            cap_nanos: coordinator.cap_nanos.clone(),
            linger: coordinator.settings.linger,
            last_word: coordinator.last_word.clone(),
            source,
            begin: Some(spawn_beginner(coordinator.me.clone())?),
            scribe: Some(spawn_scribe(coordinator.me.clone())?),
            is_retired: false,
            ended: ended.clone(),
            received: 0,
        };
        spawn("sundown-watch", move || watcher.watch())?;
        let manager = Manager::from_env().map(Arc::new);
        if let Some(manager) = &manager {
            let (weak, shutdown) = (coordinator.me.clone(), coordinator.shutdown.clone());
            notify::keep_telling(weak, shutdown, manager.clone())?;
        }
        *listening = coordinator.me.clone();
        Ok(Watch { wake, ended, manager })
    }

    /// Something that the thread's next alarm depends on has changed.
    pub(crate) fn wake(&self) {
        self.wake.wake();
    }

    /// The plan has ended. From now on the process has its linger to be gone.
    pub(crate) fn has_ended(&self, exit: Exit) {
        let _ = self.ended.set((Instant::now(), exit));
        self.wake();
        if let Some(manager) = &self.manager {
            manager.stopped(exit);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.wake();
    }
}

/// Whose report and exit code count: the plan's or the watchdog's, whoever spoke first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastWord {
    Plan(Exit),
    Force,
}

/// What a signal does, by how many came before and where the shutdown stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rung {
    Begin,
    Escalate,
    Leave,
}

fn rung(received: u8, has_ended: bool) -> Rung {
    match (received, has_ended) {
        (_, true) => Rung::Leave,
        (0 | 1, false) => Rung::Begin,
        (2, false) => Rung::Escalate,
        (3.., false) => Rung::Leave,
    }
}

/// It outlives the coordinator, which `main` drops before the runtime is gone.
struct Watcher {
    coordinator: Weak<Coordinator>,
    shutdown: Shutdown,
    cap_nanos: Arc<AtomicU64>,
    linger: Duration,
    last_word: Arc<OnceLock<LastWord>>,
    source: Source,
    begin: Option<SyncSender<Signal>>,
    scribe: Option<Scribe>,
    is_retired: bool,
    ended: Arc<OnceLock<(Instant, Exit)>>,
    received: u8,
}

impl Watcher {
    fn watch(mut self) {
        loop {
            self.retire();
            let alarm = self.alarm();
            if let Some((at, end)) = alarm
                && Instant::now() >= at
            {
                self.end_process(end);
            }
            let timeout = alarm.map(|(at, _)| at.saturating_duration_since(Instant::now()));
            for signal in self.source.wait(timeout) {
                self.on_signal(signal);
            }
        }
    }

    /// When the process is to be ended, if nothing changes, and how.
    fn alarm(&self) -> Option<(Instant, End)> {
        let cap = Duration::from_nanos(self.cap_nanos.load(Ordering::Relaxed));
        let at_cap = self.shutdown.began().map(|began| began.at.into_std() + cap);
        match self.ended.get() {
            // Early enough to leave report and alert before the cap.
            None => {
                let until = at_cap?;
                Some((until - self.reserve() / 2, End::ByForce(Force::Cap, until)))
            }
            Some((at, exit)) => {
                // The linger ends at the cap too, unless a refused plan never began.
                let gone = *at + self.linger;
                let gone = at_cap.map_or(gone, |at_cap| gone.min(at_cap));
                Some((gone, End::Quietly(*exit)))
            }
        }
    }

    /// What the plan leaves at the end of its cap.
    fn reserve(&self) -> Duration {
        reserve_of(Duration::from_nanos(self.cap_nanos.load(Ordering::Relaxed)))
    }

    fn on_signal(&mut self, signal: Signal) {
        let coordinator = self.coordinator.upgrade();
        if self.is_orphan() {
            // Nobody is left to stop here. If nobody else listens either, the signal does what it
            // would do without us.
            if listening().strong_count() == 0 {
                let _ = low_level::emulate_default_handler(crate::signals::number(signal));
            }
            return;
        }
        self.received = self.received.saturating_add(1);
        match rung(self.received, self.ended.get().is_some()) {
            Rung::Begin => {
                if let Some(begin) = &self.begin {
                    let _ = begin.try_send(signal);
                }
            }
            Rung::Escalate => {
                if let Some(coordinator) = coordinator {
                    coordinator.urgent.notify_one();
                }
            }
            Rung::Leave => match self.ended.get() {
                Some((_, exit)) => self.end_process(End::Quietly(*exit)),
                None => {
                    let until = Instant::now() + LAST_WORDS;
                    self.end_process(End::ByForce(Force::ThirdSignal, until));
                }
            },
        }
    }

    /// Whether the coordinator was dropped before anything began.
    fn is_orphan(&self) -> bool {
        self.coordinator.strong_count() == 0 && !self.shutdown.is_shutting_down()
    }

    /// Lets the threads go that an orphan does not need; the signals stay caught.
    fn retire(&mut self) {
        if self.is_orphan() && !std::mem::replace(&mut self.is_retired, true) {
            self.begin = None;
            self.scribe = None;
        }
    }

    /// Leaves the report if there is one to leave, waits for it until then and no longer, and goes.
    fn end_process(&self, end: End) -> ! {
        let exit = match end {
            End::Quietly(exit) => exit,
            End::ByForce(force, until) => {
                let _ = self.last_word.set(LastWord::Force);
                match self.last_word.get() {
                    Some(LastWord::Plan(exit)) => self.let_it_be_written(*exit, until),
                    Some(LastWord::Force) | None => {
                        if let Some(scribe) = &self.scribe {
                            scribe.write(force, until);
                        }
                        Exit::Forced
                    }
                }
            }
        };
        low_level::exit(i32::from(exit.code()))
    }

    /// The plan has ended: its alerts and its report need their moment too.
    fn let_it_be_written(&self, exit: Exit, until: Instant) -> Exit {
        while self.ended.get().is_none() && Instant::now() < until {
            thread::park_timeout(Duration::from_millis(1));
        }
        exit
    }
}

/// How the process is to be ended.
#[derive(Debug, Clone, Copy)]
enum End {
    /// The plan has ended and said what there was to say.
    Quietly(Exit),
    /// The plan has not ended. Its last words have until then.
    ByForce(Force, Instant),
}

/// The thread that begins the shutdown on a signal: it runs the notifications, which are the
/// application's code and may break their promise not to block.
fn spawn_beginner(coordinator: Weak<Coordinator>) -> io::Result<SyncSender<Signal>> {
    let (begin, signals) = sync_channel::<Signal>(1);
    spawn("sundown-begin", move || {
        while let Ok(signal) = signals.recv() {
            if let Some(coordinator) = coordinator.upgrade()
                && !coordinator.initiate(Cause::from(signal))
            {
                quietly(|| tracing::info!(%signal, "already shutting down"));
            }
        }
    })?;
    Ok(begin)
}

/// The thread that writes the report of a process ended by force: files may hang, and so may the
/// alert callback.
struct Scribe {
    orders: SyncSender<(Force, Instant)>,
    written: Receiver<()>,
    is_used: AtomicBool,
}

fn spawn_scribe(coordinator: Weak<Coordinator>) -> io::Result<Scribe> {
    let (orders, inbox) = sync_channel(1);
    let (done, written) = sync_channel::<()>(1);
    spawn("sundown-scribe", move || {
        let Ok((force, until)) = inbox.recv() else { return };
        if let Some(coordinator) = coordinator.upgrade() {
            coordinator.flush_by_force(until);
            let report = coordinator.forced_report(force);
            coordinator.write_report(&report);
            coordinator.settings.alert.call(&Alert::Forced(Box::new(report.clone())));
            telling::ended(&report);
        }
        let _ = done.try_send(());
    })?;
    Ok(Scribe { orders, written, is_used: AtomicBool::new(false) })
}

impl Scribe {
    fn write(&self, force: Force, until: Instant) {
        if !self.is_used.swap(true, Ordering::Relaxed)
            && self.orders.try_send((force, until)).is_ok()
        {
            let _ = self.written.recv_timeout(until.saturating_duration_since(Instant::now()));
        }
    }
}

pub(crate) fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(STACK);
    thread.spawn(body).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_begins_two_escalate_three_leave() {
        assert_eq!(
            [1, 2, 3, 4].map(|received| rung(received, false)),
            [Rung::Begin, Rung::Escalate, Rung::Leave, Rung::Leave]
        );
    }

    #[test]
    fn after_the_plan_any_signal_only_hurries() {
        assert_eq!([1, 2, 3].map(|received| rung(received, true)), [Rung::Leave; 3]);
    }
}
