//! A contest: the sides are measured in turn, in many short rounds, so that what disturbs the
//! machine disturbs all of them.

use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::Row;

/// Which of a side's rounds speaks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The round that was disturbed least: for work on one thread, which noise only ever slows.
    Minimum,
    /// The usual round: where threads meet, and luck makes rounds faster too.
    Median,
}

/// Sides to be measured against one another; the first is ours.
pub struct Contest<'a> {
    statistic: Statistic,
    rounds: usize,
    ops: u32,
    sides: Vec<Side<'a>>,
}

struct Side<'a> {
    name: String,
    round: Box<dyn FnMut(u32) -> Duration + 'a>,
    took: Vec<Duration>,
}

/// What a contest found: nanoseconds per operation, side by side.
#[derive(Debug, Clone)]
pub struct Figures {
    statistic: Statistic,
    rounds: usize,
    nanos: Vec<(String, f64)>,
}

/// Runs the operation so often and returns the time it took. What it returns is used, as far as
/// the compiler can tell; let it come from a `black_box` too where it could be known beforehand.
#[inline]
pub fn repeat<T>(ops: u32, mut op: impl FnMut() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..ops {
        black_box(op());
    }
    start.elapsed()
}

impl<'a> Contest<'a> {
    /// A contest of so many rounds, with so many operations in each.
    ///
    /// # Panics
    ///
    /// When there is nothing to measure.
    pub fn new(statistic: Statistic, rounds: usize, ops: u32) -> Self {
        assert!(rounds > 0 && ops > 0, "{rounds} rounds of {ops} operations measure nothing");
        Contest { statistic, rounds, ops, sides: Vec::new() }
    }

    /// Adds a side: a function that does so many operations, and answers how long they took. What
    /// it prepares and clears away before and after is not counted.
    #[must_use]
    pub fn side(
        mut self,
        name: impl Into<String>,
        round: impl FnMut(u32) -> Duration + 'a,
    ) -> Self {
        let took = Vec::with_capacity(self.rounds);
        self.sides.push(Side { name: name.into(), round: Box::new(round), took });
        self
    }

    /// Measures: one round that does not count, then round by round every side in turn, each
    /// round begun by the next side.
    ///
    /// # Panics
    ///
    /// When no side was added.
    pub fn run(mut self) -> Figures {
        assert!(!self.sides.is_empty(), "a contest needs a side");
        for side in &mut self.sides {
            (side.round)(self.ops);
        }
        let count = self.sides.len();
        for round in 0..self.rounds {
            for turn in 0..count {
                let side = &mut self.sides[(round + turn) % count];
                let took = (side.round)(self.ops);
                side.took.push(took);
            }
        }
        let (statistic, ops) = (self.statistic, f64::from(self.ops));
        let nanos = |side: Side<'_>| (side.name, statistic.of(side.took).as_secs_f64() * 1e9 / ops);
        Figures {
            statistic,
            rounds: self.rounds,
            nanos: self.sides.into_iter().map(nanos).collect(),
        }
    }
}

impl fmt::Debug for Contest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sides: Vec<&str> = self.sides.iter().map(|side| side.name.as_str()).collect();
        f.debug_struct("Contest").field("sides", &sides).finish_non_exhaustive()
    }
}

impl Statistic {
    /// The value that speaks for all of these.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub fn of<T: Ord + Copy>(self, values: impl IntoIterator<Item = T>) -> T {
        let mut values: Vec<T> = values.into_iter().collect();
        assert!(!values.is_empty(), "of no values there is no {self}");
        values.sort_unstable();
        match self {
            Statistic::Minimum => values[0],
            Statistic::Median => values[values.len() / 2],
        }
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Statistic::Minimum => "minimum",
            Statistic::Median => "median",
        })
    }
}

impl Figures {
    /// Nanoseconds per operation of this side.
    ///
    /// # Panics
    ///
    /// When no side has the name.
    pub fn nanos(&self, side: &str) -> f64 {
        let found = self.nanos.iter().find(|(name, _)| name == side);
        found.unwrap_or_else(|| panic!("no side is called {side}")).1
    }

    /// The first side beside this peer.
    ///
    /// # Panics
    ///
    /// When no side has the peer's name.
    pub fn row(&self, name: impl Into<String>, peer: &str) -> Row {
        let Figures { statistic, rounds, nanos } = self;
        Row::new(name, "ns", nanos[0].1, peer, self.nanos(peer))
            .note(format!("{statistic} of {rounds} rounds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_sides_take_turns_and_the_first_round_does_not_count() {
        let order = RefCell::new(String::new());
        let side = |name| {
            let order = &order;
            move |_| {
                order.borrow_mut().push(name);
                // The very first round of each is a slow one.
                if order.borrow().matches(name).count() == 1 { 100 * MS } else { MS }
            }
        };
        let contest = Contest::new(Statistic::Median, 3, 1000);
        let figures = contest.side("a", side('a')).side("b", side('b')).run();
        assert_eq!(*order.borrow(), "ababbaab");
        assert_eq!(figures.nanos("a"), 1000.0);
    }

    #[test]
    fn each_round_is_begun_by_the_next_side() {
        let order = RefCell::new(String::new());
        let mut contest = Contest::new(Statistic::Minimum, 3, 1);
        for name in ["a", "b", "c"] {
            let order = &order;
            contest = contest.side(name, move |_| {
                order.borrow_mut().push_str(name);
                MS
            });
        }
        contest.run();
        assert_eq!(*order.borrow(), "abc abc bca cab".replace(' ', ""));
    }

    #[test]
    fn minimum_and_median_are_per_operation() {
        let figures = |statistic| {
            let mut rounds = [9, 5, 1, 3].into_iter();
            let one = move |ops| ops * MS * rounds.next().unwrap();
            Contest::new(statistic, 3, 10).side("ours", one).side("peer", |ops| ops * MS).run()
        };
        let minimum = figures(Statistic::Minimum).row("row", "peer");
        assert_eq!((minimum.ours, minimum.ratio), (1e6, 1.0));
        let median = figures(Statistic::Median).row("row", "peer");
        assert_eq!((median.ours, median.ratio), (3e6, 3.0));
        assert_eq!(median.note, "median of 3 rounds");
    }

    #[test]
    fn repeat_runs_the_operation_so_often() {
        let mut count = 0;
        let _ = repeat(7, || count += 1);
        assert_eq!(count, 7);
    }

    #[test]
    #[should_panic(expected = "no side is called peer")]
    fn a_side_that_is_not_there_is_no_peer() {
        let contest = Contest::new(Statistic::Minimum, 1, 1).side("ours", |_| MS);
        let _ = contest.run().row("row", "peer");
    }
}
