//! The routes: what is asked, and what is answered.

use actix_web::http::header::{ACCEPT, WWW_AUTHENTICATE};
use actix_web::web::{Bytes, Data, ServiceConfig, get, post, resource};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;
use sundown::Cause;

use crate::health::{Health, Readiness};
use crate::live::Live;

/// The longest reason that is kept.
const REASON: usize = 500;

pub(crate) fn configure(health: Health, config: &mut ServiceConfig) {
    let shutdown = resource("/shutdown").route(get().to(status));
    let shutdown = if health.has_token() { shutdown.route(post().to(request)) } else { shutdown };
    config
        .app_data(Data::new(health))
        .route("/healthz", get().to(alive))
        .route("/readyz", get().to(ready))
        .service(shutdown);
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().body("alive")
}

async fn ready(health: Data<Health>) -> HttpResponse {
    match health.readiness() {
        Readiness::Ready => HttpResponse::Ok().body("ready"),
        Readiness::ShuttingDown => HttpResponse::ServiceUnavailable().body("shutting down"),
        Readiness::Unhealthy(name) => {
            HttpResponse::ServiceUnavailable().body(format!("{name} unhealthy"))
        }
    }
}

/// The report so far, once or live.
async fn status(health: Data<Health>, request: HttpRequest) -> HttpResponse {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/event-stream")) {
        return HttpResponse::Ok()
            .content_type("text/event-stream")
            .insert_header(("Cache-Control", "no-store"))
            .streaming(Live::new(health.coordinator.clone()));
    }
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header(("Cache-Control", "no-store"))
        .body(health.coordinator.report().to_json())
}

/// What may be said with a request to stop.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    reason: String,
}

async fn request(health: Data<Health>, request: HttpRequest, body: Bytes) -> HttpResponse {
    if !health.admits(request.headers()) {
        return HttpResponse::Unauthorized()
            .insert_header((WWW_AUTHENTICATE, "Bearer"))
            .json(json!({ "error": "this needs the header `Authorization: Bearer TOKEN`" }));
    }
    let reason = if body.is_empty() {
        "POST /shutdown".to_owned()
    } else {
        match serde_json::from_slice::<Request>(&body) {
            Ok(Request { reason }) => reason.chars().take(REASON).collect(),
            Err(error) => {
                let error = format!("the body must be empty or {{\"reason\": \"…\"}}: {error}");
                return HttpResponse::BadRequest().json(json!({ "error": error }));
            }
        }
    };
    let is_first = health.coordinator.initiate(Cause::requested(reason));
    let cause = health.coordinator.cause().map(|cause| cause.to_string());
    HttpResponse::Accepted().json(json!({ "initiated": is_first, "cause": cause }))
}
