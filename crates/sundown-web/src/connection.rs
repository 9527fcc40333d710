//! What is known of one connection: what it still owes its client, and how far it is with its end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use actix_rt::net::TcpStream;
use tokio::time::Instant;

use crate::connections::{Connections, Stage, locked};
use crate::line::Line;

/// How long after it was accepted, or after it began a request, a connection is waited for while the server
/// drains: its request may be on the way.
const FRESH: Duration = Duration::from_millis(250);

/// One connection. The counts of requests are changed only by the thread that serves it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) peer: SocketAddr,
    accepted: Instant,
    /// The requests being answered, and the last one that was.
    pub(crate) lines: Mutex<Lines>,
    /// What HTTP/2 frames without progress it may still send.
    pub(crate) credit: AtomicI32,
    /// The bytes of headers of requests being answered over HTTP/2.
    pub(crate) header_bytes: AtomicUsize,
    /// It is to end as if the server drained.
    ends: AtomicBool,
    /// Everything was written, and the client's system has not acknowledged it yet.
    is_closing: AtomicBool,
    /// Its client was given up: there is nothing to wait for.
    is_given_up: AtomicBool,
    /// Its socket, when HTTP is done with it.
    socket: Mutex<Option<TcpStream>>,
    /// How many requests came over it.
    pub(crate) requests: AtomicUsize,
    pub(crate) in_flight: AtomicUsize,
    /// Of those, how many wait for the client to open a window for more of their bodies.
    pub(crate) held: AtomicUsize,
    pub(crate) has_served: AtomicBool,
    /// Something may still be on its way to the socket.
    is_dirty: AtomicBool,
    /// It speaks another protocol now, of which nothing is known here.
    is_upgraded: AtomicBool,
    /// Part of a request was not read, and will not be.
    has_unread: AtomicBool,
    /// Wakes the task that reads from it.
    reader: Mutex<Option<Waker>>,
}

/// What a request knows of where it came from. It stays on the thread of its connection, where a reference
/// costs less.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) connection: Arc<Connection>,
    pub(crate) connections: Arc<Connections>,
}

#[derive(Debug, Default)]
pub(crate) struct Lines {
    pub(crate) next: u64,
    pub(crate) current: Vec<(u64, Line)>,
    pub(crate) last: Option<Line>,
}

impl Connection {
    pub(crate) fn new(peer: SocketAddr) -> Connection {
        Connection {
            peer,
            accepted: Instant::now(),
            lines: Mutex::default(),
            credit: AtomicI32::new(0),
            header_bytes: AtomicUsize::new(0),
            ends: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            is_given_up: AtomicBool::new(false),
            socket: Mutex::default(),
            requests: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            held: AtomicUsize::new(0),
            has_served: AtomicBool::new(false),
            is_dirty: AtomicBool::new(false),
            is_upgraded: AtomicBool::new(false),
            has_unread: AtomicBool::new(false),
            reader: Mutex::default(),
        }
    }

    /// Until when a connection that drains may begin its first request.
    pub(crate) fn fresh_until(&self) -> Instant {
        self.accepted + FRESH
    }

    /// Until when a connection that drains may send the rest of a head that it has begun.
    pub(crate) fn begun_until(since: Instant) -> Instant {
        since + FRESH
    }

    /// HTTP is done with it.
    pub(crate) fn leave_socket(&self, socket: TcpStream) {
        *locked(&self.socket) = Some(socket);
    }

    pub(crate) fn take_socket(&self) -> Option<TcpStream> {
        locked(&self.socket).take()
    }

    pub(crate) fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_given_up(&self) -> bool {
        self.is_given_up.load(Ordering::Relaxed)
    }

    pub(crate) fn closes(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    /// Whether its last answer is written and has not reached its client. While the server drains, that
    /// is what keeps a connection open that answers nothing.
    pub(crate) fn owes_last(&self, lines: &Lines, stage: Stage) -> bool {
        let is_sent = self.is_closing() || self.is_dirty() || stage == Stage::Draining;
        lines.current.is_empty() && is_sent
    }

    /// The oldest request that its client has no whole answer to, for people.
    pub(crate) fn unfinished(&self) -> String {
        let lines = locked(&self.lines);
        let current = lines.current.first().map(|(_, line)| line);
        let line = current.or(lines.last.as_ref());
        line.map_or_else(|| format!("a request from {}", self.peer), |line| line.text(self.peer))
    }

    fn is_closing(&self) -> bool {
        self.is_closing.load(Ordering::Relaxed)
    }

    /// Ends as if the server drained: what is being answered is answered.
    pub(crate) fn end(&self) {
        self.ends.store(true, Ordering::Release);
        self.wake();
    }

    pub(crate) fn ends(&self) -> bool {
        self.ends.load(Ordering::Acquire)
    }

    /// How many requests there have been.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Acquire)
    }

    pub(crate) fn is_answering(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) > 0
    }

    /// Whether all that it owes waits for the client to take more.
    pub(crate) fn awaits_window(&self) -> bool {
        self.is_answering()
            && self.held.load(Ordering::Acquire) >= self.in_flight.load(Ordering::Acquire)
    }

    /// Whether it owes nobody anything: no response, no byte of one.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_answering() && !self.is_dirty()
    }

    pub(crate) fn is_dirty(&self) -> bool {
        self.is_dirty.load(Ordering::Acquire)
    }

    pub(crate) fn set_dirty(&self, is_dirty: bool) {
        self.is_dirty.store(is_dirty, Ordering::Release);
    }

    pub(crate) fn has_served(&self) -> bool {
        self.has_served.load(Ordering::Relaxed)
    }

    pub(crate) fn is_upgraded(&self) -> bool {
        self.is_upgraded.load(Ordering::Relaxed)
    }

    pub(crate) fn upgrade(&self) {
        self.is_upgraded.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_unread(&self) -> bool {
        self.has_unread.load(Ordering::Relaxed)
    }

    pub(crate) fn leave_unread(&self) {
        self.has_unread.store(true, Ordering::Relaxed);
    }

    /// The task that reads from it now.
    pub(crate) fn read_by(&self, waker: &Waker) {
        let mut reader = locked(&self.reader);
        if !reader.as_ref().is_some_and(|reader| reader.will_wake(waker)) {
            *reader = Some(waker.clone());
        }
    }

    pub(crate) fn wake(&self) {
        let reader = locked(&self.reader).clone();
        reader.inspect(Waker::wake_by_ref);
    }
}
