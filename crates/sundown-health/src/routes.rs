//! The routes: what is asked, and what is answered.

use actix_web::body::None as NoBody;
use actix_web::http::Method;
use actix_web::http::header::{
    ACCEPT, ALLOW, AUTHORIZATION, CONTENT_TYPE, HeaderMap, WWW_AUTHENTICATE,
};
use actix_web::web::{Bytes, Data, Payload, ServiceConfig, get, head, post, resource, to};
use actix_web::{FromRequest as _, HttpMessage as _, HttpRequest, HttpResponse, Resource};
use serde::Deserialize;
use serde_json::json;
use sundown::Cause;
use tokio_util::sync::CancellationToken;

use crate::health::{Health, Readiness};
use crate::live::Live;

/// The longest reason that is kept.
const REASON: usize = 500;
const EVENTS: &str = "text/event-stream";

pub(crate) fn configure(health: Health, config: &mut ServiceConfig) {
    let probe = |path| only(resource(path), "GET, HEAD");
    let shutdown = resource("/shutdown").route(get().to(status)).route(head().to(status));
    let shutdown = if health.has_token() {
        only(shutdown.route(post().to(request)), "GET, HEAD, POST")
    } else {
        only(shutdown, "GET, HEAD")
    };
    config
        .app_data(Data::new(health))
        .service(probe("/healthz").route(get().to(alive)).route(head().to(alive)))
        .service(probe("/readyz").route(get().to(ready)).route(head().to(ready)))
        .service(shutdown);
}

/// Other methods than these are answered 405.
fn only(resource: Resource, methods: &'static str) -> Resource {
    let refuse = move || async move {
        HttpResponse::MethodNotAllowed().insert_header((ALLOW, methods)).finish()
    };
    resource.default_service(to(refuse))
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
    let mut answer = HttpResponse::Ok();
    answer.insert_header(("Cache-Control", "no-store"));
    if !wants_events(request.headers()) {
        answer.content_type("application/json");
        return answer.body(health.coordinator.report().to_json());
    }
    answer.insert_header((CONTENT_TYPE, EVENTS));
    if request.method() == Method::HEAD {
        return answer.body(NoBody::new());
    }
    let known = request.conn_data::<CancellationToken>().cloned();
    // With HTTP/2 it is with the request.
    let draining = known.or_else(|| request.extensions().get().cloned());
    answer.streaming(Live::new(health.coordinator.clone(), draining))
}

fn wants_events(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains(EVENTS))
}

/// What may be said with a request to stop.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    reason: String,
}

/// Who may not ask for it is told so at once: nobody waits for the body.
async fn request(
    health: Data<Health>,
    request: HttpRequest,
    body: Payload,
) -> actix_web::Result<HttpResponse> {
    if !health.admits(request.headers()) {
        let error = if request.headers().contains_key(AUTHORIZATION) {
            "the token in the header `Authorization` is not the service's"
        } else {
            "this needs the header `Authorization: Bearer TOKEN`"
        };
        return Ok(HttpResponse::Unauthorized()
            .insert_header((WWW_AUTHENTICATE, "Bearer"))
            .json(json!({ "error": error })));
    }
    let body = Bytes::from_request(&request, &mut body.into_inner()).await?;
    let reason = if body.is_empty() {
        "POST /shutdown".to_owned()
    } else {
        match serde_json::from_slice::<Request>(&body) {
            Ok(Request { reason }) => reason.chars().take(REASON).collect(),
            Err(error) => {
                let error = format!("the body must be empty or {{\"reason\": \"…\"}}: {error}");
                return Ok(HttpResponse::BadRequest().json(json!({ "error": error })));
            }
        }
    };
    let is_first = health.coordinator.initiate(Cause::requested(reason));
    let cause = health.coordinator.cause().map(|cause| cause.to_string());
    Ok(HttpResponse::Accepted().json(json!({ "initiated": is_first, "cause": cause })))
}
