//! The public listener: what clients of the service ask for.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpRequest, HttpResponse};
use serde_json::json;
use sundown::{BoxError, ShutdownCoordinator};
use sundown_health::Token;
use sundown_tempfiles::TempFiles;
use sundown_web::{Server, WebServer};

use super::problem::problem;
use super::{WEB, bearer, bind, tryout};
use crate::config::Config;

/// Serves it until `drain`.
pub(super) fn serve(
    coordinator: Arc<dyn ShutdownCoordinator>,
    config: &Config,
    files: &TempFiles,
) -> Result<WebServer, BoxError> {
    let settings = &config.web;
    let listener = bind("web.listen", settings.listen)?;
    let mut server = Server::new(WEB)
        .request_timeout(settings.head_timeout.0)
        .stall_timeout(settings.stall_timeout.0)
        .body_limit(settings.body_limit.0);
    if let Some(workers) = settings.workers.0 {
        server = server.workers(workers);
    }
    let token = settings.token.0.as_ref().and_then(|token| Token::new(token.0.clone()));
    let (has_tryout, files) = (settings.tryout, files.clone());
    let application = move || {
        let (token, files) = (token.clone(), files.clone());
        App::new()
            .wrap(from_fn(move |request, next| bearer::admit(token.clone(), request, next)))
            .route("/", web::get().to(index))
            .configure(move |app| {
                if has_tryout {
                    app.app_data(Data::new(files)).configure(tryout::routes);
                }
            })
            .default_service(web::to(unknown))
    };
    Ok(server.serve(coordinator, listener, application)?)
}

async fn index() -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "service": "sundown",
        "version": env!("CARGO_PKG_VERSION"),
        "commit": env!("BUILD_COMMIT"),
    }))
}

async fn unknown(request: HttpRequest) -> HttpResponse {
    let detail = format!("there is nothing at {} for {}", request.path(), request.method());
    problem(StatusCode::NOT_FOUND, &detail)
}
