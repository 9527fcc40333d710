//! What one client may ask of a server: how large its requests are, and how long it lets it wait.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::{HttpMessage as _, Payload, Request, Response};
use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, UPGRADE};

use crate::connection::Connection;
use crate::upload::{Bounded, Upload};

/// How long an idle connection is kept.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The time for the head of a request.
    pub(crate) head: Duration,
    /// The bytes of a request body.
    pub(crate) body: Option<u64>,
    /// The time in which something must move.
    pub(crate) stall: Option<Duration>,
}

impl Limits {
    /// actix takes a connection for idle when it has encoded the last of an answer, and not only when
    /// that was taken. A client must have its window before it looks idle.
    pub(crate) fn keep_alive(&self) -> Duration {
        self.stall.map_or(KEEP_ALIVE, |window| window.saturating_mul(2).clamp(KEEP_ALIVE, DAY))
    }

    /// The answer to a request that says itself that it is too large.
    pub(crate) fn refuse(&self, request: &Request) -> Option<Response<BoxBody>> {
        let most = self.body?;
        length(request).filter(|length| *length > most)?;
        request.conn_data::<Arc<Connection>>().into_iter().for_each(|it| it.leave_unread());
        Some(Response::new(StatusCode::PAYLOAD_TOO_LARGE))
    }

    /// Bounds the body of a request, if it has one and that is not bounded anyway.
    pub(crate) fn bound(&self, request: &mut Request) -> Option<Rc<Upload>> {
        if matches!(request.payload(), Payload::None) || !self.has_effect(request) {
            return None;
        }
        let connection = request.conn_data::<Arc<Connection>>().cloned();
        let upload = Rc::new(Upload::new(connection));
        let body = request.take_payload();
        let body = Bounded::new(body, self.body, self.stall, upload.clone());
        *request.payload() = Payload::Stream { payload: Box::pin(body) };
        Some(upload)
    }

    /// What says its length has no more than that: HTTP sees to it. Except where the request wants
    /// another protocol: then its length is ignored, and everything is body.
    fn has_effect(&self, request: &Request) -> bool {
        let is_measured = length(request).is_some() && !request.headers().contains_key(UPGRADE);
        self.stall.is_some() || (self.body.is_some() && !is_measured)
    }
}

fn length(request: &Request) -> Option<u64> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}
