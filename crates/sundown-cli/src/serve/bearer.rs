//! Lets those in who have the token.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use sundown_health::Token;

use super::problem::problem;

/// Passes a request on, or answers 401. Without a token everybody is let in.
pub(super) async fn admit<B: MessageBody>(
    token: Option<Token>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
    if token.is_none_or(|token| token.is_sent_with(request.headers())) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let detail = "this needs the header `Authorization: Bearer TOKEN`";
    let mut answer = problem(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Ok(request.into_response(answer).map_into_right_body())
}
