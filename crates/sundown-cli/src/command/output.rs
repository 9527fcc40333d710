//! What is kept of what a program writes: a bounded part, from its beginning or from its end.

use std::collections::VecDeque;

/// A part of a stream of bytes.
pub(super) struct Keeping {
    kept: VecDeque<u8>,
    limit: usize,
    keeps_last: bool,
    is_truncated: bool,
}

impl Keeping {
    /// Its first bytes.
    pub(super) fn first(limit: usize) -> Self {
        Keeping { kept: VecDeque::new(), limit, keeps_last: false, is_truncated: false }
    }

    /// Its last bytes.
    pub(super) fn last(limit: usize) -> Self {
        Keeping { keeps_last: true, ..Keeping::first(limit) }
    }

    pub(super) fn add(&mut self, piece: &[u8]) {
        let room = self.limit.saturating_sub(self.kept.len());
        if self.keeps_last {
            self.kept.extend(piece);
            let excess = self.kept.len().saturating_sub(self.limit);
            self.kept.drain(..excess);
            self.is_truncated |= excess > 0;
        } else {
            self.kept.extend(&piece[..piece.len().min(room)]);
            self.is_truncated |= piece.len() > room;
        }
    }

    fn text(self) -> String {
        String::from_utf8_lossy(&Vec::from(self.kept)).into_owned()
    }
}

/// What was kept of both outputs.
pub(super) struct Kept {
    pub(super) stdout: String,
    pub(super) stderr: String,
    pub(super) is_truncated: bool,
}

impl Kept {
    pub(super) fn of(stdout: Keeping, stderr: Keeping) -> Self {
        let is_truncated = stdout.is_truncated || stderr.is_truncated;
        Kept { stdout: stdout.text(), stderr: stderr.text(), is_truncated }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_or_the_end_is_kept_and_it_says_when_more_was_there() {
        let (mut first, mut last) = (Keeping::first(5), Keeping::last(5));
        for piece in [&b"abc"[..], b"de"] {
            first.add(piece);
            last.add(piece);
        }
        assert!(!first.is_truncated && !last.is_truncated);
        first.add(b"fg");
        last.add(b"fg");
        assert!(first.is_truncated && last.is_truncated);
        assert_eq!((first.text().as_str(), last.text().as_str()), ("abcde", "cdefg"));
    }
}
