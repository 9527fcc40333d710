//! How the load stands: the ends of its tasks, as it counts them itself.

use anyhow::bail;

/// Ends of tasks since the load was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Tally {
    succeeded: u64,
    /// Failed, dead, cancelled, or whatever else is no success.
    failed: u64,
}

impl Tally {
    /// Reads what `/metrics` says.
    pub(super) fn read(text: &str) -> Self {
        let mut tally = Self::default();
        for line in text.lines() {
            let Some(labels) = line.strip_prefix("sundown_tasks_finished_total{state=\"") else {
                continue;
            };
            let Some((state, count)) = labels.split_once("\"} ") else { continue };
            let count: u64 = count.trim().parse().unwrap_or(0);
            match state {
                "succeeded" => tally.succeeded += count,
                _ => tally.failed += count,
            }
        }
        tally
    }

    /// How many have ended.
    pub(super) fn ended(self) -> u64 {
        self.succeeded + self.failed
    }

    /// What the load says in the end, and said after the last eviction, of all that was handed in.
    pub(super) fn judge(self, during: Self, submitted: u64) -> anyhow::Result<()> {
        let Self { succeeded, failed } = self;
        if failed > 0 || succeeded != submitted {
            bail!(
                "{succeeded} of {submitted} succeeded, {failed} failed: look at them with `/sundown tasks list \
                 --state dead` in the pod of sundown-load"
            );
        }
        if during.ended() >= submitted {
            bail!(
                "the load was over before the last eviction: nothing is known of that (more --requests)"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read_by_what_became_of_the_tasks() {
        let text = "# TYPE sundown_tasks_finished_total counter\n\
                    sundown_tasks_finished_total{state=\"succeeded\"} 120\n\
                    sundown_tasks_finished_total{state=\"dead\"} 2\n\
                    sundown_tasks_finished_total{state=\"failed\"} 1\n\
                    sundown_tasks_stored{state=\"pending\"} 7\n";
        assert_eq!(Tally::read(text), Tally { succeeded: 120, failed: 3 });
        assert_eq!(Tally::read(text).ended(), 123);
        assert_eq!(Tally::read(""), Tally::default());
    }

    #[test]
    fn one_failure_is_too_many_and_so_is_one_that_is_missing_or_no_load_at_the_end() {
        let tally = |succeeded, failed| Tally { succeeded, failed };
        assert!(tally(100, 0).judge(tally(60, 0), 100).is_ok());
        for (after, during, said) in [
            (tally(99, 1), tally(60, 0), "99 of 100 succeeded, 1 failed"),
            (tally(99, 0), tally(60, 0), "99 of 100 succeeded, 0 failed"),
            (tally(101, 0), tally(60, 0), "101 of 100 succeeded"),
            (tally(100, 0), tally(100, 0), "over before the last eviction"),
        ] {
            let told = after.judge(during, 100).unwrap_err().to_string();
            assert!(told.starts_with(said) || told.contains(said), "{told}");
        }
    }
}
