//! `TempFiles`: makes temporary files, sweeps up what was abandoned, and takes part in the
//! shutdown.

use std::fmt;
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use sundown::{ScopedRegistration, Shutdown, ShutdownCoordinator};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use tracing::error;

use crate::ledger::{Found, InUse, Ledger};
use crate::metrics::{self, By};
use crate::pool::{Stopping, blocking, locked};
use crate::release::release_hook;
use crate::root::{Own, Root};
use crate::tree::{self, Tally};
use crate::{Error, Settings, StartError, TempDir, TempFile};

/// Makes temporary files and sees to it that they go. Cheap to clone; a clone is the same service.
///
/// Dropped without a shutdown, with all its clones and handles, it removes its directory too.
#[derive(Clone)]
pub struct TempFiles(Arc<Service>);

struct Service {
    inner: Arc<Inner>,
    recovered: Tally,
    sweeper: AbortHandle,
    _hook: ScopedRegistration,
}

impl Drop for Service {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

/// What a sweep has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Swept {
    /// Files of this process, without a handle and too old.
    pub abandoned: Tally,
    /// Files of processes that are dead.
    pub of_the_dead: Tally,
}

impl TempFiles {
    /// Opens the root, takes a directory in it for this process, removes what dead processes have
    /// left there, registers with the coordinator and starts the sweeper.
    ///
    /// # Errors
    ///
    /// A root that cannot be used, or that others could plant things in; settings that make no
    /// sense; a registration that is refused.
    pub async fn start(
        coordinator: Arc<dyn ShutdownCoordinator>,
        settings: Settings,
    ) -> Result<Self, StartError> {
        settings.check()?;
        metrics::describe();
        let (age, interval, name) = (settings.age, settings.interval, settings.name.clone());
        let opened = blocking(move || Inner::open(&settings)).await;
        let (inner, recovered) = opened.map_err(|Stopping| StartError::Io {
            path: PathBuf::new(),
            doing: "opening the root",
            source: io::Error::other("the runtime is stopping"),
        })??;
        let inner = Arc::new(inner);
        metrics::removed(By::Successor, recovered);
        inner.tell_usage();

        let hook =
            coordinator.register_waiter(release_hook(name.clone(), Arc::downgrade(&inner)))?;
        let sweeper = sweep(Arc::downgrade(&inner), coordinator.shutdown(), age, interval);
        let sweeper = coordinator.spawn(format!("{name} sweeper"), sweeper).abort_handle();
        Ok(TempFiles(Arc::new(Service { inner, recovered, sweeper, _hook: hook.scoped() })))
    }

    /// Makes a temporary file. Its name is for people: in logs, in reports, at the end of its
    /// path. It need not be unique.
    ///
    /// # Errors
    ///
    /// A name that leads elsewhere; a system that refuses; a shutdown that has removed everything.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing and leaves nothing behind.
    pub async fn file(&self, name: &str) -> Result<TempFile, Error> {
        TempFile::create(self.0.inner.clone(), name).await
    }

    /// Makes a temporary directory; otherwise as [`file`](TempFiles::file).
    ///
    /// # Errors
    ///
    /// As [`file`](TempFiles::file).
    ///
    /// # Cancel safety
    ///
    /// As [`file`](TempFiles::file).
    pub async fn dir(&self, name: &str) -> Result<TempDir, Error> {
        TempDir::create(self.0.inner.clone(), name).await
    }

    /// The directory of this process, in which they all are.
    pub fn path(&self) -> &Path {
        &self.0.inner.own.path
    }

    /// The files and directories with a living handle, the oldest first.
    pub fn in_use(&self) -> Vec<InUse> {
        self.0.inner.ledger().in_use(Instant::now())
    }

    /// The bytes that count against the quota: what went through handles, and what the sweeper
    /// found.
    pub fn used(&self) -> u64 {
        self.0.inner.ledger().used()
    }

    /// What dead processes had left, and was removed at the start.
    pub fn recovered(&self) -> Tally {
        self.0.recovered
    }

    /// Sweeps now: measures, and removes what is without a handle and has not changed for the age,
    /// and what dead processes have left. The sweeper does so by itself.
    ///
    /// # Cancel safety
    ///
    /// Dropped in the middle, the sweep goes on without you.
    pub async fn sweep(&self) -> Swept {
        let inner = self.0.inner.clone();
        blocking(move || inner.sweep(inner.age, || false)).await.unwrap_or_default()
    }
}

impl fmt::Debug for TempFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TempFiles").field("path", &self.path()).finish_non_exhaustive()
    }
}

/// What handles hold on to: the directory lives until the last of them is gone.
#[derive(Debug)]
pub(crate) struct Inner {
    root: Root,
    pub(crate) own: Own,
    ledger: Mutex<Ledger>,
    age: Duration,
    /// A handle went away while the shutdown waits for that.
    dropped: Notify,
    is_released: AtomicBool,
}

impl Inner {
    fn open(settings: &Settings) -> Result<(Self, Tally), StartError> {
        let failed = |doing, path: &Path| {
            let path = path.to_owned();
            move |source| StartError::Io { path, doing, source }
        };
        let path = settings.root_path().map_err(failed("finding it", Path::new("")))?;
        let root = Root::open(&path)?;
        let own = root.make_own().map_err(failed("making a directory for this process", &path))?;
        let recovered = root.remove_dead();
        let inner = Inner {
            root,
            own,
            ledger: Mutex::new(Ledger::new(settings.quota)),
            age: settings.age,
            dropped: Notify::new(),
            is_released: AtomicBool::new(false),
        };
        Ok((inner, recovered))
    }

    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        locked(&self.ledger)
    }

    /// Something has changed: tells the gauges, and whoever waits.
    pub(crate) fn tell_usage(&self) {
        let (used, limit, is_closed) = {
            let ledger = self.ledger();
            (ledger.used(), ledger.limit(), ledger.is_closed())
        };
        metrics::usage(used, limit);
        if is_closed {
            self.dropped.notify_waiters();
        }
    }

    /// Waits until everybody has dropped what they should have. The books must be closed.
    pub(crate) async fn until_nobody_is_missed(&self) {
        loop {
            let dropped = self.dropped.notified();
            if self.ledger().missed(Instant::now()).is_empty() {
                return;
            }
            dropped.await;
        }
    }

    fn sweep(&self, age: Duration, should_stop: impl Fn() -> bool) -> Swept {
        let mut swept = Swept::default();
        let Some(found) = self.look(&should_stop) else { return swept };
        let abandoned = self.ledger().take_stock(found, Instant::now(), age);
        for entry in abandoned {
            if should_stop() {
                return swept;
            }
            let (tally, removed) = tree::remove(self.own.dir.as_fd(), &entry);
            swept.abandoned.add(tally);
            match removed {
                Ok(()) => self.ledger().forget(&entry),
                Err(error) => {
                    let path = self.own.path.join(&entry);
                    error!(path = %path.display(), %error, "cannot remove an abandoned file");
                }
            }
        }
        if !should_stop() {
            swept.of_the_dead = self.root.remove_dead();
        }
        metrics::removed(By::Sweeper, swept.abandoned);
        metrics::removed(By::Successor, swept.of_the_dead);
        self.tell_usage();
        swept
    }

    /// Looks at everything in our directory; nothing when told to stop, or it cannot be read.
    fn look(&self, should_stop: &impl Fn() -> bool) -> Option<Vec<Found>> {
        let dir = self.own.dir.as_fd();
        let mut found = Vec::new();
        for entry in tree::list(dir).ok()? {
            if should_stop() {
                return None;
            }
            let Ok(stat) = tree::look_at(dir, &entry) else { continue };
            let Tally { files, bytes } = tree::measure(dir, &entry);
            // The time of a directory says nothing of what is deeper in it; its bytes do.
            let stamp = format!("{}.{} {files} {bytes}", stat.st_mtime, stat.st_mtime_nsec);
            found.push(Found { entry, bytes, stamp });
        }
        Some(found)
    }

    /// Removes everything, and the directory itself.
    pub(crate) fn remove_everything(&self) -> io::Result<()> {
        self.is_released.store(true, Ordering::Relaxed);
        let (tally, emptied) = tree::empty(self.own.dir.as_fd());
        metrics::removed(By::Release, tally);
        emptied?;
        self.root.remove_own(&self.own)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.is_released.load(Ordering::Relaxed) {
            return;
        }
        if let Err(error) = self.remove_everything() {
            let path = self.own.path.display();
            error!(%path, %error, "cannot remove the temporary files; a successor will");
        }
    }
}

/// The sweeper: sleeps, sweeps, ends when the shutdown begins, in the middle of a sweep too.
async fn sweep(inner: Weak<Inner>, shutdown: Shutdown, age: Duration, interval: Duration) {
    while shutdown.until(sleep(interval)).await.is_some() {
        let Some(inner) = inner.upgrade() else { return };
        let stop = shutdown.clone();
        let _ = blocking(move || inner.sweep(age, || stop.is_shutting_down())).await;
    }
}
