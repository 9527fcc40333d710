//! What a waiter is still waiting for: requests, tasks, files. It is asked only when somebody looks.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::report::json::millis;
use crate::timeline::seconds;

/// How many items are kept, and how many characters of each.
const ITEMS: usize = 10;
const TEXT: usize = 120;
/// How long the answers are waited for: whoever asks has a shutdown to go on with.
const PATIENCE: Duration = Duration::from_millis(15);
const STACK: usize = 256 * 1024;

/// What a waiter is still waiting for, as logs, `GET /shutdown` and the report name it.
///
/// ```
/// use std::time::Duration;
/// use sundown::{Pending, PendingItem};
///
/// let oldest = PendingItem {
///     what: "GET /export from 10.0.0.7:5123".to_owned(),
///     age: Duration::from_secs(8),
/// };
/// let pending = Pending { total: 3, oldest: vec![oldest] };
/// assert_eq!(pending.to_string(), "3 left, the oldest: GET /export from 10.0.0.7:5123 (8 s)");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// How many there are.
    pub total: usize,
    /// The oldest of them, the very oldest first. At most 10 are kept.
    pub oldest: Vec<PendingItem>,
}

/// One thing that a waiter waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PendingItem {
    /// What it is, in a few words. At most 120 characters are kept, and control characters are
    /// escaped.
    pub what: String,
    /// How long it has been under way.
    #[serde(rename = "age_ms", with = "millis")]
    pub age: Duration,
}

impl Pending {
    /// Within bounds, and safe to show on a terminal.
    fn bounded(mut self) -> Self {
        self.oldest.truncate(ITEMS);
        for item in &mut self.oldest {
            let escaped = item.what.chars().flat_map(|c| {
                let (escape, plain) =
                    if c.is_control() { (Some(c), None) } else { (None, Some(c)) };
                escape.into_iter().flat_map(char::escape_default).chain(plain)
            });
            item.what = escaped.take(TEXT).collect();
        }
        self
    }
}

impl fmt::Display for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} left", self.total)?;
        match self.oldest.first() {
            Some(oldest) if self.total == 1 => write!(f, ": {oldest}"),
            Some(oldest) => write!(f, ", the oldest: {oldest}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for PendingItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, seconds(self.age))
    }
}

/// The callback that says what a waiter waits for.
#[derive(Clone)]
pub(crate) struct PendingFn {
    callback: Arc<dyn Fn() -> Pending + Send + Sync>,
    /// A call has not returned yet.
    is_busy: Arc<AtomicBool>,
}

impl PendingFn {
    pub(crate) fn new(callback: impl Fn() -> Pending + Send + Sync + 'static) -> Self {
        PendingFn { callback: Arc::new(callback), is_busy: Arc::default() }
    }
}

/// Asks all of these at once and answers what came in time. The callbacks are the application's code
/// and may block or panic, so each runs on a thread of its own; one that has not returned is not
/// called again.
pub(crate) fn ask<K: Eq + Hash + Send + 'static>(
    callbacks: Vec<(K, PendingFn)>,
) -> HashMap<K, Pending> {
    let mut answers = HashMap::new();
    if callbacks.is_empty() {
        return answers;
    }
    let until = Instant::now() + PATIENCE;
    let (answer, answered) = sync_channel(callbacks.len());
    for (key, PendingFn { callback, is_busy }) in callbacks {
        if is_busy.swap(true, Ordering::AcqRel) {
            continue;
        }
        let (answer, done) = (answer.clone(), is_busy.clone());
        let call = move || {
            let pending = catch_unwind(AssertUnwindSafe(|| callback()));
            done.store(false, Ordering::Release);
            if let Ok(pending) = pending {
                let _ = answer.try_send((key, pending.bounded()));
            }
        };
        let thread = thread::Builder::new().name("sundown-pending".to_owned()).stack_size(STACK);
        if thread.spawn(call).is_err() {
            is_busy.store(false, Ordering::Release);
        }
    }
    drop(answer);
    while let Ok((key, pending)) =
        answered.recv_timeout(until.saturating_duration_since(Instant::now()))
    {
        answers.insert(key, pending);
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(what: &str) -> PendingItem {
        PendingItem { what: what.to_owned(), age: Duration::from_secs(2) }
    }

    #[test]
    fn a_callback_that_blocks_or_panics_keeps_no_answer_from_the_others() {
        let (release, blocked) = sync_channel::<()>(0);
        let blocked = std::sync::Mutex::new(blocked);
        let good = PendingFn::new(|| Pending { total: 1, oldest: vec![item("GET /a")] });
        let stuck = PendingFn::new(move || {
            let _ = blocked.lock().map(|blocked| blocked.recv());
            Pending::default()
        });
        let panics = PendingFn::new(|| panic!("a bug in the application"));
        for _ in 0..3 {
            let all = vec![(0, stuck.clone()), (1, panics.clone()), (2, good.clone())];
            let answers = ask(all);
            assert_eq!(answers.keys().collect::<Vec<_>>(), [&2]);
        }
        drop(release);
    }

    #[test]
    fn long_lists_and_texts_are_cut_and_control_characters_escaped() {
        let long = "x".repeat(1000);
        let oldest = vec![item("GET /\x1b[2J\nx"), item(&long)];
        let many = oldest.into_iter().chain((0..20).map(|_| item("GET /")));
        let pending = Pending { total: 22, oldest: many.collect() }.bounded();
        assert_eq!(pending.oldest.len(), ITEMS);
        assert_eq!(pending.oldest[0].what, r"GET /\u{1b}[2J\nx");
        assert_eq!(pending.oldest[1].what.len(), TEXT);
    }
}
