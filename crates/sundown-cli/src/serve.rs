//! `sundown serve`: builds the layers, introduces them to one another, and serves until the stop.

mod admin;
mod bearer;
mod count;
mod demo;
mod listeners;
mod metrics;
mod problem;
mod public;
mod site;
mod store;
mod tasks;
mod worker;

use std::fmt::Display;
use std::io::{IsTerminal as _, stdout};
use std::sync::Arc;

use sundown::{BoxError, BuildError, Builder, Coordinator, Exit, Phase, Report};
use sundown_metrics::MetricsService;
use sundown_tempfiles::TempFiles;
use tracing::{info, warn};

pub(crate) use self::listeners::Given;
use crate::config::{Config, Loaded, Log, Origin, POD_MEND};
use crate::live::{Form, Live};
use crate::logging;
use crate::screen::{SCREEN, can_redraw};

/// The names under which the layers take part in the shutdown.
pub(crate) const WEB: &str = "web";
pub(crate) const ADMIN: &str = "admin";
pub(crate) const METRICS: &str = MetricsService::NAME;
pub(crate) const LAST_METRICS: &str = MetricsService::LAST;
pub(crate) const TEMP_FILES: &str = "temp files";
pub(crate) const TASKS: &str = "tasks";

#[cfg(feature = "fuzzing")]
pub(crate) use self::tasks::fuzzing;

/// The coordinator, which from now on hears every signal. It comes before everything that could
/// fail or take its time.
pub(crate) fn listen(loaded: &Loaded) -> Result<Arc<Coordinator>, BoxError> {
    let coordinator = build(loaded).map_err(|error| match error {
        BuildError::ReportPath { path, source } => {
            let path = path.display();
            let what = format!("cannot keep the shutdown report in {path}: {source}");
            named(loaded, "shutdown.report_file", &what)
        }
        BuildError::ReportTaken { path, pid } => {
            let path = path.display();
            let holder =
                pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            let what = format!("{path} belongs to {holder}, which is alive (each needs its own)");
            named(loaded, "shutdown.report_file", &what)
        }
        error => error.into(),
    })?;
    coordinator.listen_for_signals()?;
    Ok(coordinator)
}

/// The coordinator with its report file. One that nobody asked for may be another instance's, or have no
/// place; the service runs without it.
fn build(loaded: &Loaded) -> Result<Arc<Coordinator>, BuildError> {
    let Some(path) = loaded.report_file() else { return builder(loaded).build() };
    let is_asked_for = loaded.config.shutdown.report_file.0.is_some();
    if !is_asked_for && let Some(directory) = path.parent() {
        // An error shows below, where the file cannot be created.
        let _ = store::private_directory(directory);
    }
    let keep = usize::try_from(loaded.config.shutdown.keep_reports.0).unwrap_or(usize::MAX);
    match builder(loaded).report_path(path).keep_reports(keep).build() {
        Err(error @ (BuildError::ReportTaken { .. } | BuildError::ReportPath { .. }))
            if !is_asked_for =>
        {
            warn!(%error, "no report of the stop will be kept (`shutdown.report_file` names another file)");
            builder(loaded).build()
        }
        built => built,
    }
}

/// Serves until it is told to stop, and stops. Whoever asks whether it is alive is answered before there is
/// a store, and clients are let in after.
pub(crate) async fn run(
    coordinator: Arc<Coordinator>,
    loaded: &Loaded,
    mut listeners: Given,
) -> Result<Exit, BoxError> {
    let config = &loaded.config;
    for what in loaded.missing_programs() {
        warn!(%what, "tasks that run this command will fail");
    }
    if let Some(sum) = config.pod.sum(config.shutdown.timeout.0).filter(|sum| !sum.fits()) {
        warn!(%sum, mend = POD_MEND, "the pod's grace period is too short");
    }
    let metrics =
        MetricsService::start(coordinator.clone(), metrics(config)).map_err(
            |error| match error {
                sundown_metrics::StartError::LastValues { .. } => {
                    named(loaded, "metrics.last_values", &error)
                }
                error => error.into(),
            },
        )?;
    let files = TempFiles::start(coordinator.clone(), temp_files(config)).await.map_err(
        |error| match error {
            sundown_tempfiles::StartError::Plan(error) => error.into(),
            error => named(loaded, "temp.directory", &error),
        },
    )?;
    let ready = admin::Ready::default();
    let listener = listeners.admin(config.admin.listen)?;
    let admin = admin::serve(coordinator.clone(), config, &metrics, &ready, listener)?;
    info!(admin = %admin.local_addr(), "alive; ready when the task store is");
    let Some(tasks) = worker::start(coordinator.clone(), loaded, &files).await? else {
        return Ok(end(&coordinator, &config.log, None).await);
    };
    let here = tasks.clone();
    metrics.count_active_tasks(move || here.active());
    let listener = listeners.web(config.web.listen)?;
    let web = public::serve(coordinator.clone(), loaded, &files, &tasks, listener)?;
    coordinator.check()?;
    ready.get_or_init(|| tasks);
    coordinator.ready();
    let live = watch(&coordinator, config)?;

    info!(
        web = %web.local_addr(),
        admin = %admin.local_addr(),
        cap_seconds = coordinator.cap().as_secs_f64(),
        version = env!("CARGO_PKG_VERSION"),
        commit = env!("BUILD_COMMIT"),
        "serving"
    );
    if loaded.has_demo() {
        let page = format!("http://{}/try", web.local_addr());
        info!(%page, kind = "count", "the demonstration is on (`web.demo = false` turns it off)");
    }
    Ok(end(&coordinator, &config.log, Some(live)).await)
}

/// Waits until it is told to stop, stops, and says how that went.
async fn end(coordinator: &Coordinator, log: &Log, live: Option<Live>) -> Exit {
    let report = coordinator.run().await;
    if let Some(live) = live {
        live.finish();
    }
    SCREEN.flush(crate::LAST_LINES);
    tell(&report, log);
    report.exit()
}

/// What went wrong, with the key to turn and where it was set.
fn named(loaded: &Loaded, key: &str, error: &dyn Display) -> BoxError {
    match loaded.origin(key) {
        Origin::Default => format!("`{key}`: {error}").into(),
        origin => format!("{origin}: `{key}`: {error}").into(),
    }
}

/// The coordinator as it is configured, without its file.
pub(crate) fn builder(loaded: &Loaded) -> Builder {
    let budgets = loaded.budgets;
    let shutdown = &loaded.config.shutdown;
    let builder = Coordinator::builder()
        .cap(shutdown.timeout.0)
        .announce(budgets.announce)
        .budget(Phase::FLUSH, budgets.flush)
        .budget(Phase::RELEASE, budgets.release);
    if shutdown.exit_143_when_interrupted { builder.exit_143_when_interrupted() } else { builder }
}

fn metrics(config: &Config) -> sundown_metrics::Settings {
    let settings = sundown_metrics::Settings::default().interval(config.metrics.interval.0);
    match &config.metrics.last_values.0 {
        Some(path) => settings.last_values(path),
        None => settings,
    }
}

fn temp_files(config: &Config) -> sundown_tempfiles::Settings {
    let settings = sundown_tempfiles::Settings::default()
        .named(TEMP_FILES)
        .quota(config.temp.quota.0)
        .age(config.temp.age.0);
    match &config.temp.directory.0 {
        Some(directory) => settings.root(directory),
        None => settings,
    }
}

/// Tells how a stop goes: a view on a terminal, log lines elsewhere.
fn watch(coordinator: &Arc<Coordinator>, config: &Config) -> std::io::Result<Live> {
    let has_view = can_redraw() && logging::is_for_people(&config.log);
    Live::start(coordinator.clone(), if has_view { Form::View } else { Form::Lines })
}

/// The last word, to the standard output: a timeline for a person, a line of JSON for a program.
fn tell(report: &Report, log: &Log) {
    if stdout().is_terminal() || logging::is_for_people(log) {
        report.print();
    } else {
        // Nobody reads it: no reason to fail.
        let _ = crate::print(&format!("{}\n", report.to_line()));
    }
}
