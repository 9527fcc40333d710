//! How attempts ended, in their order, until the store knows.

use std::collections::VecDeque;

use crate::store::Ending;
use crate::{Fence, StoreError};

/// How many are written at once.
pub(crate) const BATCH: usize = 512;
/// How large those are together, unless one alone is larger.
const BYTES: usize = 4 * 1024 * 1024;

/// Ends of attempts that are not written yet.
#[derive(Debug)]
pub(crate) struct Endings {
    line: VecDeque<Owed>,
    /// Those of which the store wants to know nothing at all just now.
    aside: Vec<Owed>,
    /// How many are tried together.
    window: usize,
}

#[derive(Debug)]
struct Owed {
    fence: Fence,
    ending: Ending,
    /// Why it cannot be written as it is.
    flaw: Option<String>,
}

impl Default for Endings {
    fn default() -> Self {
        Endings { line: VecDeque::new(), aside: Vec::new(), window: BATCH }
    }
}

impl Endings {
    pub(crate) fn push(&mut self, fence: Fence, ending: Ending) {
        self.line.push_back(Owed { fence, ending, flaw: None });
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.line.len() + self.aside.len()
    }

    /// Those to be written now: the first ones.
    pub(crate) fn next(&self) -> Vec<(Fence, Ending)> {
        let mut bytes = 0;
        let mut next = Vec::new();
        for owed in self.line.iter().take(self.window) {
            bytes += size(&owed.ending);
            if bytes > BYTES && !next.is_empty() {
                break;
            }
            next.push((owed.fence, owed.said()));
        }
        next
    }

    /// So many of the first are on disk.
    pub(crate) fn written(&mut self, count: usize) -> Vec<Fence> {
        self.window = BATCH;
        self.line.drain(..count).map(|owed| owed.fence).collect()
    }

    /// So many of the first cannot be written together. One of them may be the reason: it is found
    /// by halves. One alone is written as a failure, and if that cannot be either, it must not keep
    /// the others waiting. Answers which one that is.
    pub(crate) fn refused(&mut self, count: usize, why: &StoreError) -> Option<Fence> {
        self.window = (count / 2).max(1);
        if count > 1 {
            return None;
        }
        let first = self.line.front_mut()?;
        if first.flaw.is_none() {
            first.flaw = Some(format!("its end could not be written: {why}"));
            return None;
        }
        let mut first = self.line.pop_front()?;
        let fence = first.fence;
        // Where nothing can be written, the flaw is not its own.
        first.flaw = None;
        self.aside.push(first);
        Some(fence)
    }

    pub(crate) fn has_aside(&self) -> bool {
        !self.aside.is_empty()
    }

    /// Tries those again that were put aside.
    pub(crate) fn take_up(&mut self) {
        self.line.extend(self.aside.drain(..));
    }
}

impl Owed {
    fn said(&self) -> Ending {
        match &self.flaw {
            None => self.ending.clone(),
            Some(error) => Ending::FailedForGood { error: error.clone() },
        }
    }
}

fn size(ending: &Ending) -> usize {
    match ending {
        Ending::Succeeded(output) => output.get().len(),
        Ending::Failed { error, .. } | Ending::FailedForGood { error } => error.len(),
        Ending::Interrupted { reason } => reason.len(),
        Ending::Returned | Ending::Stopped => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;
    use crate::TaskId;

    fn fence(task: i64) -> Fence {
        Fence { task: TaskId(task), attempt: 1 }
    }

    fn output(bytes: usize) -> Ending {
        Ending::Succeeded(to_raw_value(&"x".repeat(bytes)).unwrap())
    }

    /// Writes all of them to a store that knows nothing of these tasks: what of each was written, and
    /// how often it was asked.
    fn write(endings: &mut Endings, bad: &[i64], hopeless: &[i64]) -> (Vec<(i64, bool)>, usize) {
        let broken = StoreError::Broken { why: "no such row".to_owned() };
        let (mut written, mut asked) = (Vec::new(), 0);
        loop {
            let next = endings.next();
            if next.is_empty() {
                return (written, asked);
            }
            asked += 1;
            let spoils = |(fence, ending): &(Fence, Ending)| {
                let is_failure = matches!(ending, Ending::FailedForGood { .. });
                hopeless.contains(&fence.task.0) || (bad.contains(&fence.task.0) && !is_failure)
            };
            if next.iter().any(spoils) {
                endings.refused(next.len(), &broken);
                continue;
            }
            endings.written(next.len());
            let is_success = |ending: &Ending| matches!(ending, Ending::Succeeded(_));
            written.extend(next.iter().map(|(fence, end)| (fence.task.0, is_success(end))));
        }
    }

    #[test]
    fn one_that_cannot_be_written_is_written_as_a_failure_and_spoils_no_other() {
        let mut endings = Endings::default();
        (0..1000).for_each(|task| endings.push(fence(task), output(1)));
        let (written, asked) = write(&mut endings, &[0, 313, 999], &[700]);
        let expected: Vec<(i64, bool)> = (0..1000)
            .filter(|task| *task != 700)
            .map(|task| (task, ![0, 313, 999].contains(&task)))
            .collect();
        assert_eq!(written, expected);
        assert!(asked < 200, "it is found by halves: {asked}");
        assert!(endings.has_aside());
        assert_eq!(endings.len(), 1, "and the hopeless one is not forgotten");
        endings.take_up();
        assert_eq!(write(&mut endings, &[], &[]).0, [(700, true)], "the store can again");
        assert_eq!(endings.len(), 0);
    }

    #[test]
    fn what_is_written_at_once_is_bounded_in_number_and_in_size() {
        let mut endings = Endings::default();
        (0..2000).for_each(|task| endings.push(fence(task), output(1)));
        assert_eq!(endings.next().len(), BATCH);
        let mut endings = Endings::default();
        (0..10).for_each(|task| endings.push(fence(task), output(BYTES / 3)));
        assert_eq!(endings.next().len(), 2);
        let mut endings = Endings::default();
        (0..2).for_each(|task| endings.push(fence(task), output(2 * BYTES)));
        assert_eq!(endings.next().len(), 1, "one alone may be as large as it is");
    }
}
