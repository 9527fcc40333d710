//! A response body that counts as in flight until the server has taken the last of it.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use pin_project_lite::pin_project;

use crate::connection::InFlight;
use crate::upload::Upload;

pin_project! {
    /// The body of the application, with the request it answers.
    pub struct TrackedBody<B> {
        #[pin]
        body: B,
        in_flight: InFlight,
        upload: Option<Rc<Upload>>,
    }
}

impl<B> TrackedBody<B> {
    pub(crate) fn new(body: B, in_flight: InFlight, upload: Option<Rc<Upload>>) -> Self {
        TrackedBody { body, in_flight, upload }
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
        self.project().body.poll_next(cx)
    }
}
