//! How old things are, by a clock that may be set forward by mistake.

use crate::UnixMillis;

/// How far two clocks may go apart by being read one after the other, and by small corrections.
const SLACK: i64 = 1000;

/// A moment by two clocks: the one that people set, and one that nobody can.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Since {
    wall: UnixMillis,
    steady: i64,
}

impl Since {
    pub(crate) fn new(wall: UnixMillis, steady: i64) -> Self {
        Since { wall, steady }
    }

    /// The time by which it is decided what is old enough to be forgotten: what people say, and never
    /// more than has passed since that moment. Nothing is forgotten because a clock jumps.
    pub(crate) fn now(self, wall: UnixMillis, steady: i64) -> UnixMillis {
        wall.min(self.wall.saturating_add(steady - self.steady).saturating_add(SLACK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_ahead_makes_nothing_old_and_time_does() {
        let week = 7 * 24 * 3600 * 1000;
        let since = Since::new(5_000_000, 70);
        for (wall, steady, now) in [
            (5_000_000, 70, 5_000_000),
            (5_000_000 + week, 70 + week, 5_000_000 + week),
            (5_000_000 + week, 80, 5_000_010 + SLACK),
            (5_000_000 - week, 80, 5_000_000 - week),
            (5_000_000 + week + 10, 70 + 10, 5_000_010 + SLACK),
        ] {
            assert_eq!(since.now(wall, steady), now, "at {wall}, {steady}");
        }
    }
}
