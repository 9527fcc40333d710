//! What is known of each connection, and of all of them together: who is open, who still owes a
//! response, and how far the server is with its end.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::metrics;
use crate::pace::Pace;

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
    in_flight: AtomicUsize,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// How many requests came over it.
    requests: AtomicUsize,
    in_flight: AtomicUsize,
    /// Of those, how many wait for the client to open a window for more of their bodies.
    held: AtomicUsize,
    has_served: AtomicBool,
    /// Something may still be on its way to the socket.
    is_dirty: AtomicBool,
    /// It speaks another protocol now, of which nothing is known here.
    is_upgraded: AtomicBool,
    /// Part of a request was not read, and will not be.
    has_unread: AtomicBool,
    /// Wakes the task that reads from it.
    reader: Mutex<Option<Waker>>,
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
            in_flight: AtomicUsize::new(0),
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
    pub(crate) fn enter(self: &Arc<Self>) -> OpenConnection {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(Connection {
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
        self.in_flight.load(Ordering::Relaxed)
    }

    /// A client let the server wait for too long.
    pub(crate) fn gives_up(&self, why: &str) -> io::Error {
        metrics::given_up(&self.server);
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

    fn wake(&self) {
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
    }
}

/// A request being answered, counted until the last byte of its response was taken.
#[derive(Debug)]
pub(crate) struct InFlight {
    connections: Arc<Connections>,
    pub(crate) connection: Option<Arc<Connection>>,
    is_held: bool,
}

impl InFlight {
    pub(crate) fn begin(
        connections: &Arc<Connections>,
        connection: Option<Arc<Connection>>,
    ) -> Self {
        connections.in_flight.fetch_add(1, Ordering::Relaxed);
        if let Some(connection) = &connection {
            connection.requests.fetch_add(1, Ordering::AcqRel);
            connection.in_flight.fetch_add(1, Ordering::AcqRel);
        }
        InFlight { connections: connections.clone(), connection, is_held: false }
    }

    /// Whether a piece of the body was handed out and no more was asked for: HTTP/2 asks again when
    /// the client has opened its window for it.
    pub(crate) fn hold(&mut self, is_held: bool) {
        let Some(connection) = self.connection.as_ref().filter(|_| self.is_held != is_held) else {
            return;
        };
        self.is_held = is_held;
        if !is_held {
            connection.held.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        connection.held.fetch_add(1, Ordering::AcqRel);
        if self.connections.stage() == Stage::Draining && connection.awaits_window() {
            connection.wake();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.hold(false);
        self.connections.in_flight.fetch_sub(1, Ordering::Relaxed);
        let Some(connection) = &self.connection else { return };
        // What was taken is not yet written: only the next complete flush makes it clean.
        connection.set_dirty(true);
        connection.has_served.store(true, Ordering::Relaxed);
        connection.in_flight.fetch_sub(1, Ordering::AcqRel);
        if self.connections.stage() > Stage::Open {
            connection.wake();
        }
    }
}

/// Nothing of ours panics while it holds one of these.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
