//! The admin listener: probes, metrics, the state of the stop. It closes last.

use std::sync::{Arc, OnceLock};

use actix_web::{App, HttpResponse, web};
use sundown::{BoxError, ShutdownCoordinator};
use sundown_health::Health;
use sundown_metrics::MetricsService;
use sundown_tasks::TaskService;
use sundown_web::{Server, WebServer};

use super::{ADMIN, bind};
use crate::config::Config;

/// The most bytes a request to it may carry: a reason to stop.
const BODY: u64 = 4096;

/// The tasks, from when on clients may hand some in. Until then the service is alive and not ready.
pub(super) type Ready = Arc<OnceLock<TaskService>>;

/// Serves it until everything else has been released.
pub(super) fn serve(
    coordinator: Arc<dyn ShutdownCoordinator>,
    config: &Config,
    metrics: &MetricsService,
    ready: &Ready,
) -> Result<WebServer, BoxError> {
    let settings = &config.admin;
    let listener = bind("admin.listen", settings.listen)?;
    let ready = ready.clone();
    let mut health = Health::new(coordinator.clone())
        .check("task service", move || ready.get().is_some_and(TaskService::is_healthy));
    if let Some(token) = &settings.token.0 {
        health = health.token(token.0.clone());
    }
    if settings.hold_readiness {
        health = health.hold_readiness();
    }
    let metrics = metrics.clone();
    let application = move || {
        let metrics = metrics.clone();
        let scrape = move || {
            let values = metrics.render();
            async { HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(values) }
        };
        App::new().configure(health.routes()).route("/metrics", web::get().to(scrape))
    };
    let server = Server::new(ADMIN)
        .workers(1)
        .closes_last()
        .body_limit(BODY)
        .request_timeout(config.web.head_timeout.0)
        .stall_timeout(config.web.stall_timeout.0);
    Ok(server.serve(coordinator, listener, application)?)
}
