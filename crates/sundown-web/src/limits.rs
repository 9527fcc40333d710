//! What one client may ask of a server: how large its requests are, and how long it lets it wait.

use std::rc::Rc;
use std::time::Duration;

use actix_http::{HttpMessage as _, Payload, Request, Response};
use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use actix_web::http::{Method, StatusCode, Version};

use crate::connection::Known;
use crate::http::connection_of;
use crate::upload::{Bounded, Measure, Upload};

/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The time for the head of a request.
    pub(crate) head: Duration,
    /// The bytes of a request body.
    pub(crate) body: Option<u64>,
    /// Whether HTTP/2 is spoken too.
    pub(crate) has_http2: bool,
    /// The time in which something must move.
    pub(crate) stall: Option<Duration>,
}

impl Limits {
    /// actix takes a connection for idle when it has encoded the last of an answer, and not only when
    /// that was taken. A client must have its window before it looks idle.
    pub(crate) fn keep_alive(&self) -> Duration {
        self.stall.map_or(KEEP_ALIVE, |window| window.saturating_mul(2).clamp(KEEP_ALIVE, DAY))
    }

    /// The answer to a request that says itself that it is too large: a problem of RFC 9457.
    pub(crate) fn refuse(&self, request: &Request) -> Option<Response<BoxBody>> {
        let most = self.body?;
        length(request).filter(|length| *length > most)?;
        connection_of(request).iter().for_each(|known| known.connection.leave_unread());
        let detail = format!("a body may have {most} bytes here");
        let problem = format!(
            r#"{{"title":"Payload Too Large","status":413,"code":"too_large","detail":"{detail}"}}"#
        );
        let refusal = Response::build(StatusCode::PAYLOAD_TOO_LARGE)
            .content_type("application/problem+json")
            .body(problem);
        Some(refusal.map_into_boxed_body())
    }

    /// Bounds the body of a request, if it has one.
    pub(crate) fn bound(&self, request: &mut Request, known: &Known) -> Option<Rc<Upload>> {
        if matches!(request.payload(), Payload::None) {
            return None;
        }
        let upload = Rc::new(Upload::new(known.connections.clone(), known.connection.clone()));
        let measure = Measure { most: self.body, rest: ignored_length(request) };
        let body = Bounded::new(request.take_payload(), measure, upload.clone());
        *request.payload() = Payload::Stream { payload: Box::pin(body) };
        Some(upload)
    }
}

/// The length of a body that actix takes for endless: to it everything is body that comes after a
/// head with a word of a `WebSocket`. That is true of the head of one: a GET without a body.
fn ignored_length(request: &Request) -> Option<u64> {
    let mut upgrades = request.headers().get_all(UPGRADE).filter_map(|value| value.to_str().ok());
    let is_ignored = request.version() < Version::HTTP_2
        && upgrades.any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
        && !request.headers().contains_key(TRANSFER_ENCODING);
    let length = length(request).unwrap_or(0);
    let is_handshake = length == 0 && *request.method() == Method::GET;
    (is_ignored && !is_handshake && *request.method() != Method::CONNECT).then_some(length)
}

fn length(request: &Request) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
