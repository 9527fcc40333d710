//! What clients get: each refusal with its status, its name, and what to do next.

use actix_web::error::{InternalError, JsonPayloadError};
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, RETRY_AFTER};
use actix_web::{Error, HttpRequest, HttpResponse, ResponseError as _, Route, web};
use serde_json::{Value, json};
use sundown_tasks::{Change, Refused, Started, StoreError, TaskId};

use crate::serve::problem::{problem, short};

/// How many seconds a client should stay away from a service that stops, or is full.
const COME_BACK: u32 = 1;

/// A task that was not taken in.
pub(super) fn refused(error: &Refused) -> HttpResponse {
    if let Refused::Store(error) = error {
        return store_failed(error);
    }
    let status = status_of(error);
    let mut answer = problem(status, error.name(), &detail(error));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.headers_mut().insert(RETRY_AFTER, COME_BACK.into());
    }
    answer
}

/// One of a batch.
pub(super) fn taken_in(result: Result<Started, Refused>) -> Value {
    match result {
        Ok(started) => json!(started),
        Err(error) => json!({
            "error": {
                "status": status_of(&error).as_u16(),
                "code": error.name(),
                "detail": short(&detail(&error)),
            }
        }),
    }
}

/// What is said of it; where no kind is there at all, how to get one.
fn detail(error: &Refused) -> String {
    match error {
        Refused::UnknownKind { kind, known } if known == "none" => {
            let kind: String = kind.chars().take(40).collect();
            format!(
                "there is no kind `{kind}`: this service has none (configure [commands.NAME] or \
                 http.allow, or start it with --demo to try the kind `count`)"
            )
        }
        error => error.to_string(),
    }
}

fn status_of(error: &Refused) -> StatusCode {
    match error {
        Refused::UnknownKind { .. } | Refused::InvalidInput { .. } | Refused::BadKey => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Refused::KeyTaken { .. } => StatusCode::CONFLICT,
        // Shutting down, full, a store that does not answer: another time, or elsewhere.
        _ => StatusCode::SERVICE_UNAVAILABLE,
    }
}

/// The store did not answer.
pub(super) fn store_failed(error: &StoreError) -> HttpResponse {
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let mut answer = problem(status, "store", &error.to_string());
    answer.headers_mut().insert(RETRY_AFTER, COME_BACK.into());
    answer
}

pub(super) fn no_task(id: &str) -> HttpResponse {
    let id: String = id.chars().take(40).collect();
    let detail = format!("there is no task {id} (any more)");
    problem(StatusCode::NOT_FOUND, "no_task", &detail)
}

/// What was asked for can be read, and makes no sense.
pub(super) fn nonsense(detail: &str) -> HttpResponse {
    problem(StatusCode::BAD_REQUEST, "bad_request", detail)
}

/// A body that cannot be read.
pub(super) fn unreadable(error: JsonPayloadError, _: &HttpRequest) -> Error {
    let answer = unreadable_answer(&error);
    InternalError::from_response(error, answer).into()
}

pub(super) fn unreadable_answer(error: &JsonPayloadError) -> HttpResponse {
    match error {
        JsonPayloadError::ContentType => {
            let detail = "the body is JSON, with the header `Content-Type: application/json`";
            problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "no_json", detail)
        }
        error => {
            let status = error.status_code();
            let is_large = status == StatusCode::PAYLOAD_TOO_LARGE;
            let code = if is_large { "too_large" } else { "malformed" };
            problem(status, code, &error.to_string())
        }
    }
}

/// A body in letters that JSON does not have.
pub(super) fn foreign(charset: &str) -> HttpResponse {
    let detail =
        format!("JSON is UTF-8, not `{charset}` (send it so, and say nothing of a charset)");
    problem(StatusCode::UNSUPPORTED_MEDIA_TYPE, "no_json", &detail)
}

/// A query that cannot be read.
pub(super) fn no_query(error: actix_web::error::QueryPayloadError, _: &HttpRequest) -> Error {
    let answer = nonsense(&error.to_string());
    InternalError::from_response(error, answer).into()
}

/// For every method but these.
pub(super) fn only(methods: &'static str) -> Route {
    web::to(move |request: HttpRequest| async move {
        let detail = format!("{} takes {methods}, not {}", request.path(), request.method());
        let status = StatusCode::METHOD_NOT_ALLOWED;
        let mut answer = problem(status, "not_allowed", &detail);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(methods));
        answer
    })
}

/// What became of a wish; `hint` says why it may be impossible.
pub(super) fn changed(id: TaskId, change: Result<Change, StoreError>, hint: &str) -> HttpResponse {
    match change {
        Ok(Change::Now(state)) if state.is_final() => {
            HttpResponse::Ok().json(json!({ "id": id, "state": state }))
        }
        // It was told to, and will be.
        Ok(Change::Now(state)) => {
            HttpResponse::Accepted().json(json!({ "id": id, "state": state }))
        }
        Ok(Change::Impossible(state)) => {
            let detail = format!("task {id} is {}: it {hint}", state.name());
            problem(StatusCode::CONFLICT, "impossible", &detail)
        }
        Ok(Change::Unknown) => no_task(&id.to_string()),
        Err(error) => store_failed(&error),
    }
}
