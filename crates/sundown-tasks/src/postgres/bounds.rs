//! What a server may say: bounded, so that one that is hostile or broken cannot fill the memory.
//!
//! The driver keeps whole messages and whole answers in memory, however long they are. So the bytes of
//! the server are counted before the driver sees them.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How long one message may be: a row with a task, its input and its output.
const MESSAGE: usize = 64 << 20;
/// How much may come before the first question, and of parameters altogether.
const GREETING: usize = 1 << 20;
const HEADER: usize = 5;

/// Messages of the server, by their first byte.
const READY: u8 = b'Z';
const NOTIFICATION: u8 = b'A';
const PARAMETER: u8 = b'S';

/// Why a connection was given up; nothing as long as it is not.
pub(super) type Excess = Arc<OnceLock<String>>;

/// Follows what a server says, message by message.
#[derive(Debug)]
pub(super) struct Bounds {
    /// How much one answer may have.
    answer: usize,
    header: [u8; HEADER],
    known: usize,
    /// How much of the message is still to come.
    left: usize,
    is_greeting: bool,
    said: usize,
    parameters: usize,
    excess: Excess,
}

impl Bounds {
    pub(super) fn new(answer: usize, excess: Excess) -> Self {
        Bounds {
            answer,
            header: [0; HEADER],
            known: 0,
            left: 0,
            is_greeting: true,
            said: 0,
            parameters: 0,
            excess,
        }
    }

    /// Looks at what has come.
    fn see(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let count = self.left.min(bytes.len());
                self.left -= count;
                bytes = &bytes[count..];
                continue;
            }
            let count = (HEADER - self.known).min(bytes.len());
            self.header[self.known..self.known + count].copy_from_slice(&bytes[..count]);
            self.known += count;
            bytes = &bytes[count..];
            if self.known == HEADER {
                self.known = 0;
                self.message().map_err(|why| self.is_too_much(&why))?;
            }
        }
        Ok(())
    }

    /// A message begins.
    fn message(&mut self) -> Result<(), String> {
        let [kind, length @ ..] = self.header;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        self.left = length.checked_sub(HEADER - 1).ok_or("announces a message of no length")?;
        let most = if self.is_greeting { GREETING } else { MESSAGE };
        if self.left > most {
            return Err(format!("announces a message of {length} bytes (at most {most})"));
        }
        if kind == READY {
            (self.is_greeting, self.said) = (false, 0);
            return Ok(());
        }
        if kind == PARAMETER {
            self.parameters += self.left + HEADER;
            if self.parameters > GREETING {
                return Err(format!("sends more than {GREETING} bytes of parameters"));
            }
        }
        // They come at any time and belong to no answer; notifications are not kept, and of parameters
        // there is a bound above.
        if matches!(kind, NOTIFICATION | PARAMETER) && !self.is_greeting {
            return Ok(());
        }
        self.said += self.left + HEADER;
        let (most, when) = match self.is_greeting {
            true => (GREETING, "while it is connected to"),
            false => (self.answer, "as one answer"),
        };
        if self.said > most {
            return Err(format!("sends more than {most} bytes {when}"));
        }
        Ok(())
    }

    fn is_too_much(&self, why: &str) -> io::Error {
        let why = format!("the server {why}; is it PostgreSQL?");
        let _ = self.excess.set(why.clone());
        io::Error::new(io::ErrorKind::InvalidData, why)
    }
}

/// A stream whose reader sees no more than its bounds allow; without bounds, everything.
pub(super) struct Bounded<S> {
    stream: S,
    bounds: Option<Bounds>,
}

impl<S> Bounded<S> {
    pub(super) fn new(stream: S, bounds: Option<Bounds>) -> Self {
        Bounded { stream, bounds }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = into.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, into);
        let has_come = matches!(read, Poll::Ready(Ok(())));
        match &mut this.bounds {
            Some(bounds) if has_come => Poll::Ready(bounds.see(&into.filled()[before..])),
            Some(_) | None => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: usize) -> Vec<u8> {
        let length = u32::try_from(body + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), &vec![0; body]].concat()
    }

    /// What it says to these messages, in pieces of that size.
    fn see(answer: usize, piece: usize, messages: &[Vec<u8>]) -> Result<(), String> {
        let mut bounds = Bounds::new(answer, Excess::default());
        let all = messages.concat();
        let seen = all.chunks(piece).try_for_each(|piece| bounds.see(piece));
        seen.map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_usual_passes_however_it_is_cut() {
        let row = || message(b'D', 400);
        let usual = [
            message(b'R', 4),
            message(b'S', 30),
            message(b'Z', 1),
            row(),
            row(),
            message(b'Z', 1),
            row(),
            // Told at any time, for as long as the connection is there.
            message(b'A', 600),
            message(b'A', 600),
            message(b'Z', 1),
        ];
        for piece in [1, 2, 7, 10_000] {
            assert_eq!(see(1000, piece, &usual), Ok(()), "{piece}");
        }
    }

    #[test]
    fn what_is_too_much_is_refused_by_name() {
        let ready = message(b'Z', 1);
        let huge = [b'D', 0x7f, 0xff, 0xff, 0xff].to_vec();
        let notices = vec![message(b'N', 100_000); 11];
        let parameters = vec![[message(b'S', 100_000), message(b'Z', 1)].concat(); 11];
        let rows = [vec![ready.clone()], vec![message(b'D', 400); 3]].concat();
        for (messages, culprit) in [
            (vec![huge.clone()], "2147483647 bytes (at most 1048576)"),
            (vec![ready.clone(), huge], "2147483647 bytes (at most 67108864)"),
            (vec![[b'D', 0, 0, 0, 3].to_vec()], "of no length"),
            (notices, "while it is connected to"),
            (parameters, "of parameters"),
            (rows, "more than 1000 bytes as one answer"),
        ] {
            let why = see(1000, 1 << 20, &messages).expect_err(culprit);
            assert!(why.contains(culprit), "{why}");
        }
    }
}
