//! Many times of one thing: the usual one, and the one that only one in a hundred exceeds.

use std::time::Duration;

use sundown_bench::Row;

#[derive(Debug, Clone, Default)]
pub(crate) struct Spread(Vec<Duration>);

impl Spread {
    pub(crate) fn push(&mut self, took: Duration) {
        let place = self.0.partition_point(|other| *other <= took);
        self.0.insert(place, took);
    }

    /// The p-th percentile, in milliseconds.
    pub(crate) fn percentile(&self, p: usize) -> f64 {
        let last = self.0.len().checked_sub(1).expect("something was measured");
        self.0[(last * p).div_ceil(100)].as_secs_f64() * 1e3
    }

    /// p50 and p99 of ours beside those of a peer.
    pub(crate) fn rows(&self, name: &str, peer: &str, theirs: &Spread) -> [Row; 2] {
        [50, 99].map(|p| {
            let (ours, theirs) = (self.percentile(p), theirs.percentile(p));
            Row::new(format!("{name}, p{p}"), "ms", ours, peer, theirs).note(self.note())
        })
    }

    pub(crate) fn note(&self) -> String {
        format!("{} times; at most {:.1} ms", self.0.len(), self.percentile(100))
    }
}
