//! What is done to a replica: what must be done, and the rest by lot.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ground::Store;
use crate::replica::{Point, has_strace};

/// The system calls around a commit, and how many of each are hit. A thread that commits makes the first
/// few of them before it serves.
const FILE: [(&str, usize); 3] = [("fsync,fdatasync", 16), ("pwrite64", 32), ("sendto,writev", 6)];
const SERVER: [(&str, usize); 2] = [("sendto,writev", 24), ("recvfrom", 24)];
const SIGNALS: [&str; 2] = ["SIGKILL", "SIGSTOP"];
/// The one that short runs hit.
const SHORT: usize = 3;
/// How often a point is tried before it counts as one that is not on the way.
const TRIES: usize = 6;

/// What is done to a replica in one of its lives.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// SIGKILL after it has served for so long.
    Kill(Duration),
    /// SIGKILL so long after its start, whether it serves or not.
    KillAtStart(Duration),
    /// SIGKILL at a system call.
    KillAt(Point),
    /// SIGTERM after so long, with this cap, and so many signals more.
    Term { after: Duration, cap: Duration, more: usize },
    /// SIGSTOP after so long, for so long; then it lives on a while.
    Freeze { after: Duration, time: Duration },
    /// SIGSTOP at a system call, for so long.
    FreezeAt { point: Point, time: Duration },
}

/// The faults of one replica, drawn by itself.
#[derive(Debug)]
pub(crate) struct Lots {
    pub(crate) random: fastrand::Rng,
    /// Those that come first.
    first: VecDeque<Fault>,
    /// Points that were not reached yet, and how often they were tried.
    due: VecDeque<(Point, usize)>,
    pub(crate) reached: Vec<Point>,
    pub(crate) unreached: Vec<Point>,
}

/// All points of a run; a short one has one for each signal.
pub(crate) fn points(store: &Store, is_long: bool) -> Vec<Point> {
    let calls: &[(&str, usize)] = match store {
        Store::File => &FILE,
        Store::Server(_) => &SERVER,
        // There it is the disk that counts.
        Store::SmallDisk(_) => &[],
    };
    if calls.is_empty() || !has_strace() {
        return Vec::new();
    }
    let mut points = Vec::new();
    for signal in SIGNALS {
        if is_long {
            for (calls, count) in calls {
                points.extend((1..=*count).map(|number| Point { calls, number, signal }));
            }
        } else {
            let (calls, _) = calls[0];
            points.push(Point { calls, number: SHORT, signal });
        }
    }
    points
}

impl Lots {
    /// Those of one of several replicas.
    pub(crate) fn new(seed: u64, number: usize, replicas: usize, points: &[Point]) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ (number as u64 + 1) << 32);
        let mine = points.iter().skip(number).step_by(replicas);
        let mut due: Vec<(Point, usize)> = mine.map(|point| (*point, 0)).collect();
        random.shuffle(&mut due);
        let first = match number {
            0 => vec![freeze(&mut random), kill(&mut random)],
            1 => vec![kill(&mut random), term(&mut random)],
            _ => vec![kill(&mut random), kill(&mut random)],
        };
        let (reached, unreached) = (Vec::new(), Vec::new());
        Lots { random, first: first.into(), due: due.into(), reached, unreached }
    }

    /// Whether something must still be done.
    pub(crate) fn are_due(&self) -> bool {
        !self.first.is_empty() || !self.due.is_empty()
    }

    /// The next one: what is due, or anything while `is_open`.
    pub(crate) fn draw(&mut self, is_open: bool) -> Fault {
        if let Some(first) = self.first.pop_front() {
            return first;
        }
        let lot = self.random.u32(0..100);
        if (lot < 45 || !is_open)
            && let Some((point, _)) = self.due.front()
        {
            let (point, time) = (*point, longer_than_the_lease(&mut self.random));
            return match point.signal {
                "SIGKILL" => Fault::KillAt(point),
                _ => Fault::FreezeAt { point, time },
            };
        }
        match self.random.u32(0..100) {
            0..62 => kill(&mut self.random),
            62..70 => Fault::KillAtStart(millis(&mut self.random, 0..150)),
            70..88 => term(&mut self.random),
            _ => freeze(&mut self.random),
        }
    }

    /// What became of the point that was drawn last.
    pub(crate) fn tried(&mut self, is_reached: bool) {
        let Some((point, tries)) = self.due.pop_front() else { return };
        if is_reached {
            self.reached.push(point);
        } else if tries + 1 < TRIES {
            self.due.push_back((point, tries + 1));
        } else {
            self.unreached.push(point);
        }
    }
}

fn kill(random: &mut fastrand::Rng) -> Fault {
    Fault::Kill(millis(random, 0..500))
}

/// With a cap that is too short for what runs, or almost.
fn term(random: &mut fastrand::Rng) -> Fault {
    let cap = if random.bool() { millis(random, 640..800) } else { millis(random, 800..2500) };
    Fault::Term { after: millis(random, 50..500), cap, more: random.usize(0..3) }
}

fn freeze(random: &mut fastrand::Rng) -> Fault {
    let time = longer_than_the_lease(random);
    Fault::Freeze { after: millis(random, 50..400), time }
}

fn longer_than_the_lease(random: &mut fastrand::Rng) -> Duration {
    millis(random, 1200..2200)
}

fn millis(random: &mut fastrand::Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(random.u64(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64) -> Vec<String> {
        let point = |number| Point { calls: "fsync,fdatasync", number, signal: "SIGKILL" };
        let points: Vec<Point> = (1..=9).map(point).collect();
        let mut lots = Lots::new(seed, 1, 3, &points);
        let mut drawn = Vec::new();
        for turn in 0..60 {
            let fault = lots.draw(true);
            if let Fault::KillAt(_) | Fault::FreezeAt { .. } = fault {
                lots.tried(turn % 2 == 0);
            }
            drawn.push(format!("{fault:?}"));
        }
        assert!(!lots.are_due(), "{lots:?}");
        let tried: Vec<usize> =
            lots.reached.iter().chain(&lots.unreached).map(|point| point.number).collect();
        assert_eq!(tried.len(), 3, "its third of nine, each once: {tried:?}");
        drawn
    }

    #[test]
    fn one_seed_draws_the_same_faults_again_and_every_point_until_it_is_reached() {
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
    }
}
