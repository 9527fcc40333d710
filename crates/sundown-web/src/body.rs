//! A response body that counts as in flight until the server has taken the last of it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use pin_project_lite::pin_project;

use crate::in_flight::InFlight;
use crate::upload::Upload;

pin_project! {
    /// The body of the application, with the request it answers.
    pub struct TrackedBody<B> {
        #[pin]
        body: B,
        in_flight: InFlight,
        upload: Option<Rc<Upload>>,
        has_windows: bool,
    }
}

impl<B> TrackedBody<B> {
    /// With HTTP/2 the client opens windows for it.
    pub(crate) fn new(
        body: B,
        in_flight: InFlight,
        upload: Option<Rc<Upload>>,
        has_windows: bool,
    ) -> Self {
        TrackedBody { body, in_flight, upload, has_windows }
    }
}

impl<B: MessageBody> MessageBody for TrackedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.project();
        if !*this.has_windows {
            return this.body.poll_next(cx);
        }
        this.in_flight.hold(false);
        let piece = this.body.poll_next(cx);
        if matches!(piece, Poll::Ready(Some(Ok(_)))) {
            this.in_flight.hold(true);
        }
        piece
    }
}
