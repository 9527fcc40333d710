//! The socket of a connection, as the HTTP dispatchers see it.
//!
//! HTTP/1 knows how to end; HTTP/2 in actix does not. So this socket speaks for it: at a frame
//! boundary it says GOAWAY, and once the connection owes nothing more it reads as closed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_rt::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, Connections, OpenConnection, Stage};
use crate::head::Heads;
use crate::stall::Patience;
use crate::window::Window;

/// GOAWAY with `NO_ERROR` and the highest stream id there is: finish what you have, begin nothing.
const GOAWAY: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0];

/// How long a client has to close its side once ours is closed. Closing at once, with something of
/// its unread, would be a reset, and could take from it what it has not read yet.
const LINGER: Duration = Duration::from_millis(40);
/// The same for one whose request was not read to its end, and who may be sending it still.
const LINGER_UNREAD: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct TrackedIo {
    socket: TcpStream,
    open: OpenConnection,
    /// Those of HTTP/2.
    window: Option<Box<Window>>,
    /// Those of HTTP/1.
    heads: Heads,
    /// How much of the GOAWAY has been written.
    said: usize,
    /// Our side is closed; theirs is waited for.
    lingers: Option<Pin<Box<Sleep>>>,
    /// With a client that does not take what is written.
    patience: Patience,
    /// It had its window: the system is asked how much it takes, until that is nothing.
    asks: bool,
}

impl TrackedIo {
    pub(crate) fn new(
        socket: TcpStream,
        open: OpenConnection,
        is_h2: bool,
        head: Duration,
    ) -> Self {
        let pace = &open.connections.pace;
        let patience = Patience::new(pace.clone());
        let window = is_h2.then(|| Box::new(Window::new(pace.clone())));
        let heads = Heads::new(head);
        TrackedIo { socket, open, window, heads, said: 0, lingers: None, patience, asks: false }
    }

    pub(crate) fn connection(&self) -> Arc<Connection> {
        self.open.connection.clone()
    }

    pub(crate) fn server(&self) -> Arc<Connections> {
        self.open.connections.clone()
    }

    /// For whoever does not know this crate: cancelled when the server drains.
    pub(crate) fn token(&self) -> CancellationToken {
        self.open.connections.draining.clone()
    }

    /// Says GOAWAY when it is due, between two frames and never inside one.
    fn poll_goaway(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = &self.open.connection;
        let is_due = match self.open.connections.stage() {
            Stage::Open => false,
            Stage::Announcing => connection.has_served(),
            Stage::Draining => true,
        };
        if self.window.is_none() || !is_due || connection.is_dirty() {
            return Poll::Ready(Ok(()));
        }
        while self.said < GOAWAY.len() {
            let rest = &GOAWAY[self.said..];
            let written = Pin::new(&mut self.socket).poll_write(cx, rest);
            self.said += ready!(self.poll_taken(cx, written, rest))?;
        }
        Poll::Ready(Ok(()))
    }

    /// A GOAWAY that was begun is sent first.
    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.said > 0 && self.said < GOAWAY.len() {
            ready!(self.poll_goaway(cx))?;
        }
        self.open.connection.set_dirty(true);
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
                let sent = send(&self.socket, bytes, SendFlags::NOSIGNAL);
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
        !self.open.connection.is_upgraded() || self.open.connections.pace.is_hurried()
    }

    /// What the client did not take is of no use to anybody now.
    fn give_up(&self, why: &str) -> io::Error {
        let error = self.open.connections.gives_up(why);
        self.socket.set_zero_linger().err().unwrap_or(error)
    }

    /// Whether the client opens its windows, as far as it is asked to.
    fn check_window(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(window) = &mut self.window else { return Ok(()) };
        if window.stays_shut(&self.open.connection, cx) {
            return Err(self.give_up("the client opened no window for its answers"));
        }
        Ok(())
    }

    /// Whether the head of a later request comes in time, once it has begun.
    fn poll_heads(
        &mut self,
        cx: &mut Context<'_>,
        read: Poll<io::Result<()>>,
        bytes: usize,
    ) -> Poll<io::Result<()>> {
        if read.is_pending() && self.heads.is_late(cx) {
            let why = "the client stopped in the middle of the head of a request";
            return Poll::Ready(Err(self.open.connections.gives_up(why)));
        }
        if bytes > 0 && !self.open.connection.is_answering() {
            self.heads.came();
        }
        read
    }

    /// Closes our side, and waits a moment for the client to close its own.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.lingers.is_none() {
            if ready!(Pin::new(&mut self.socket).poll_shutdown(cx)).is_err() {
                return Poll::Ready(());
            }
            let has_unread = self.open.connection.has_unread();
            self.lingers = Some(Box::pin(sleep(if has_unread { LINGER_UNREAD } else { LINGER })));
        }
        self.hurry_linger(cx);
        let mut scraps = [0; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scraps);
            match Pin::new(&mut self.socket).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        self.lingers.as_mut().map_or(Poll::Ready(()), |lingers| lingers.as_mut().poll(cx))
    }

    /// Who drains does not linger for long.
    fn hurry_linger(&mut self, cx: &mut Context<'_>) {
        self.open.connection.read_by(cx.waker());
        let Some(lingers) = &mut self.lingers else { return };
        let soon = Instant::now() + LINGER;
        if self.open.connections.stage() == Stage::Draining && lingers.deadline() > soon {
            lingers.as_mut().reset(soon);
        }
    }

    /// Whether the client is to be told that there is nothing more to come.
    fn is_over(&self) -> bool {
        self.window.is_some()
            && self.said == GOAWAY.len()
            && self.open.connections.stage() == Stage::Draining
            && self.open.connection.is_idle()
    }
}

impl AsyncRead for TrackedIo {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.window.is_some() {
            this.open.connection.read_by(cx.waker());
            ready!(this.poll_goaway(cx))?;
            if this.lingers.is_some() || this.is_over() {
                ready!(this.poll_linger(cx));
                return Poll::Ready(Ok(()));
            }
            this.check_window(cx)?;
            return Pin::new(&mut this.socket).poll_read(cx, buffer);
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.socket).poll_read(cx, buffer);
        this.poll_heads(cx, read, buffer.filled().len() - before)
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
        let written = Pin::new(&mut this.socket).poll_write(cx, bytes);
        let taken = ready!(this.poll_taken(cx, written, bytes))?;
        this.window.iter_mut().for_each(|window| window.sent(&bytes[..taken]));
        Poll::Ready(Ok(taken))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_writable(cx))?;
        let written = Pin::new(&mut this.socket).poll_write_vectored(cx, slices);
        let first = slices.iter().find(|slice| !slice.is_empty());
        let taken = ready!(this.poll_taken(cx, written, first.map_or(&[], |slice| slice)))?;
        if let Some(window) = &mut this.window {
            let mut left = taken;
            for slice in slices {
                let sent = left.min(slice.len());
                window.sent(&slice[..sent]);
                left -= sent;
            }
        }
        Poll::Ready(Ok(taken))
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    /// The dispatchers flush once they have written everything they had.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.socket).poll_flush(cx))?;
        this.open.connection.set_dirty(false);
        this.patience.rests();
        if this.window.is_none() {
            // The dispatcher has made of what came what there is to be made of it.
            this.heads.seen(this.open.connection.requests(), cx);
            return Poll::Ready(Ok(()));
        }
        this.check_window(cx)?;
        // Between two frames, and perhaps for a while: the client may have nothing to say.
        this.poll_goaway(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.open.connection.has_unread() && this.window.is_none() {
            return this.poll_linger(cx).map(Ok);
        }
        Pin::new(&mut this.socket).poll_shutdown(cx)
    }
}
