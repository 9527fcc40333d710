//! The public listener: what clients of the service ask for.

use std::sync::Arc;

use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data, FormConfig, JsonConfig, PathConfig, QueryConfig, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, ResponseError};
use serde_json::json;
use sundown::{BoxError, ShutdownCoordinator};
use sundown_health::Token;
use sundown_tasks::TaskService;
use sundown_tempfiles::TempFiles;
use sundown_web::{Server, WebServer};

use super::bearer::Watch;
use super::listeners::{self, Listener};
use super::problem::problem;
use super::site::Site;
use super::{WEB, demo, tasks};
use crate::config::Loaded;

/// Serves it until `drain`.
pub(super) fn serve(
    coordinator: Arc<dyn ShutdownCoordinator>,
    loaded: &Loaded,
    files: &TempFiles,
    tasks: &TaskService,
    listener: Listener,
) -> Result<WebServer, BoxError> {
    let settings = &loaded.config.web;
    let site = Site::new(listener.socket.local_addr()?, &settings.hosts.0);
    let mut server = Server::new(WEB)
        .request_timeout(settings.head_timeout.0)
        .stall_timeout(settings.stall_timeout.0)
        .body_limit(settings.body_limit.0)
        .http2(settings.http2)
        .max_connections(listeners::connections(settings.max_connections.0));
    if listener.is_shared {
        server = server.shared_listener();
    }
    if let Some(workers) = settings.workers.0 {
        server = server.workers(workers);
    }
    let token = settings.token.0.as_ref().and_then(|token| Token::new(token.0.clone()));
    let (has_demo, limit) = (loaded.has_demo(), settings.body_limit.0);
    let (files, tasks, watch) = (files.clone(), tasks.clone(), Watch::new(WEB));
    let application = move || {
        let (token, files, tasks) = (token.clone(), files.clone(), tasks.clone());
        let (watch, site) = (watch.clone(), site.clone());
        App::new()
            .wrap(from_fn(move |request, next| watch.clone().admit(token.clone(), request, next)))
            .wrap(from_fn(move |request, next| site.clone().check(request, next)))
            .configure(move |app| errors(app, limit))
            .configure(tasks::routes(tasks, limit))
            .service(
                web::resource("/")
                    .route(web::get().to(index))
                    .route(web::head().to(index))
                    .default_service(web::to(not_allowed)),
            )
            .configure(move |app| {
                if has_demo {
                    app.app_data(Data::new(files)).configure(demo::routes);
                }
            })
            .default_service(web::to(unknown))
    };
    Ok(server.serve(coordinator, listener.socket, application)?)
}

/// What cannot be read is told as everything else that is wrong.
fn errors(app: &mut ServiceConfig, limit: u64) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    app.app_data(PathConfig::default().error_handler(|error, _| refused(error)))
        .app_data(QueryConfig::default().error_handler(|error, _| refused(error)))
        .app_data(JsonConfig::default().limit(limit).error_handler(|error, _| refused(error)))
        .app_data(FormConfig::default().error_handler(|error, _| refused(error)));
}

fn refused<E: ResponseError + 'static>(error: E) -> actix_web::Error {
    let status = error.status_code();
    let is_large = status == StatusCode::PAYLOAD_TOO_LARGE;
    let code = if is_large { "too_large" } else { "bad_request" };
    let answer = problem(status, code, &error.to_string());
    InternalError::from_response(error, answer).into()
}

async fn index() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "service": "sundown",
        "version": env!("CARGO_PKG_VERSION"),
        "commit": env!("BUILD_COMMIT"),
    }))
}

async fn not_allowed(request: HttpRequest) -> HttpResponse {
    let detail = format!("{} takes GET and HEAD, not {}", request.path(), request.method());
    let mut answer = problem(StatusCode::METHOD_NOT_ALLOWED, "not_allowed", &detail);
    answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    answer
}

async fn unknown(request: HttpRequest) -> HttpResponse {
    let detail = format!("there is nothing at {} for {}", request.path(), request.method());
    problem(StatusCode::NOT_FOUND, "not_found", &detail)
}
