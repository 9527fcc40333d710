//! Errors as clients get them: `application/problem+json`, with what to do next.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

/// An answer that says what is wrong: to programs by its code, to people by its detail.
pub(super) fn problem(status: StatusCode, code: &str, detail: &str) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or("Error");
    let status_code = status.as_u16();
    let body = json!({ "title": title, "status": status_code, "code": code, "detail": detail });
    HttpResponse::build(status).content_type("application/problem+json").body(body.to_string())
}
