//! A request while it is answered: counted, and known by a line.

use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_http::Request;

use crate::connection::Known;
use crate::connections::{Stage, locked};
use crate::line::Line;

/// A request being answered, counted until the last byte of its response was taken.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) known: Rc<Known>,
    id: u64,
    is_held: bool,
}

impl InFlight {
    pub(crate) fn begin(known: Rc<Known>, request: &Request) -> Self {
        let connection = &known.connection;
        change(&connection.requests, 1);
        change(&connection.in_flight, 1);
        let line = Line::of(request);
        let mut lines = locked(&connection.lines);
        lines.next += 1;
        let id = lines.next;
        lines.current.push((id, line));
        drop(lines);
        InFlight { known, id, is_held: false }
    }

    /// Whether a piece of the body was handed out and no more was asked for: HTTP/2 asks again when
    /// the client has opened its window for it.
    pub(crate) fn hold(&mut self, is_held: bool) {
        if self.is_held == is_held {
            return;
        }
        self.is_held = is_held;
        let connection = &self.known.connection;
        change(&connection.held, if is_held { 1 } else { -1 });
        if !is_held {
            return;
        }
        if self.known.connections.stage() == Stage::Draining && connection.awaits_window() {
            connection.wake();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.hold(false);
        let connection = &self.known.connection;
        let mut lines = locked(&connection.lines);
        if let Some(at) = lines.current.iter().position(|(id, _)| *id == self.id) {
            lines.last = Some(lines.current.swap_remove(at).1);
        }
        drop(lines);
        // What was taken is not yet written: only the next complete flush makes it clean.
        connection.set_dirty(true);
        connection.has_served.store(true, Ordering::Relaxed);
        change(&connection.in_flight, -1);
        if self.known.connections.stage() > Stage::Open {
            connection.wake();
        }
    }
}

/// Changes a count that no other thread changes.
fn change(count: &AtomicUsize, by: isize) {
    count.store(count.load(Ordering::Relaxed).wrapping_add_signed(by), Ordering::Release);
}
