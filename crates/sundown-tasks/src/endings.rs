//! How attempts ended, in their order, until the store knows.

use std::array;
use std::collections::VecDeque;

use crate::store::Ending;
use crate::{Fence, StoreError};

/// How many are written at once.
pub(crate) const BATCH: usize = 512;
/// How large those are together, unless one alone is larger.
const BYTES: usize = 4 * 1024 * 1024;

/// Who writes: while the disk is waited for, the next batch is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Writer(usize);

impl Writer {
    const COUNT: usize = 2;

    pub(crate) fn all() -> [Self; Self::COUNT] {
        array::from_fn(Writer)
    }
}

/// Ends of attempts that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Endings {
    /// Those that nobody writes yet.
    new: VecDeque<Owed>,
    /// Those of each writer.
    lines: [Line; Writer::COUNT],
}

/// Those that one writer has to write.
#[derive(Debug)]
struct Line {
    /// A batch at the most.
    owed: VecDeque<Owed>,
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

impl Default for Line {
    fn default() -> Self {
        Line { owed: VecDeque::new(), aside: Vec::new(), window: BATCH }
    }
}

impl Endings {
    pub(crate) fn push(&mut self, fence: Fence, ending: Ending) {
        self.new.push_back(Owed { fence, ending, flaw: None });
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        let taken = self.lines.iter().map(|line| line.owed.len() + line.aside.len());
        self.new.len() + taken.sum::<usize>()
    }

    /// Those that this one is to write now. They are its own until it says how that went.
    pub(crate) fn next(&mut self, writer: Writer) -> Vec<(Fence, Ending)> {
        let line = &mut self.lines[writer.0];
        if line.owed.is_empty() {
            line.fill(&mut self.new);
        }
        line.next()
    }

    /// So many of its first are on disk.
    pub(crate) fn written(&mut self, writer: Writer, count: usize) -> Vec<Fence> {
        let line = &mut self.lines[writer.0];
        line.window = BATCH;
        line.owed.drain(..count).map(|owed| owed.fence).collect()
    }

    /// So many of its first cannot be written together. One of them may be the reason: it is found
    /// by halves. One alone is written as a failure, and if that cannot be either, it must not keep
    /// the others waiting. Answers which one that is.
    pub(crate) fn refused(
        &mut self,
        writer: Writer,
        count: usize,
        why: &StoreError,
    ) -> Option<Fence> {
        let line = &mut self.lines[writer.0];
        line.window = (count / 2).max(1);
        if count > 1 {
            return None;
        }
        let first = line.owed.front_mut()?;
        if first.flaw.is_none() {
            first.flaw = Some(format!("its end could not be written: {why}"));
            return None;
        }
        let mut first = line.owed.pop_front()?;
        let fence = first.fence;
        // Where nothing can be written, the flaw is not its own.
        first.flaw = None;
        line.aside.push(first);
        Some(fence)
    }

    /// Whether it has put some aside.
    pub(crate) fn has_aside(&self, writer: Writer) -> bool {
        !self.lines[writer.0].aside.is_empty()
    }

    /// Has those tried again that it put aside.
    pub(crate) fn take_up(&mut self, writer: Writer) {
        self.new.extend(self.lines[writer.0].aside.drain(..));
    }
}

impl Line {
    /// Takes a batch of these.
    fn fill(&mut self, new: &mut VecDeque<Owed>) {
        let count = within(BYTES, new.iter().take(BATCH));
        self.owed.extend(new.drain(..count));
    }

    fn next(&self) -> Vec<(Fence, Ending)> {
        self.owed.iter().take(self.window).map(|owed| (owed.fence, owed.said())).collect()
    }
}

/// How many of the first of these come to so many bytes; one at least, if there is one.
fn within<'a>(limit: usize, owed: impl Iterator<Item = &'a Owed>) -> usize {
    let mut bytes = 0;
    let fits = owed.enumerate().take_while(|(place, owed)| {
        bytes += size(&owed.ending);
        *place == 0 || bytes <= limit
    });
    fits.count()
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
        Ending::Interrupted { reason } | Ending::Declined { reason, .. } => reason.len(),
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
        let mut writers = Writer::all().into_iter().cycle();
        let mut idle = 0;
        while idle < Writer::COUNT {
            let writer = writers.next().unwrap();
            let next = endings.next(writer);
            if next.is_empty() {
                idle += 1;
                continue;
            }
            (idle, asked) = (0, asked + 1);
            let spoils = |(fence, ending): &(Fence, Ending)| {
                let is_failure = matches!(ending, Ending::FailedForGood { .. });
                hopeless.contains(&fence.task.0) || (bad.contains(&fence.task.0) && !is_failure)
            };
            if next.iter().any(spoils) {
                endings.refused(writer, next.len(), &broken);
                continue;
            }
            endings.written(writer, next.len());
            let is_success = |ending: &Ending| matches!(ending, Ending::Succeeded(_));
            written.extend(next.iter().map(|(fence, end)| (fence.task.0, is_success(end))));
        }
        written.sort_unstable();
        (written, asked)
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
        assert_eq!(endings.len(), 1, "and the hopeless one is not forgotten");
        Writer::all().into_iter().for_each(|writer| endings.take_up(writer));
        assert_eq!(write(&mut endings, &[], &[]).0, [(700, true)], "the store can again");
        assert_eq!(endings.len(), 0);
    }

    #[test]
    fn what_is_written_at_once_is_bounded_in_number_and_in_size() {
        let first_batch = |count, bytes| {
            let mut endings = Endings::default();
            (0..count).for_each(|task| endings.push(fence(task), output(bytes)));
            endings.next(Writer(0)).len()
        };
        assert_eq!(first_batch(2000, 1), BATCH);
        assert_eq!(first_batch(10, BYTES / 3), 2);
        assert_eq!(first_batch(2, 2 * BYTES), 1, "one alone may be as large as it is");
    }

    #[test]
    fn a_batch_belongs_to_one_writer_until_it_is_written() {
        let mut endings = Endings::default();
        (0..1000).for_each(|task| endings.push(fence(task), output(1)));
        let [first, second] = Writer::all();
        let fences = |batch: Vec<(Fence, Ending)>| -> Vec<Fence> {
            batch.into_iter().map(|(fence, _)| fence).collect()
        };
        let batch = fences(endings.next(first));
        assert_eq!(fences(endings.next(first)), batch, "it was interrupted, and begins again");
        let other = fences(endings.next(second));
        assert!(other.iter().all(|fence| !batch.contains(fence)));
        assert_eq!(endings.len(), 1000);
        assert_eq!(endings.written(second, other.len()), other);
        assert_eq!(endings.written(first, batch.len()), batch);
        assert_eq!(endings.len(), 0);
    }
}
