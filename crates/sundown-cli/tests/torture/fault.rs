//! What is done to a replica, drawn by lot.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::ground::Store;
use crate::replica::{Point, has_strace};

/// The system calls around a commit. Each is hit at its first call, its second, and so on.
const FILE: [&str; 3] = ["fdatasync", "pwrite64", "sendto,writev"];
const SERVER: [&str; 2] = ["sendto,writev", "recvfrom"];
/// After so many it begins again.
const POINTS: usize = 60;

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

/// Draws faults; the points are counted over all replicas of a trial.
#[derive(Debug, Default)]
pub(crate) struct Lots {
    counts: [AtomicUsize; 3],
}

impl Lots {
    pub(crate) fn draw(&self, random: &mut fastrand::Rng, store: &Store) -> Fault {
        let millis = |random: &mut fastrand::Rng, range: std::ops::Range<u64>| {
            Duration::from_millis(random.u64(range))
        };
        let longer_than_the_lease = millis(random, 1200..2200);
        match random.u32(0..100) {
            0..45 => Fault::Kill(millis(random, 0..500)),
            45..52 => Fault::KillAtStart(millis(random, 0..150)),
            52..78 => match self.point(random, store, "SIGKILL") {
                Some(point) => Fault::KillAt(point),
                None => Fault::Kill(millis(random, 0..500)),
            },
            78..88 => Fault::Term {
                after: millis(random, 50..500),
                cap: if random.bool() {
                    millis(random, 640..800)
                } else {
                    millis(random, 800..2500)
                },
                more: random.usize(0..3),
            },
            88..96 => Fault::Freeze { after: millis(random, 50..400), time: longer_than_the_lease },
            _ => match self.point(random, store, "SIGSTOP") {
                Some(point) => Fault::FreezeAt { point, time: longer_than_the_lease },
                None => {
                    Fault::Freeze { after: millis(random, 50..400), time: longer_than_the_lease }
                }
            },
        }
    }

    fn point(
        &self,
        random: &mut fastrand::Rng,
        store: &Store,
        signal: &'static str,
    ) -> Option<Point> {
        let calls: &[&str] = match store {
            Store::File | Store::SmallDisk(_) => &FILE,
            Store::Server(_) => &SERVER,
        };
        let which = random.usize(0..calls.len());
        has_strace().then(|| Point {
            calls: calls[which],
            number: self.counts[which].fetch_add(1, Ordering::Relaxed) % POINTS + 1,
            signal,
        })
    }
}
