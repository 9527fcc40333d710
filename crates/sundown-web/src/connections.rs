//! The connections of one server: how many are open, what they owe, and how far the server is with its end.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sundown::{Pending, PendingItem};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::connection::Connection;
use crate::drain::NAMED;
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
    /// How many clients were given up since it drains.
    given_up: AtomicUsize,
    /// What the first of them were waited for.
    given_up_names: Mutex<Vec<String>>,
    /// Somebody waits until there are fewer open.
    is_full: AtomicBool,
    fewer: Notify,
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
        let connection = Arc::new(Connection::new(peer));
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
