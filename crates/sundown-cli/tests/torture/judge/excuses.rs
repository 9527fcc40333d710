//! What was wrong at which time, and so what cannot be held against a replica.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::ledger::{SLACK, Trouble};

/// A time of trouble, of one life or of all.
struct Window<'a> {
    life: Option<&'a str>,
    from: Duration,
    to: Duration,
}

/// All of them.
pub(super) struct Excuses<'a>(Vec<Window<'a>>);

impl<'a> Excuses<'a> {
    pub(super) fn of(troubles: &'a [Trouble]) -> Self {
        let ended = troubles.iter().filter_map(|trouble| match trouble {
            Trouble::Ended { life, at } => Some((life.as_str(), *at + SLACK)),
            Trouble::Told { .. }
            | Trouble::Frozen { .. }
            | Trouble::Store { .. }
            | Trouble::Orphan { .. } => None,
        });
        let ended: BTreeMap<&str, Duration> = ended.collect();
        let windows = troubles.iter().filter_map(|trouble| match trouble {
            Trouble::Told { life, at } => {
                let to = ended.get(life.as_str()).copied().unwrap_or(Duration::MAX);
                Some(Window { life: Some(life), from: *at, to })
            }
            Trouble::Ended { life, at } => {
                Some(Window { life: Some(life), from: *at, to: *at + SLACK })
            }
            Trouble::Frozen { life, from, to } => {
                Some(Window { life: Some(life), from: *from, to: *to + SLACK })
            }
            Trouble::Store { from, to } => {
                Some(Window { life: None, from: *from, to: *to + SLACK })
            }
            Trouble::Orphan { .. } => None,
        });
        Excuses(windows.collect())
    }

    /// Whether this life was in trouble all the time.
    pub(super) fn cover(&self, life: &str, from: Duration, to: Duration) -> bool {
        let of_it = || self.0.iter().filter(|window| window.life.is_none_or(|known| known == life));
        let mut covered = from;
        while covered < to {
            let open = of_it().filter(|window| window.from <= covered && covered < window.to);
            let Some(last) = open.map(|window| window.to).max() else { return false };
            covered = last;
        }
        true
    }

    /// Whether anybody was in trouble meanwhile.
    pub(super) fn meet(&self, from: Duration, to: Duration) -> bool {
        self.0.iter().any(|window| window.from <= to && from <= window.to)
    }
}
