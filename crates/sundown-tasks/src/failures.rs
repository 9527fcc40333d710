//! Warnings about tasks that are over without success: few enough to be read, however many fail.

use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::warn;

use crate::store::{Ending, Finish};
use crate::{Fence, State};

/// How many are logged one by one. After that there is one line every [`PERIOD`], until one passes
/// without a failure.
const BURST: u32 = 10;
/// How often those are told that were not logged one by one.
pub(crate) const PERIOD: Duration = Duration::from_secs(10);
/// How many characters of an error are logged.
const LONGEST: usize = 300;

/// Which failures were logged, and which were not.
#[derive(Debug)]
pub(crate) struct Failures(Mutex<Limit>);

/// A task that failed for good, or all of whose attempts failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) fence: Fence,
    pub(crate) kind: String,
    pub(crate) state: State,
    pub(crate) error: String,
}

#[derive(Debug)]
struct Limit {
    left: u32,
    /// The last one that was not logged, and how many there were before it.
    untold: Option<(Failure, u64)>,
}

impl Default for Failures {
    fn default() -> Self {
        Failures(Mutex::new(Limit { left: BURST, untold: None }))
    }
}

impl Failures {
    /// Logs it, or keeps it for the next [`tell`](Self::tell).
    pub(crate) fn add(&self, failure: Failure) {
        let logged = self.0.lock().unwrap_or_else(PoisonError::into_inner).add(failure);
        if let Some(failure) = logged {
            log(&failure, 0);
        }
    }

    /// Logs those that were kept, in one line. To be called every [`PERIOD`], and at the end.
    pub(crate) fn tell(&self) {
        let untold = self.0.lock().unwrap_or_else(PoisonError::into_inner).tell();
        if let Some((failure, suppressed)) = untold {
            log(&failure, suppressed);
        }
    }
}

impl Limit {
    fn add(&mut self, failure: Failure) -> Option<Failure> {
        if self.left > 0 {
            self.left -= 1;
            return Some(failure);
        }
        let before = self.untold.take().map_or(0, |(_, before)| before + 1);
        self.untold = Some((failure, before));
        None
    }

    fn tell(&mut self) -> Option<(Failure, u64)> {
        let untold = self.untold.take();
        if untold.is_none() {
            self.left = BURST;
        }
        untold
    }
}

fn log(failure: &Failure, suppressed: u64) {
    let Failure { fence, kind, state, error } = failure;
    let (task, attempt, state) = (fence.task, fence.attempt, state.name());
    let (kind, error) = (printable(kind), printable(error));
    warn!(%task, %kind, attempt, state, %error, suppressed, "a task is over without success");
}

/// What may be told of an attempt, taken before its end is given to the store.
#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) fence: Fence,
    /// Why it did not succeed.
    why: Option<String>,
}

impl Ended {
    pub(crate) fn of((fence, ending): &(Fence, Ending)) -> Self {
        let why = match ending {
            Ending::Failed { error, .. } | Ending::FailedForGood { error } => Some(error),
            Ending::Interrupted { reason } => Some(reason),
            Ending::Succeeded(_) | Ending::Returned | Ending::Declined { .. } | Ending::Stopped => {
                None
            }
        };
        // A little more than is logged, so that it is seen where it was cut.
        let begin = |why: &String| why.chars().take(LONGEST + 1).collect();
        Ended { fence: *fence, why: why.map(begin) }
    }

    /// The failure that this is, by what the store made of it. An end that was superseded is none.
    pub(crate) fn failure(
        &self,
        finish: Finish,
        kind: impl FnOnce(Fence) -> Option<String>,
    ) -> Option<Failure> {
        let state = match finish {
            Finish::Now(state @ (State::Failed | State::Dead)) => state,
            Finish::Now(State::Pending | State::Running | State::Succeeded | State::Cancelled)
            | Finish::Superseded => return None,
        };
        let kind = kind(self.fence).unwrap_or_default();
        Some(Failure {
            fence: self.fence,
            kind,
            state,
            error: self.why.clone().unwrap_or_default(),
        })
    }
}

/// Without anything that a terminal would obey or that would look like another line, and not too long.
fn printable(text: &str) -> String {
    let mut shown = String::new();
    for (place, char) in text.chars().enumerate() {
        if place == LONGEST {
            shown.push('…');
            break;
        }
        let is_direction = matches!(char, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if char.is_control() || is_direction {
            let _ = write!(shown, "{}", char.escape_default());
        } else {
            shown.push(char);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TaskId;

    fn failure(task: i64) -> Failure {
        let fence = Fence { task: TaskId(task), attempt: 1 };
        Failure { fence, kind: "a".to_owned(), state: State::Dead, error: String::new() }
    }

    #[test]
    fn ten_are_logged_at_once_and_then_one_with_a_count_of_the_others() {
        let mut limit = Limit { left: BURST, untold: None };
        let logged = (1..=17).filter_map(|task| limit.add(failure(task))).count();
        assert_eq!(logged, 10);
        assert_eq!(limit.tell(), Some((failure(17), 6)));
        assert_eq!(limit.add(failure(18)), None, "it is still one line in each period");
        assert_eq!(limit.tell(), Some((failure(18), 0)));
        assert_eq!(limit.tell(), None, "a period without a failure");
        assert_eq!(limit.add(failure(19)), Some(failure(19)));
    }

    #[test]
    fn only_what_the_store_made_of_an_end_is_a_failure() {
        let fence = Fence { task: TaskId(1), attempt: 2 };
        let ending = Ending::FailedForGood { error: "no luck".to_owned() };
        let ended = Ended::of(&(fence, ending));
        let failure = |finish| ended.failure(finish, |_| Some("a".to_owned()));
        assert_eq!(failure(Finish::Superseded), None);
        assert_eq!(failure(Finish::Now(State::Pending)), None, "it is tried again");
        let dead = failure(Finish::Now(State::Dead)).unwrap();
        assert_eq!((dead.kind.as_str(), dead.error.as_str()), ("a", "no luck"));
    }

    #[test]
    fn an_error_is_one_line_of_bounded_length() {
        assert_eq!(printable("a\nb\u{1b}[31m\u{202e}"), "a\\nb\\u{1b}[31m\\u{202e}");
        assert_eq!(printable(&"x".repeat(1000)).chars().count(), LONGEST + 1);
    }
}
