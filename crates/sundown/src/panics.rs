//! Panics of others: what they said, and how to go on.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

/// Does it, or does nothing if that panics.
pub(crate) fn quietly(others: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(others));
}

/// The message of a caught panic.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

pin_project! {
    /// A future whose panic is its output.
    pub(crate) struct Caught<F> {
        #[pin]
        pub(crate) future: F,
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, String>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.project().future;
        let poll = catch_unwind(AssertUnwindSafe(|| future.poll(cx)));
        match poll {
            Ok(poll) => Poll::Ready(Ok(ready!(poll))),
            Err(payload) => Poll::Ready(Err(message_of(&*payload))),
        }
    }
}
