//! How the time of the stop is divided: what is set stays as it is, and what is not fits itself in.

use std::time::Duration;

use sundown::Builder;

use super::{Auto, Shutdown, Time, Value as _};

/// What `flush` and `release` have where there is time enough.
const USUAL: Duration = Duration::from_secs(5);

/// The fixed times of a stop. What they leave of the timeout is there to drain in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budgets {
    pub(crate) announce: Duration,
    pub(crate) flush: Duration,
    pub(crate) release: Duration,
    /// For the last words.
    pub(crate) reserve: Duration,
}

impl Budgets {
    /// Those of this configuration. One that is not set is never more than a third of what there is
    /// for it, so that a short timeout alone makes a plan that works.
    pub(crate) fn of(shutdown: &Shutdown, is_in_kubernetes: bool) -> Self {
        let reserve = Builder::reserve_of(shutdown.timeout.0);
        let room = shutdown.timeout.0.saturating_sub(reserve);
        let usual = if is_in_kubernetes { Builder::ANNOUNCE_IN_KUBERNETES } else { Duration::ZERO };
        let announce = set(&shutdown.announce).unwrap_or(usual.min(room / 3));
        let (flush, release) = (set(&shutdown.flush), set(&shutdown.release));
        let taken = announce + flush.unwrap_or_default() + release.unwrap_or_default();
        let fitting = USUAL.min(room.saturating_sub(taken) / 3);
        Budgets {
            announce,
            flush: flush.unwrap_or(fitting),
            release: release.unwrap_or(fitting),
            reserve,
        }
    }

    /// What is wrong with them under this timeout, and what to do. `told` names a key with where it
    /// was set.
    pub(super) fn problem(&self, timeout: Time, told: impl Fn(&str) -> String) -> Option<String> {
        let need = self.announce + self.flush + self.release + self.reserve;
        if need < timeout.0 {
            return None;
        }
        let parts = self.parts().map(|(key, time)| format!("{} for {}", shown(time), told(key)));
        let keys: Vec<String> = self.parts().map(|(key, _)| format!("`{key}`")).collect();
        let lower = match keys.split_last() {
            Some((last, [])) => format!(", or lower {last}"),
            Some((last, others)) => format!(", or lower {} or {last}", others.join(", ")),
            None => String::new(),
        };
        Some(format!(
            "`shutdown.timeout` of {} leaves nothing to drain in: {} + {} for the last words are {} \
             (set `shutdown.timeout` to more than that{lower})",
            timeout.show(),
            parts.collect::<Vec<_>>().join(" + "),
            shown(self.reserve),
            shown(need),
        ))
    }

    /// Those that take time, under their keys.
    fn parts(&self) -> impl Iterator<Item = (&'static str, Duration)> {
        let all = [
            ("shutdown.announce", self.announce),
            ("shutdown.flush", self.flush),
            ("shutdown.release", self.release),
        ];
        all.into_iter().filter(|(_, time)| !time.is_zero())
    }
}

fn set(time: &Auto<Time>) -> Option<Duration> {
    time.0.map(|time| time.0)
}

fn shown(time: Duration) -> String {
    sundown::timeline::seconds(time)
}
