//! The admin listener: probes, metrics, the state of the stop. It closes last.

use std::sync::{Arc, OnceLock};

use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, web};
use sundown::{BoxError, ShutdownCoordinator};
use sundown_health::{Health, Token};
use sundown_metrics::MetricsService;
use sundown_tasks::TaskService;
use sundown_web::{Server, WebServer};

use super::ADMIN;
use super::bearer::Watch;
use super::listeners::{ADMIN_CONNECTIONS, Listener};
use super::site::Site;
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
    listener: Listener,
) -> Result<WebServer, BoxError> {
    let settings = &config.admin;
    let site = Site::new(listener.socket.local_addr()?, &config.web.hosts.0);
    let token = settings.token.0.as_ref().and_then(|token| Token::new(token.0.clone()));
    let watch = Watch::new(ADMIN);
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
        let (site, watch, token) = (site.clone(), watch.clone(), token.clone());
        let metrics = metrics.clone();
        let scrape = move || {
            let values = metrics.render();
            async { HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(values) }
        };
        App::new()
            .wrap(from_fn(move |request, next| watch.clone().observe(token.clone(), request, next)))
            .wrap(from_fn(move |request, next| site.clone().check(request, next)))
            .configure(health.routes())
            .route("/metrics", web::get().to(scrape))
    };
    let server = Server::new(ADMIN)
        .workers(1)
        .closes_last()
        .max_connections(ADMIN_CONNECTIONS)
        .body_limit(BODY)
        .request_timeout(config.web.head_timeout.0)
        .stall_timeout(config.web.stall_timeout.0);
    let server = if listener.is_shared { server.shared_listener() } else { server };
    Ok(server.serve(coordinator, listener.socket, application)?)
}
