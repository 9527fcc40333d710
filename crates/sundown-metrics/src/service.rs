//! The exporter itself: registers with the coordinator, keeps the values fresh, renders them.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use metrics::{Gauge, Histogram, Key, Level, Metadata, Recorder, SharedString};
use metrics_exporter_prometheus::{PrometheusHandle, PrometheusRecorder};
use sundown::{BoxError, ScopedRegistration, Shutdown, ShutdownCoordinator};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::last::{could_replace, last_hook, replace};
use crate::names::{self, ACTIVE_TASKS, SHUTDOWN_SECONDS, SHUTTING_DOWN};
use crate::process::{ProcessGauges, gauge};
use crate::watched::WatchList;
use crate::{Settings, StartError, buckets, exposition};

/// Records and renders the metrics of the process. Cheap to clone; a clone is the same exporter,
/// which ends with the last of them.
///
/// See the [front page](crate) for how it is used.
#[derive(Clone)]
pub struct MetricsService(Arc<Service>);

struct Service {
    inner: Arc<Inner>,
    updater: AbortHandle,
    _registrations: [ScopedRegistration; 2],
}

impl Drop for Service {
    fn drop(&mut self) {
        self.updater.abort();
    }
}

impl MetricsService {
    /// The name under which it takes part in the shutdown.
    pub const NAME: &str = "metrics";
    /// The name of the hook that comes after all others, and records how long they took.
    pub const LAST: &str = "last metrics";

    /// Becomes the recorder of the process, registers with the coordinator and starts the updater.
    ///
    /// Start it before the services whose metrics it is to record: what they record earlier is
    /// lost.
    ///
    /// # Errors
    ///
    /// A recorder that is installed already, buckets or an interval that make no sense, a place
    /// for the last values where nothing can be written, a registration that is refused. Nothing
    /// has been installed then.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    // By value: a coordinator is handed to a service, which keeps what it needs of it.
    #[expect(clippy::needless_pass_by_value, reason = "every layer takes the coordinator so")]
    pub fn start(
        coordinator: Arc<dyn ShutdownCoordinator>,
        settings: Settings,
    ) -> Result<Self, StartError> {
        if settings.interval.is_zero() {
            return Err(StartError::Interval);
        }
        if let Some(path) = &settings.last_values {
            could_replace(path)
                .map_err(|source| StartError::LastValues { path: path.clone(), source })?;
        }
        let recorder = Arc::new(buckets::recorder(&settings)?);
        names::describe(&recorder);
        let inner = Arc::new(Inner::new(recorder.clone(), settings.last_values));

        let at_once = inner.clone();
        let notification =
            coordinator.register_notification(Self::NAME, move |_cause| at_once.begins()).scoped();
        let last = inner.clone();
        let hook = last_hook(&coordinator, move || last.last_word());
        let hook = coordinator.register_waiter(hook)?.scoped();
        if settings.is_global {
            metrics::set_global_recorder(recorder).map_err(|_| StartError::RecorderInstalled)?;
        }
        let update = update(inner.clone(), coordinator.shutdown(), settings.interval);
        let updater = coordinator.spawn("metrics updater", update).abort_handle();
        let registrations = [notification, hook];
        Ok(MetricsService(Arc::new(Service { inner, updater, _registrations: registrations })))
    }

    /// All values, in the text format of Prometheus (`text/plain; version=0.0.4`). It is answered
    /// at any time, to the end of `release` and after it.
    pub fn render(&self) -> String {
        self.0.inner.render()
    }

    /// Reads this gauge at every update, and once more at the end of the shutdown. The closure
    /// runs on a runtime thread, so it must not block; a panic in it is logged and costs nobody
    /// else their value.
    ///
    /// The key is a name, or a name with labels: `("queue_depth", &[("queue", "mail")])`.
    pub fn watch(
        &self,
        key: impl Into<Key>,
        help: impl Into<SharedString>,
        read: impl Fn() -> f64 + Send + Sync + 'static,
    ) {
        let key = key.into();
        let recorder = &self.0.inner.recorder;
        recorder.describe_gauge(key.name().to_owned().into(), None, help.into());
        let gauge = gauge(recorder, &key);
        self.0.inner.watched.add(key, gauge, read);
    }

    /// Asks this closure, once, when the shutdown begins: how many tasks are claimed or running
    /// in this process. It must not block. Without one, `active_tasks_at_shutdown` stays 0.
    pub fn count_active_tasks(&self, count: impl Fn() -> usize + Send + Sync + 'static) {
        *locked(&self.0.inner.count) = Some(Arc::new(count));
        if self.0.inner.began.get().is_some() {
            self.0.inner.count_active_tasks();
        }
    }

    /// Sets `application_shutting_down`. The notification does it by itself.
    pub fn set_shutdown_state(&self, is_shutting_down: bool) {
        self.0.inner.set_shutdown_state(is_shutting_down);
    }

    /// Records into `graceful_shutdown_duration_seconds`. The last hook does it by itself.
    pub fn record_shutdown_duration(&self, duration: Duration) {
        self.0.inner.duration.record(duration);
    }

    /// Sets `active_tasks_at_shutdown`. The notification does it by itself when there is somebody
    /// to [ask](Self::count_active_tasks).
    pub fn record_active_tasks_at_shutdown(&self, count: usize) {
        self.0.inner.record_active_tasks(count);
    }

    /// The recorder, for those who fan out to several, and for tests.
    pub fn recorder(&self) -> &(dyn Recorder + Send + Sync) {
        &*self.0.inner.recorder
    }
}

impl fmt::Debug for MetricsService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsService")
            .field("watched", &self.0.inner.watched.len())
            .finish_non_exhaustive()
    }
}

struct Inner {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    shutting_down: Gauge,
    active_tasks: Gauge,
    duration: Histogram,
    process: Option<ProcessGauges>,
    cpu_seconds: Mutex<Option<f64>>,
    watched: WatchList,
    count: Mutex<Option<Arc<dyn Fn() -> usize + Send + Sync>>>,
    began: OnceLock<Instant>,
    last_values: Option<PathBuf>,
}

impl Inner {
    fn new(recorder: Arc<PrometheusRecorder>, last_values: Option<PathBuf>) -> Self {
        let metadata = Metadata::new(module_path!(), Level::INFO, None);
        let ours = |name| gauge(&recorder, &Key::from_static_name(name));
        let inner = Inner {
            handle: recorder.handle(),
            shutting_down: ours(SHUTTING_DOWN),
            active_tasks: ours(ACTIVE_TASKS),
            duration: recorder
                .register_histogram(&Key::from_static_name(SHUTDOWN_SECONDS), &metadata),
            process: ProcessGauges::register(&recorder),
            cpu_seconds: Mutex::default(),
            watched: WatchList::default(),
            count: Mutex::default(),
            began: OnceLock::new(),
            last_values,
            recorder,
        };
        inner.update();
        inner
    }

    fn render(&self) -> String {
        exposition::arrange(&self.handle.render(), *locked(&self.cpu_seconds))
    }

    /// Looks at everything that has to be looked at.
    fn update(&self) {
        if let Some(process) = &self.process
            && let Some(cpu_seconds) = process.update()
        {
            *locked(&self.cpu_seconds) = Some(cpu_seconds);
        }
        self.watched.update();
        // Without it, samples of histograms pile up until somebody scrapes.
        self.handle.run_upkeep();
    }

    fn set_shutdown_state(&self, is_shutting_down: bool) {
        self.shutting_down.set(if is_shutting_down { 1.0 } else { 0.0 });
    }

    #[expect(clippy::cast_precision_loss, reason = "nobody runs 2^52 tasks")]
    fn record_active_tasks(&self, count: usize) {
        self.active_tasks.set(count as f64);
    }

    fn count_active_tasks(&self) {
        let count = locked(&self.count).clone();
        if let Some(count) = count {
            self.record_active_tasks(count());
        }
    }

    /// The notification.
    fn begins(&self) {
        self.set_shutdown_state(true);
        let _ = self.began.set(Instant::now());
        self.count_active_tasks();
    }

    /// The last hook: how long it took, and the last values into their file.
    fn last_word(&self) -> Result<(), BoxError> {
        if let Some(began) = self.began.get() {
            self.duration.record(began.elapsed());
        }
        self.update();
        if let Some(path) = &self.last_values {
            replace(path, &self.render()).map_err(|error| {
                let path = path.display();
                format!("cannot leave the last metrics in {path}: {error} (is it writable?)")
            })?;
        }
        Ok(())
    }
}

/// The updater: sleeps, updates, ends when the shutdown begins.
async fn update(inner: Arc<Inner>, shutdown: Shutdown, interval: Duration) {
    while shutdown.until(sleep(interval)).await.is_some() {
        inner.update();
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
