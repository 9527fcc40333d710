//! Errors as clients get them: `application/problem+json`, with what to do next.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

/// An answer that says what is wrong.
pub(super) fn problem(status: StatusCode, detail: &str) -> HttpResponse {
    problem_named(status, "", detail)
}

/// The same with a name that programs can look at.
pub(super) fn problem_named(status: StatusCode, code: &str, detail: &str) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or("Error");
    let mut body = json!({ "title": title, "status": status.as_u16(), "detail": detail });
    if !code.is_empty() {
        body["code"] = code.into();
    }
    HttpResponse::build(status).content_type("application/problem+json").body(body.to_string())
}
