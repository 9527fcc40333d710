//! The socket of a connection, as the HTTP dispatchers see it.
//!
//! HTTP/1 knows how to end; HTTP/2 in actix does not. So this socket speaks for it: at a frame
//! boundary it says GOAWAY, and once the connection owes nothing more it reads as closed.

use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use actix_rt::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::connection::{Connection, Known};
use crate::connections::{Connections, OpenConnection, Stage};
use crate::guard::Guard;
use crate::head::Heads;
use crate::metrics;
use crate::stall::Patience;
use crate::window::Window;

/// GOAWAY with `NO_ERROR` and the highest stream id there is: finish what you have, begin nothing.
const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// GOAWAY with `ENHANCE_YOUR_CALM`, for a client that sends frames without progress.
const CALM: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0x0b];

#[derive(Debug)]
pub(crate) struct TrackedIo {
    /// Taken when this is dropped.
    socket: Option<TcpStream>,
    connection: Arc<Connection>,
    connections: Arc<Connections>,
    /// Those of HTTP/2.
    h2: Option<Box<Http2>>,
    /// Those of HTTP/1.
    heads: Heads,
    /// Whom to wake when the server drains.
    reader: Option<Waker>,
    /// When an idle connection that drains is closed.
    grace: Option<Pin<Box<Sleep>>>,
    /// With a client that does not take what is written.
    patience: Patience,
    /// It had its window: the system is asked how much it takes, until that is nothing.
    asks: bool,
}

/// What HTTP/2 has besides.
#[derive(Debug)]
struct Http2 {
    window: Window,
    guard: Guard,
    /// How much of the GOAWAY has been written.
    said: usize,
}

impl TrackedIo {
    pub(crate) fn new(
        socket: TcpStream,
        open: &OpenConnection,
        is_h2: bool,
        head: Duration,
    ) -> Self {
        let (connections, connection) = (open.connections.clone(), open.connection.clone());
        let pace = &connections.pace;
        let patience = Patience::new(pace.clone());
        let h2 = is_h2.then(|| {
            let guard = Guard::new(connection.clone(), head);
            Box::new(Http2 { window: Window::new(pace.clone()), guard, said: 0 })
        });
        TrackedIo {
            socket: Some(socket),
            connection,
            connections,
            h2,
            heads: Heads::new(head),
            reader: None,
            grace: None,
            patience,
            asks: false,
        }
    }

    fn socket(&mut self) -> Pin<&mut TcpStream> {
        Pin::new(self.socket.as_mut().expect("only the end of this takes it"))
    }

    pub(crate) fn known(&self) -> Rc<Known> {
        let (connection, connections) = (self.connection.clone(), self.connections.clone());
        Rc::new(Known { connection, connections })
    }

    pub(crate) fn server(&self) -> Arc<Connections> {
        self.connections.clone()
    }

    /// For whoever does not know this crate: cancelled when the server drains.
    pub(crate) fn token(&self) -> CancellationToken {
        self.connections.draining.clone()
    }

    /// Whether the connection is to end once it owes nothing.
    fn is_ending(&self) -> bool {
        self.connections.stage() == Stage::Draining || self.connection.ends()
    }

    /// Says GOAWAY when it is due, between two frames and never inside one.
    fn poll_goaway(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let is_announced =
            self.connections.stage() == Stage::Announcing && self.connection.has_served();
        let is_due = self.is_ending() || is_announced;
        if !is_due || self.connection.is_dirty() {
            return Poll::Ready(Ok(()));
        }
        while let Some(said) = self.h2.as_ref().map(|h2| h2.said).filter(|n| *n < GOAWAY.len()) {
            let rest = &GOAWAY[said..];
            let written = self.socket().poll_write(cx, rest);
            let taken = ready!(self.poll_taken(cx, written, rest))?;
            self.h2.iter_mut().for_each(|h2| h2.said += taken);
        }
        Poll::Ready(Ok(()))
    }

    /// A GOAWAY that was begun is sent first.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.h2.as_ref().is_some_and(|h2| h2.said > 0 && h2.said < GOAWAY.len()) {
            ready!(self.poll_goaway(cx))?;
        }
        self.connection.set_dirty(true);
        Poll::Ready(Ok(()))
    }

    /// What was written, as long as the client takes enough of it.
    ///
    /// The system says that there is room only once a good part of its buffer is free, and for a
    /// slow client that takes many windows. So at the end of one it is asked how much it takes.
    fn poll_taken(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(n)) => self.patience.moved(n, Instant::now),
            Poll::Pending if self.is_bounded() => {
                if !self.asks {
                    ready!(self.patience.poll_ends(cx));
                }
                let sent = send(self.socket().get_mut(), bytes, SendFlags::NOSIGNAL);
                self.asks = sent.is_ok();
                if sent == Err(Errno::AGAIN) {
                    ready!(self.patience.poll_ends(cx));
                    return Poll::Ready(Err(self.give_up("the client stopped taking its answer")));
                }
                sent.iter().for_each(|n| self.patience.moved(*n, Instant::now));
                return Poll::Ready(sent.map_err(io::Error::from));
            }
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
        written
    }

    /// While the server serves, how slow another protocol is, is the application's own affair.
    fn is_bounded(&self) -> bool {
        !self.connection.is_upgraded() || self.connections.pace.is_hurried()
    }

    /// What the client did not take is of no use to anybody now.
    fn give_up(&mut self, why: &str) -> io::Error {
        let error = self.connections.gives_up(&self.connection, why);
        self.connection.give_up();
        self.socket().set_zero_linger().err().unwrap_or(error)
    }

    /// Whether the client opens its windows, as far as it is asked to.
    fn check_window(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(h2) = &mut self.h2 else { return Ok(()) };
        if h2.window.stays_shut(&self.connection, cx) {
            return Err(self.give_up("the client opened no window for its answers"));
        }
        Ok(())
    }

    /// Whom to wake when the server drains. It is nearly always the same.
    fn note_reader(&mut self, cx: &mut Context<'_>) {
        if !self.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
            self.reader = Some(cx.waker().clone());
            self.connection.read_by(cx.waker());
        }
    }

    /// HTTP/1: what came; nothing more, if the server drains and this connection owes nothing. What the
    /// client has sent already is read before.
    fn poll_read_http1(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = self.socket().poll_read(cx, buffer);
        if read.is_pending() {
            self.note_reader(cx);
            if self.heads.is_late(cx) {
                let why = "the client stopped in the middle of the head of a request";
                return Poll::Ready(Err(self.connections.gives_up(&self.connection, why)));
            }
            if self.is_ending() && self.connection.is_idle() {
                return self.poll_grace(cx).map(Ok);
            }
        } else if buffer.filled().len() > before && !self.connection.is_answering() {
            self.heads.came();
        }
        read
    }

    /// An idle connection that drains is closed at once, unless its request may be on the way.
    fn poll_grace(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = match self.heads.begun() {
            Some(begun) => Connection::begun_until(begun),
            None if self.connection.requests() == 0 => self.connection.fresh_until(),
            None => return Poll::Ready(()),
        };
        if until <= Instant::now() {
            return Poll::Ready(());
        }
        let grace = self.grace.get_or_insert_with(|| Box::pin(sleep_until(until)));
        grace.as_mut().reset(until);
        grace.as_mut().poll(cx)
    }

    /// HTTP/2: what came, as long as it makes progress.
    fn poll_read_http2(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.note_reader(cx);
        ready!(self.poll_goaway(cx))?;
        if self.is_over() {
            return Poll::Ready(Ok(()));
        }
        self.check_window(cx)?;
        let before = buffer.filled().len();
        let read = self.socket().poll_read(cx, buffer);
        let Some(h2) = &mut self.h2 else { return read };
        let came = &buffer.filled()[before..];
        let checked = h2.guard.came(came).and_then(|()| h2.guard.check_clock(cx));
        match checked {
            Ok(()) => read,
            Err(why) => Poll::Ready(Err(self.calm(why))),
        }
    }

    /// Ends a connection that floods the server.
    fn calm(&mut self, why: &'static str) -> io::Error {
        metrics::flood(&self.connections.server);
        let (server, peer) = (&self.connections.server, self.connection.peer);
        debug!(%server, %peer, why, "an HTTP/2 connection was ended");
        if !self.connection.is_dirty() {
            let _ = send(self.socket().get_mut(), &CALM, SendFlags::NOSIGNAL);
        }
        io::Error::new(io::ErrorKind::InvalidData, why)
    }

    /// Whether the client is to be told that there is nothing more to come.
    fn is_over(&self) -> bool {
        self.h2.as_ref().is_some_and(|h2| h2.said == GOAWAY.len())
            && self.is_ending()
            && self.connection.is_idle()
    }
}

/// The socket stays open until the client has everything.
impl Drop for TrackedIo {
    fn drop(&mut self) {
        if let Some(socket) = self.socket.take() {
            self.connection.leave_socket(socket);
        }
    }
}

impl AsyncRead for TrackedIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.h2.is_some() {
            this.poll_read_http2(cx, buffer)
        } else {
            this.poll_read_http1(cx, buffer)
        }
    }
}

impl AsyncWrite for TrackedIo {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_writable(cx))?;
        let written = this.socket().poll_write(cx, bytes);
        let taken = ready!(this.poll_taken(cx, written, bytes))?;
        this.h2.iter_mut().for_each(|h2| h2.window.sent(&bytes[..taken]));
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_writable(cx))?;
        let written = this.socket().poll_write_vectored(cx, slices);
        let first = slices.iter().find(|slice| !slice.is_empty());
        let taken = ready!(this.poll_taken(cx, written, first.map_or(&[], |slice| slice)))?;
        if let Some(h2) = &mut this.h2 {
            let mut left = taken;
            for slice in slices {
                let sent = left.min(slice.len());
                h2.window.sent(&slice[..sent]);
                left -= sent;
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.as_ref().is_some_and(AsyncWrite::is_write_vectored)
    }

    /// The dispatchers flush once they have written everything they had.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.connection.set_dirty(false);
        this.patience.rests();
        if this.h2.is_none() {
            // The dispatcher has made of what came what there is to be made of it.
            this.heads.seen(this.connection.requests(), cx);
            return Poll::Ready(Ok(()));
        }
        this.check_window(cx)?;
        // Between two frames, and perhaps for a while: the client may have nothing to say.
        this.poll_goaway(cx)
    }

    /// Who holds the socket afterwards closes it.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
