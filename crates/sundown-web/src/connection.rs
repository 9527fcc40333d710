//! What is known of each connection, and of all of them together: who is open, who still owes a
//! response, and how far the server is with its end.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use actix_rt::net::TcpStream;
use sundown::{Pending, PendingItem};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::drain::NAMED;
use crate::line::Line;
use crate::metrics;
use crate::pace::Pace;

/// How long after it was accepted, or after it began a request, a connection is waited for while the server
/// drains: its request may be on the way.
const FRESH: Duration = Duration::from_millis(250);

/// How far the server is with its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It serves.
    Open,
    /// It serves, and tells every client to look elsewhere.
    Announcing,
    /// It finishes what was begun.
    Draining,
}

/// All connections of one server.
#[derive(Debug)]
pub(crate) struct Connections {
    /// The server's name.
    pub(crate) server: Arc<str>,
    pub(crate) pace: Arc<Pace>,
    /// Cancelled when it drains; for others.
    pub(crate) draining: CancellationToken,
    stage: AtomicU8,
    stage_changed: Notify,
    next_id: AtomicU64,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    all_closed: Notify,
    /// How many clients were given up since it drains.
    given_up: AtomicUsize,
    /// What the first of them were waited for.
    given_up_names: Mutex<Vec<String>>,
    /// Somebody waits until there are fewer open.
    is_full: AtomicBool,
    fewer: Notify,
}

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

impl Connections {
    pub(crate) fn new(server: &str, stall: Option<Duration>) -> Arc<Self> {
        let pace = Pace::new(stall);
        Arc::new(Connections {
            server: server.into(),
            draining: pace.token(),
            pace,
            stage: AtomicU8::new(Stage::Open as u8),
            stage_changed: Notify::new(),
            next_id: AtomicU64::new(0),
            open: Mutex::default(),
            all_closed: Notify::new(),
            given_up: AtomicUsize::new(0),
            given_up_names: Mutex::default(),
            is_full: AtomicBool::new(false),
            fewer: Notify::new(),
        })
    }

    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Open,
            1 => Stage::Announcing,
            _ => Stage::Draining,
        }
    }

    /// Goes on to a later stage, and makes every connection look.
    pub(crate) fn advance(&self, stage: Stage) {
        if self.stage.fetch_max(stage as u8, Ordering::AcqRel) >= stage as u8 {
            return;
        }
        self.stage_changed.notify_waiters();
        let open: Vec<_> = locked(&self.open).values().cloned().collect();
        for connection in open {
            connection.wake();
        }
    }

    /// Waits until the server is at this stage or past it.
    pub(crate) async fn reached(&self, stage: Stage) {
        loop {
            let changed = self.stage_changed.notified();
            if self.stage() >= stage {
                return;
            }
            changed.await;
        }
    }

    /// A connection was accepted.
    pub(crate) fn enter(self: &Arc<Self>, peer: SocketAddr) -> OpenConnection {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
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
        });
        locked(&self.open).insert(id, connection.clone());
        OpenConnection { connections: self.clone(), connection, id }
    }

    pub(crate) fn open(&self) -> usize {
        locked(&self.open).len()
    }

    pub(crate) fn in_flight(&self) -> usize {
        locked(&self.open).values().map(|it| it.in_flight.load(Ordering::Relaxed)).sum()
    }

    /// What is being answered, and what was answered and has not reached its client yet; the oldest first,
    /// with how many there are.
    pub(crate) fn pending(&self, most: usize) -> Pending {
        let open: Vec<_> = locked(&self.open).values().cloned().collect();
        let mut found = Vec::new();
        for connection in &open {
            let lines = locked(&connection.lines);
            found.extend(lines.current.iter().map(|(_, line)| (line.clone(), connection, "")));
            let last = lines.last.as_ref().filter(|_| connection.owes_last(&lines, self.stage()));
            found.extend(last.map(|line| (line.clone(), connection, " (sent, not received yet)")));
        }
        found.sort_by_key(|(line, ..)| std::cmp::Reverse(line.age()));
        let total = found.len();
        let oldest = found.into_iter().take(most).map(|(line, connection, state)| PendingItem {
            what: format!("{}{state}", line.text(connection.peer)),
            age: line.age(),
        });
        Pending { total, oldest: oldest.collect() }
    }

    /// Waits until fewer than so many connections are open.
    pub(crate) async fn below(&self, most: usize) {
        loop {
            let fewer = self.fewer.notified();
            if self.open() < most {
                return;
            }
            self.is_full.store(true, Ordering::SeqCst);
            if self.open() < most {
                return;
            }
            metrics::connections_full(&self.server);
            fewer.await;
        }
    }

    /// How many clients were given up since it drains.
    pub(crate) fn given_up(&self) -> (usize, String) {
        (self.given_up.load(Ordering::Relaxed), locked(&self.given_up_names).join(", "))
    }

    /// A client let the server wait for too long.
    pub(crate) fn gives_up(&self, connection: &Connection, why: &str) -> io::Error {
        metrics::given_up(&self.server);
        if self.stage() == Stage::Draining {
            self.given_up.fetch_add(1, Ordering::Relaxed);
            let mut names = locked(&self.given_up_names);
            if names.len() < NAMED {
                names.push(connection.unfinished());
            }
        }
        debug!(server = %self.server, why, "a client was given up");
        io::Error::new(io::ErrorKind::TimedOut, why)
    }

    /// Waits until no connection is open.
    pub(crate) async fn all_closed(&self) {
        loop {
            let closed = self.all_closed.notified();
            if self.open() == 0 {
                return;
            }
            closed.await;
        }
    }
}

impl Connection {
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
    fn owes_last(&self, lines: &Lines, stage: Stage) -> bool {
        let is_sent = self.is_closing() || self.is_dirty() || stage == Stage::Draining;
        lines.current.is_empty() && is_sent
    }

    /// The oldest request that its client has no whole answer to, for people.
    fn unfinished(&self) -> String {
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

/// An open connection, counted until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    pub(crate) connections: Arc<Connections>,
    pub(crate) connection: Arc<Connection>,
    id: u64,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut open = locked(&self.connections.open);
        let closed = open.remove(&self.id);
        let is_last = open.is_empty();
        drop(open);
        drop(closed);
        if is_last {
            self.connections.all_closed.notify_waiters();
        }
        if self.connections.is_full.swap(false, Ordering::SeqCst) {
            self.connections.fewer.notify_waiters();
        }
    }
}

/// Nothing of ours panics while it holds one of these.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
