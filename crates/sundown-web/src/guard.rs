//! What an HTTP/2 client sends, frame by frame: one that sends frames without progress is ended before the
//! library that keeps them runs out of memory.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::connection::Connection;

const PREFACE: usize = 24;
/// The head of a frame: its length, its kind, its flags, its stream.
const HEAD: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// The bytes of one header block, as they are sent.
const BLOCK: usize = 64 << 10;
/// The frames of one header block.
const PIECES: u32 = 64;
/// DATA with less than this in it is no progress by itself. Padding has at most 256 bytes.
const LITTLE: usize = 64;
const PADDING: usize = 256;

/// So many frames without progress a client may send at once, and so many in each second.
const BURST: i32 = 2000;
const PER_SECOND: u64 = 50;
/// A stream that is reset was work for nothing.
const RESET: i32 = 8;

/// Follows the frames of one connection.
#[derive(Debug)]
pub(crate) struct Guard {
    connection: Arc<Connection>,
    limit: Duration,
    preface: usize,
    head: [u8; HEAD],
    /// How much of the head was seen.
    seen: usize,
    /// How much of the frame is to come.
    left: usize,
    /// A header block that is not complete.
    block: Option<Block>,
    filled: Instant,
    alarm: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Block {
    began: Instant,
    bytes: usize,
    pieces: u32,
}

impl Guard {
    pub(crate) fn new(connection: Arc<Connection>, limit: Duration) -> Self {
        connection.credit.store(BURST, Ordering::Relaxed);
        Guard {
            connection,
            limit,
            preface: PREFACE,
            head: [0; HEAD],
            seen: 0,
            left: 0,
            block: None,
            filled: Instant::now(),
            alarm: None,
        }
    }

    /// These bytes came. An error says why that was too much.
    pub(crate) fn came(&mut self, mut bytes: &[u8]) -> Result<(), &'static str> {
        while !bytes.is_empty() {
            if self.preface > 0 {
                let now = self.preface.min(bytes.len());
                self.preface -= now;
                bytes = &bytes[now..];
                continue;
            }
            if self.left > 0 {
                let now = self.left.min(bytes.len());
                self.left -= now;
                bytes = &bytes[now..];
                self.end_of_frame();
                continue;
            }
            let (now, later) = bytes.split_at((HEAD - self.seen).min(bytes.len()));
            self.head[self.seen..][..now.len()].copy_from_slice(now);
            self.seen += now.len();
            bytes = later;
            if self.seen == HEAD {
                self.seen = 0;
                let [a, b, c, ..] = self.head.map(usize::from);
                self.left = (a << 16) | (b << 8) | c;
                self.frame()?;
                self.end_of_frame();
            }
        }
        Ok(())
    }

    /// The head of a frame is there.
    fn frame(&mut self) -> Result<(), &'static str> {
        let (length, kind, flags) = (self.left, self.head[3], self.head[4]);
        match kind {
            HEADERS | CONTINUATION => {
                let block = self.block.get_or_insert_with(|| Block {
                    began: Instant::now(),
                    bytes: 0,
                    pieces: 0,
                });
                block.bytes += length;
                block.pieces += 1;
                if block.bytes > BLOCK || block.pieces > PIECES {
                    return Err("the head of a request is too large");
                }
                self.pay(1)
            }
            DATA => {
                let is_little =
                    length < LITTLE || (flags & PADDED != 0 && length <= PADDING + LITTLE);
                if is_little && flags & END_STREAM == 0 { self.pay(1) } else { Ok(()) }
            }
            RST_STREAM => self.pay(RESET),
            _ => self.pay(1),
        }
    }

    /// A header block ends with the last byte of a frame that says so.
    fn end_of_frame(&mut self) {
        let is_of_block = matches!(self.head[3], HEADERS | CONTINUATION);
        if self.left == 0 && is_of_block && self.head[4] & END_HEADERS != 0 {
            self.block = None;
        }
    }

    fn pay(&mut self, price: i32) -> Result<(), &'static str> {
        let credit = self.connection.credit.fetch_sub(price, Ordering::Relaxed) - price;
        if credit > 0 {
            return Ok(());
        }
        let now = Instant::now();
        let earned = now.duration_since(self.filled).as_millis() * u128::from(PER_SECOND) / 1000;
        if earned == 0 {
            return Err("too many frames without progress");
        }
        self.filled = now;
        add(&self.connection, i32::try_from(earned).unwrap_or(BURST));
        if self.connection.credit.load(Ordering::Relaxed) > 0 {
            return Ok(());
        }
        Err("too many frames without progress")
    }

    /// Whether a header block that was begun comes in time.
    pub(crate) fn check_clock(&mut self, cx: &mut Context<'_>) -> Result<(), &'static str> {
        let Some(block) = &self.block else { return Ok(()) };
        let end = block.began + self.limit;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if alarm.deadline() != end {
            alarm.as_mut().reset(end);
        }
        match alarm.as_mut().poll(cx) {
            Poll::Ready(()) => Err("the head of a request did not come in time"),
            Poll::Pending => Ok(()),
        }
    }
}

/// There was progress: a response was sent, or the application took what the client had sent.
pub(crate) fn add(connection: &Connection, credit: i32) {
    let add = |now: i32| Some(now.saturating_add(credit).min(BURST));
    let _ = connection.credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
}
