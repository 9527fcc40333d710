//! Lets those in who have the token, and says so when somebody tries a wrong one.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use sundown_health::Token;
use tracing::warn;

use super::metrics;
use super::problem::problem;

/// So often at the most the log tells of them.
const QUIET: Duration = Duration::from_secs(10);

/// Counts wrong tokens of one listener, and logs some of them.
#[derive(Clone)]
pub(super) struct Watch {
    server: &'static str,
    /// When the log was told last, and how many came since.
    told: Arc<Mutex<(Option<Instant>, u64)>>,
}

impl Watch {
    pub(super) fn new(server: &'static str) -> Self {
        metrics::describe(server);
        Watch { server, told: Arc::default() }
    }

    /// Somebody sent a wrong token.
    fn wrong(&self, peer: Option<SocketAddr>) {
        metrics::wrong_token(self.server);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.0.is_some_and(|at| at.elapsed() < QUIET) {
            told.1 += 1;
            return;
        }
        let more = std::mem::take(&mut told.1);
        told.0 = Some(Instant::now());
        drop(told);
        let peer = peer.map_or_else(|| "?".to_owned(), |peer| peer.to_string());
        warn!(server = self.server, peer, not_logged = more, "a request had a wrong token");
    }

    /// Passes every request on, and counts those whose token is wrong.
    pub(super) async fn observe<B: MessageBody>(
        self,
        token: Option<Token>,
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<B>, actix_web::Error> {
        let has_one = request.headers().contains_key(AUTHORIZATION);
        if has_one && token.is_some_and(|token| !token.is_sent_with(request.headers())) {
            self.wrong(request.peer_addr());
        }
        next.call(request).await
    }

    /// Passes a request on, or answers 401. Without a token everybody is let in.
    pub(super) async fn admit<B: MessageBody>(
        self,
        token: Option<Token>,
        request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<EitherBody<B, BoxBody>>, actix_web::Error> {
        if token.is_none_or(|token| token.is_sent_with(request.headers())) {
            return Ok(next.call(request).await?.map_into_left_body());
        }
        let (code, detail) = if request.headers().contains_key(AUTHORIZATION) {
            self.wrong(request.peer_addr());
            ("wrong_token", "the token in the header `Authorization` is not the service's")
        } else {
            ("no_token", "this needs the header `Authorization: Bearer TOKEN`")
        };
        let mut answer = problem(StatusCode::UNAUTHORIZED, code, detail);
        answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        Ok(request.into_response(answer).map_into_right_body())
    }
}
