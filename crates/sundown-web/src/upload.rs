//! The body of a request, bounded: in its size, and in the time its client lets the application
//! wait for it.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use actix_http::Payload;
use actix_http::error::PayloadError;
use actix_web::http::StatusCode;
use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Instant;

use crate::connection::{Connection, locked};
use crate::stall::Patience;

/// What a body and its answer know of each other.
pub(crate) struct Upload {
    connection: Option<Arc<Connection>>,
    is_unbounded: Cell<bool>,
    has_stalled: Cell<bool>,
    /// What the application did not read. As long as it lives, actix does not read on, which it
    /// would without any bound, but closes the connection after the answer.
    unread: RefCell<Option<Payload>>,
}

impl Upload {
    pub(crate) fn new(connection: Option<Arc<Connection>>) -> Self {
        Upload {
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
        if let Some(connection) = &self.connection {
            connection.leave_unread();
        }
        self.unread.replace(Some(unread));
    }
}

/// The body as the application reads it.
pub(crate) struct Bounded {
    body: Payload,
    /// How many bytes more it may have.
    left: Option<u64>,
    clock: Option<Clock>,
    upload: Rc<Upload>,
}

struct Clock {
    patience: Patience,
    arrival: Arc<Arrival>,
    waker: Waker,
}

impl Bounded {
    pub(crate) fn new(
        body: Payload,
        most: Option<u64>,
        stall: Option<Duration>,
        upload: Rc<Upload>,
    ) -> Self {
        let clock = stall.map(|window| {
            let arrival = Arc::new(Arrival::default());
            let waker = Waker::from(arrival.clone());
            Clock { patience: Patience::new(window), arrival, waker }
        });
        Bounded { body, left: most, clock, upload }
    }

    /// What the client has sent, or that it has had its time.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PayloadError>>> {
        let body = Pin::new(&mut self.body);
        let Some(clock) = &mut self.clock else { return body.poll_next(cx) };
        let came = clock.arrival.is_awaited_by(cx.waker());
        let polled = body.poll_next(&mut Context::from_waker(&clock.waker));
        match &polled {
            Poll::Ready(Some(Ok(chunk))) => {
                clock.patience.moved(chunk.len(), || came.unwrap_or_else(Instant::now));
            }
            Poll::Ready(_) => {}
            Poll::Pending if self.upload.is_unbounded.get() => {}
            Poll::Pending => {
                if clock.patience.poll_ends(cx).is_ready() {
                    self.upload.has_stalled.set(true);
                    let what = "the client stopped sending its request";
                    let error = io::Error::new(io::ErrorKind::TimedOut, what);
                    return Poll::Ready(Some(Err(PayloadError::Io(error))));
                }
            }
        }
        polled
    }

    /// Whether so many bytes more are not too many.
    fn bears(&mut self, bytes: usize) -> bool {
        if self.upload.is_unbounded.get() {
            return true;
        }
        let Some(left) = &mut self.left else { return true };
        let rest = u64::try_from(bytes).ok().and_then(|bytes| left.checked_sub(bytes));
        rest.inspect(|rest| *left = *rest).is_some()
    }
}

impl Stream for Bounded {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let polled = match this.poll_body(cx) {
            Poll::Ready(Some(Ok(chunk))) if !this.bears(chunk.len()) => {
                Poll::Ready(Some(Err(PayloadError::Overflow)))
            }
            polled => polled,
        };
        match &polled {
            // Its end.
            Poll::Ready(None) => this.body = Payload::None,
            Poll::Ready(Some(Err(_))) => {
                this.upload.leave(mem::replace(&mut this.body, Payload::None));
            }
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        let body = mem::replace(&mut self.body, Payload::None);
        if !matches!(body, Payload::None) && !self.upload.is_unbounded.get() {
            self.upload.leave(body);
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
