//! `Shutdown`: the cheap handle that workers poll, await and race their futures against.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use futures_core::Stream;
use pin_project_lite::pin_project;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

use crate::trip::{Bed, Trip};
use crate::{Cause, Deadline};

/// How the shutdown began: published in one step, never changed.
#[derive(Debug)]
pub(crate) struct Began {
    pub(crate) cause: Cause,
    pub(crate) at: Instant,
    /// Of the component whose turn it is.
    deadline: Option<Deadline>,
}

/// Tells a worker that the shutdown has begun. Cheap to clone and to poll: one atomic load.
///
/// ```
/// # use sundown::{Cause, Coordinator};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinator = Coordinator::builder().build()?;
/// let shutdown = coordinator.shutdown();
/// let (orders, mut queue) = tokio::sync::mpsc::channel::<u32>(8);
///
/// coordinator.spawn("orders", async move {
///     // Stops between two items, never inside one.
///     while let Some(order) = shutdown.until(queue.recv()).await.flatten() {
///         println!("executing order {order}");
///     }
/// });
/// # orders.send(1).await?;
/// # coordinator.initiate(Cause::requested("doc test"));
/// # coordinator.run().await;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Shutdown {
    trip: Arc<Trip<Began>>,
}

impl Shutdown {
    pub(crate) fn new() -> Self {
        Shutdown { trip: Arc::new(Trip::new()) }
    }

    /// Publishes the cause if it is the first, and wakes everybody who waits.
    pub(crate) fn begin(&self, cause: Cause, deadline: Option<Deadline>) -> bool {
        self.trip.set(Began { cause, at: Instant::now(), deadline })
    }

    pub(crate) fn began(&self) -> Option<&Began> {
        self.trip.get()
    }

    /// Whether the shutdown has begun.
    #[inline]
    pub fn is_shutting_down(&self) -> bool {
        self.trip.get().is_some()
    }

    /// Why, once it has begun.
    pub fn cause(&self) -> Option<&Cause> {
        self.trip.get().map(|began| &began.cause)
    }

    /// By when the component that was told to stop must be done. Nothing before that, and for the
    /// handle of a whole coordinator.
    pub fn deadline(&self) -> Option<Deadline> {
        self.trip.get().and_then(|began| began.deadline)
    }

    /// Waits until the shutdown begins; for functions that take a future of their own, as
    /// `with_graceful_shutdown` does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn wait_owned(self) {
        self.wait().await;
    }

    /// Waits until the shutdown begins.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn wait(&self) -> Wait<'_> {
        Wait { trip: &self.trip, bed: None }
    }

    /// The future's output, or `None` as soon as the shutdown begins. When both are ready the
    /// shutdown wins, so that a loop over a full queue ends too.
    ///
    /// What is in the queue then stays there. To work off a queue to its end use
    /// [`receive`](Self::receive).
    ///
    /// # Cancel safety
    ///
    /// When the shutdown begins the future is dropped where it stands: race only what may be
    /// dropped there, receiving the next item for one, and not the work on it.
    pub async fn until<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            _ = self.wait() => None,
            output = future => Some(output),
        }
    }

    /// The next item of a queue; once the shutdown has begun, the items that are left, and then
    /// `None`. From the beginning of the shutdown on nothing can be sent to the queue any more, so
    /// senders that are never dropped do not keep it open.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn receive<T>(&self, queue: &mut Receiver<T>) -> Option<T> {
        if !self.is_shutting_down() {
            tokio::select! {
                biased;
                item = queue.recv() => return item,
                _ = self.wait() => {}
            }
        }
        queue.close();
        queue.recv().await
    }

    /// The stream, ended by the shutdown.
    pub fn until_stream<S: Stream>(&self, stream: S) -> UntilShutdown<S> {
        UntilShutdown { stream, sleep: Sleep { trip: self.trip.clone(), bed: None } }
    }

    /// Sleeps on this thread until the shutdown begins or the time is over; answers whether it
    /// has begun. For workers on threads of their own.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let deadline = std::time::Instant::now().checked_add(timeout);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        let mut wait = self.wait();
        while Pin::new(&mut wait).poll(&mut cx).is_pending() {
            let now = std::time::Instant::now();
            match deadline {
                Some(deadline) if now >= deadline => return false,
                Some(deadline) => thread::park_timeout(deadline - now),
                None => thread::park(),
            }
        }
        true
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("cause", &self.cause()).finish()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The future of [`Shutdown::wait`]; its output is the cause.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Wait<'a> {
    trip: &'a Trip<Began>,
    bed: Option<Bed>,
}

impl<'a> Future for Wait<'a> {
    type Output = &'a Cause;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let trip = self.trip;
        trip.poll(&mut self.bed, cx).map(|began| &began.cause)
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.trip.forget(self.bed.take());
    }
}

/// A place to sleep that is given up when dropped, for a stream that owns its handle.
#[derive(Debug)]
struct Sleep {
    trip: Arc<Trip<Began>>,
    bed: Option<Bed>,
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.trip.forget(self.bed.take());
    }
}

pin_project! {
    /// The stream of [`Shutdown::until_stream`]: it ends when the shutdown begins, between two
    /// items.
    #[derive(Debug)]
    pub struct UntilShutdown<S> {
        #[pin]
        stream: S,
        sleep: Sleep,
    }
}

impl<S: Stream> Stream for UntilShutdown<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.project();
        let Sleep { trip, bed } = this.sleep;
        if trip.poll(bed, cx).is_ready() {
            return Poll::Ready(None);
        }
        this.stream.poll_next(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.stream.size_hint().1)
    }
}
