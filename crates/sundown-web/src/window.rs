//! The windows that an HTTP/2 client opens, or not: from what goes over its connection one sees how
//! much of its answers it takes.

use std::sync::Arc;
use std::task::Context;

use tokio::time::Instant;

use crate::connection::Connection;
use crate::pace::Pace;
use crate::stall::Patience;

/// The head of a frame: its length, its kind, its flags, its stream.
const HEAD: usize = 9;
const DATA: u8 = 0;

/// What a client takes of the answers it asked for.
#[derive(Debug)]
pub(crate) struct Window {
    pace: Arc<Pace>,
    frames: Frames,
    patience: Patience,
}

impl Window {
    pub(crate) fn new(pace: Arc<Pace>) -> Self {
        Window { frames: Frames::default(), patience: Patience::new(pace.clone()), pace }
    }

    /// These bytes were sent.
    pub(crate) fn sent(&mut self, bytes: &[u8]) {
        let moved = self.frames.data(bytes);
        if moved > 0 {
            self.patience.moved(moved, Instant::now);
        }
    }

    /// Whether the server drains, and has waited long enough for a window. What is still on its way
    /// to the socket waits for something else.
    pub(crate) fn stays_shut(&mut self, connection: &Connection, cx: &mut Context<'_>) -> bool {
        if !self.pace.is_hurried() {
            return false;
        }
        if connection.is_dirty() || !connection.awaits_window() {
            self.patience.moved(0, Instant::now);
            return false;
        }
        self.patience.poll_ends(cx).is_ready()
    }
}

/// The frames of a connection, as far as they went.
#[derive(Debug, Default)]
struct Frames {
    head: [u8; HEAD],
    /// How much of the head was seen.
    seen: usize,
    /// How much of the frame is to come.
    left: usize,
}

impl Frames {
    /// How many of these bytes are of bodies.
    fn data(&mut self, mut bytes: &[u8]) -> usize {
        let mut data = 0;
        while !bytes.is_empty() {
            let wanted = if self.left > 0 { self.left } else { HEAD - self.seen };
            let (now, later) = bytes.split_at(wanted.min(bytes.len()));
            bytes = later;
            if self.left > 0 {
                self.left -= now.len();
                data += if self.head[3] == DATA { now.len() } else { 0 };
                continue;
            }
            self.head[self.seen..][..now.len()].copy_from_slice(now);
            self.seen += now.len();
            if self.seen == HEAD {
                self.seen = 0;
                let [a, b, c, ..] = self.head.map(usize::from);
                self.left = (a << 16) | (b << 8) | c;
            }
        }
        data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_of_bodies_counts_however_it_is_cut() {
        let mut bytes = vec![0, 0, 6, 4, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]; // SETTINGS
        bytes.extend([0, 0, 0, 4, 1, 0, 0, 0, 0]); // their acknowledgement
        bytes.extend([0, 1, 0, 0, 0, 0, 0, 0, 1]); // DATA, 256 bytes
        bytes.extend([0; 256]);
        bytes.extend([0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]); // PING
        bytes.extend([0, 0, 3, 0, 1, 0, 0, 0, 1, 7, 7, 7]); // DATA, 3 bytes
        for size in 1..=bytes.len() {
            let mut frames = Frames::default();
            let data: usize = bytes.chunks(size).map(|piece| frames.data(piece)).sum();
            assert_eq!(data, 259, "in pieces of {size}");
        }
    }
}
