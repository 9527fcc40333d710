//! Errors as clients get them: `application/problem+json`, with what to do next.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::json;

/// How much of a detail is told: of its beginning, and of its end, where parsers say what they wanted. What
/// is wrong may be a megabyte, and whoever sent it knows it.
const BEGINNING: usize = 160;
const END: usize = 80;

/// An answer that says what is wrong: to programs by its code, to people by its detail.
pub(super) fn problem(status: StatusCode, code: &str, detail: &str) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or("Error");
    let status_code = status.as_u16();
    let body =
        json!({ "title": title, "status": status_code, "code": code, "detail": short(detail) });
    HttpResponse::build(status).content_type("application/problem+json").body(body.to_string())
}

/// A detail, without its middle if it is long.
pub(super) fn short(detail: &str) -> Cow<'_, str> {
    let beginning = detail.floor_char_boundary(BEGINNING);
    let end = detail.ceil_char_boundary(detail.len().saturating_sub(END));
    if end <= beginning {
        return detail.into();
    }
    format!("{} … {}", &detail[..beginning], &detail[end..]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_keeps_its_beginning_and_its_end() {
        for text in ["", "x", &"x".repeat(BEGINNING + END), &"ü".repeat((BEGINNING + END) / 2)] {
            assert_eq!(short(text), text);
        }
        let long = format!("string \"{}\", expected u64", "漢".repeat(100_000));
        let short = short(&long);
        assert!(short.len() < 250, "{short}");
        assert!(
            short.starts_with("string \"漢") && short.ends_with("漢\", expected u64"),
            "{short}"
        );
    }
}
