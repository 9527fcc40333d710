//! The end of a connection: it is over when the client's system has everything, not when ours has it.

use std::io;
use std::time::Duration;

use actix_rt::net::TcpStream;
use rustix::net::{Shutdown, shutdown};
use tokio::time::{Instant, sleep};

use crate::connections::{OpenConnection, Stage};
use crate::owed::owed;

/// How long a client has to close its side once ours is closed. Closing at once, with something of
/// its unread, would be a reset, and could take from it what it has not read yet.
const LINGER: Duration = Duration::from_millis(40);
/// The same for one whose request was not read to its end, and who may be sending it still.
const LINGER_UNREAD: Duration = Duration::from_secs(1);
/// The system does not tell when the last byte was acknowledged: it is asked, more and more seldom.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(20);
/// A client must take at least this much within the time it has.
const LEAST: u64 = 1024;
/// The time of a client that has taken something since: what a small window lets through comes in lumps.
const LUMP: Duration = Duration::from_secs(5);
/// The time a client has when the server sets none.
const STALL: Duration = Duration::from_secs(60);

/// Closes a connection, and keeps its socket until the client's system has acknowledged all that was
/// written. A client that takes nothing for too long is reset.
pub(crate) async fn close(socket: TcpStream, open: &OpenConnection, is_h2: bool) {
    if open.connection.is_given_up() {
        return;
    }
    let owes = owed(&socket) > 0;
    let has_unread = is_h2 || open.connection.has_unread();
    if !owes && !has_unread {
        return;
    }
    open.connection.closes();
    if shutdown(&socket, Shutdown::Write).is_err() {
        return;
    }
    let linger = if open.connection.has_unread() { LINGER_UNREAD } else { LINGER };
    let mut closing = Closing {
        socket,
        open,
        owes,
        is_read: true,
        lingers_until: has_unread.then(|| Instant::now() + linger),
        left: u64::MAX,
        moved: Instant::now(),
        has_moved: false,
    };
    closing.run().await;
}

struct Closing<'a> {
    socket: TcpStream,
    open: &'a OpenConnection,
    owes: bool,
    /// The client may still say something.
    is_read: bool,
    lingers_until: Option<Instant>,
    /// How much was owed when it last took enough, and when that was.
    left: u64,
    moved: Instant,
    has_moved: bool,
}

impl Closing<'_> {
    async fn run(&mut self) {
        let mut look = FIRST_LOOK;
        let mut is_draining = false;
        while !self.is_over() {
            if self.has_stalled() {
                let why = "the client stopped taking its answer";
                let _ = self.open.connections.gives_up(&self.open.connection, why);
                let _ = self.socket.set_zero_linger();
                return;
            }
            tokio::select! {
                biased;
                ready = self.socket.readable(), if self.is_read => {
                    if ready.is_err() || self.read().is_err() {
                        return;
                    }
                }
                () = self.open.connections.reached(Stage::Draining), if !is_draining => {
                    is_draining = true;
                    // The window of the drain begins with it, whatever was waited before.
                    self.moved = Instant::now();
                    let soon = Instant::now() + LINGER;
                    self.lingers_until = self.lingers_until.map(|until| until.min(soon));
                }
                () = sleep(look) => look = (look * 2).min(LAST_LOOK),
            }
        }
    }

    fn is_over(&mut self) -> bool {
        self.owes = self.owes && owed(&self.socket) > 0;
        let lingers =
            self.is_read && self.lingers_until.is_some_and(|until| Instant::now() < until);
        !self.owes && !lingers
    }

    /// Whether the client took too little for too long.
    fn has_stalled(&mut self) -> bool {
        if !self.owes {
            return false;
        }
        let (left, now) = (owed(&self.socket), Instant::now());
        if self.left.saturating_sub(left) >= LEAST {
            self.has_moved = self.left != u64::MAX;
            (self.left, self.moved) = (left, now);
        }
        let window = self.open.connections.pace.window(now).unwrap_or(STALL);
        let window = if self.has_moved { window.max(LUMP) } else { window };
        now.duration_since(self.moved) > window
    }

    /// Throws away what the client says. An error means that it is gone.
    fn read(&mut self) -> io::Result<()> {
        let mut scraps = [0; 4096];
        loop {
            match self.socket.try_read(&mut scraps) {
                Ok(0) => {
                    self.is_read = false;
                    return Ok(());
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}
