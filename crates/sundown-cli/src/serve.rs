//! `sundown serve`: builds the layers, introduces them to one another, and serves until the stop.

mod admin;
mod bearer;
mod problem;
mod public;
mod tryout;

use std::io::{IsTerminal as _, stderr, stdout};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use sundown::{BoxError, Builder, Coordinator, Exit, Phase, Report};
use sundown_metrics::MetricsService;
use sundown_tempfiles::TempFiles;
use tracing::info;

use crate::config::Config;
use crate::live::Live;
use crate::logging;

/// The names under which the layers take part in the shutdown.
pub(crate) const WEB: &str = "web";
pub(crate) const ADMIN: &str = "admin";
pub(crate) const METRICS: &str = MetricsService::NAME;
pub(crate) const TEMP_FILES: &str = "temp files";

/// Serves until it is told to stop, and stops.
pub(crate) async fn run(config: &Config) -> Result<Exit, BoxError> {
    let mut builder = builder(config);
    if let Some(path) = &config.shutdown.report_file.0 {
        builder = builder.report_path(path);
    }
    let coordinator = builder.build()?;
    coordinator.listen_for_signals()?;

    let metrics = MetricsService::start(coordinator.clone(), metrics(config))?;
    let files = TempFiles::start(coordinator.clone(), temp_files(config)).await?;
    let web = public::serve(coordinator.clone(), config, &files)?;
    let admin = admin::serve(coordinator.clone(), config, &metrics)?;
    coordinator.check()?;
    let live = watch(&coordinator, config)?;

    info!(
        web = %web.local_addr(),
        admin = %admin.local_addr(),
        cap_seconds = coordinator.cap().as_secs_f64(),
        version = env!("CARGO_PKG_VERSION"),
        commit = env!("BUILD_COMMIT"),
        "serving"
    );
    let report = coordinator.run().await;
    if let Some(live) = live {
        live.finish();
    }
    tell(&report);
    Ok(report.exit())
}

/// The coordinator as it is configured, without its file.
pub(crate) fn builder(config: &Config) -> Builder {
    let shutdown = &config.shutdown;
    let mut builder = Coordinator::builder()
        .cap(shutdown.timeout.0)
        .budget(Phase::FLUSH, shutdown.flush.0)
        .budget(Phase::RELEASE, shutdown.release.0);
    if let Some(announce) = shutdown.announce.0 {
        builder = builder.announce(announce.0);
    }
    if shutdown.exit_143_when_interrupted {
        builder = builder.exit_143_when_interrupted();
    }
    builder
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

/// On a terminal somebody watches.
fn watch(coordinator: &Arc<Coordinator>, config: &Config) -> std::io::Result<Option<Live>> {
    let is_watched = stderr().is_terminal() && logging::is_for_people(&config.log);
    is_watched.then(|| Live::start(coordinator.clone())).transpose()
}

/// The last word, to the standard output: a timeline for a person, a line of JSON for a program.
fn tell(report: &Report) {
    if stdout().is_terminal() {
        report.print();
    } else {
        // Nobody reads it: no reason to fail.
        let _ = crate::print(&format!("{}\n", report.to_line()));
    }
}

/// Takes hold of an address, and says how to get another one.
fn bind(key: &str, address: SocketAddr) -> Result<TcpListener, BoxError> {
    let failed = |error| {
        format!("cannot listen on {address}: {error} (set `{key}`, or stop whatever has it)").into()
    };
    TcpListener::bind(address).map_err(failed)
}
