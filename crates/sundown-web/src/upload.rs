//! The body of a request, bounded: in its size, and in the time its client lets the application
//! wait for it.

use std::cell::{Cell, RefCell};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use actix_http::Payload;
use actix_http::error::PayloadError;
use actix_web::http::StatusCode;
use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Instant;

use crate::connection::Connection;
use crate::connections::{Connections, locked};
use crate::stall::Patience;

/// What a body and its answer know of each other.
pub(crate) struct Upload {
    connections: Arc<Connections>,
    connection: Arc<Connection>,
    is_unbounded: Cell<bool>,
    has_stalled: Cell<bool>,
    /// What the application did not read. As long as it lives, actix does not read on, which it
    /// would without any bound, but closes the connection after the answer.
    unread: RefCell<Option<Payload>>,
}

impl Upload {
    pub(crate) fn new(connections: Arc<Connections>, connection: Arc<Connection>) -> Self {
        Upload {
            connections,
            connection,
            is_unbounded: Cell::new(false),
            has_stalled: Cell::new(false),
            unread: RefCell::new(None),
        }
    }

    /// The connection speaks another protocol from now on: this is no body.
    pub(crate) fn unbound(&self) {
        self.is_unbounded.set(true);
    }

    /// To actix-web every broken body is a bad request. This one has a better name.
    pub(crate) fn status(&self, status: StatusCode) -> StatusCode {
        let is_timeout = self.has_stalled.get() && status == StatusCode::BAD_REQUEST;
        if is_timeout { StatusCode::REQUEST_TIMEOUT } else { status }
    }

    fn leave(&self, unread: Payload) {
        self.connection.leave_unread();
        self.unread.replace(Some(unread));
    }
}

/// The body as the application reads it.
pub(crate) struct Bounded {
    body: Payload,
    measure: Measure,
    patience: Patience,
    arrival: Arc<Arrival>,
    waker: Waker,
    upload: Rc<Upload>,
}

/// How much more of a body there may be.
pub(crate) struct Measure {
    /// The most that is borne.
    pub(crate) most: Option<u64>,
    /// All there is of it, where nobody else sees to that.
    pub(crate) rest: Option<u64>,
}

impl Measure {
    /// What of a chunk is of the body; `None` if that is too much.
    fn take(&mut self, mut chunk: Bytes) -> Option<Bytes> {
        if let Some(rest) = &mut self.rest {
            chunk.truncate(usize::try_from(*rest).unwrap_or(usize::MAX));
            *rest -= chunk.len() as u64;
        }
        if let Some(most) = &mut self.most {
            *most = most.checked_sub(chunk.len() as u64)?;
        }
        Some(chunk)
    }
}

impl Bounded {
    pub(crate) fn new(body: Payload, measure: Measure, upload: Rc<Upload>) -> Self {
        let patience = Patience::new(upload.connections.pace.clone());
        let arrival = Arc::new(Arrival::default());
        let waker = Waker::from(arrival.clone());
        Bounded { body, measure, patience, arrival, waker, upload }
    }

    /// What the client has sent, or that it has had its time.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let came = self.arrival.is_awaited_by(cx.waker());
        let polled = Pin::new(&mut self.body).poll_next(&mut Context::from_waker(&self.waker));
        match &polled {
            Poll::Ready(Some(Ok(chunk))) => {
                self.patience.moved(chunk.len(), || came.unwrap_or_else(Instant::now));
            }
            Poll::Ready(_) => {}
            Poll::Pending if self.upload.is_unbounded.get() => {}
            Poll::Pending => {
                if self.patience.poll_ends(cx).is_ready() {
                    self.upload.has_stalled.set(true);
                    let why = "the client stopped sending its request";
                    let error = self.upload.connections.gives_up(&self.upload.connection, why);
                    return Poll::Ready(Some(Err(PayloadError::Io(error))));
                }
            }
        }
        polled
    }

    /// The same within its measure.
    fn poll_measured(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        if self.upload.is_unbounded.get() {
            return self.poll_body(cx);
        }
        if self.measure.rest == Some(0) {
            self.leave();
            return Poll::Ready(None);
        }
        self.poll_body(cx).map(|polled| match polled? {
            Ok(chunk) => Some(self.measure.take(chunk).ok_or(PayloadError::Overflow)),
            Err(error) => Some(Err(error)),
        })
    }

    fn leave(&mut self) {
        self.upload.leave(mem::replace(&mut self.body, Payload::None));
    }
}

impl Stream for Bounded {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if matches!(this.body, Payload::None) {
            return Poll::Ready(None);
        }
        let polled = this.poll_measured(cx);
        match &polled {
            // Its end.
            Poll::Ready(None) => this.body = Payload::None,
            Poll::Ready(Some(Err(_))) => this.leave(),
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        if !matches!(self.body, Payload::None) && !self.upload.is_unbounded.get() {
            self.leave();
        }
    }
}

/// Notes when the client sent something, which may be long before the application asks for it.
#[derive(Default)]
struct Arrival(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    reader: Option<Waker>,
    at: Option<Instant>,
}

impl Arrival {
    /// Whom to wake. Says when something came since it was asked last.
    fn is_awaited_by(&self, reader: &Waker) -> Option<Instant> {
        let mut noted = locked(&self.0);
        match &mut noted.reader {
            Some(known) => known.clone_from(reader),
            none => *none = Some(reader.clone()),
        }
        noted.at.take()
    }
}

impl Wake for Arrival {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut noted = locked(&self.0);
        noted.at.get_or_insert_with(Instant::now);
        let reader = noted.reader.clone();
        drop(noted);
        reader.inspect(Waker::wake_by_ref);
    }
}
