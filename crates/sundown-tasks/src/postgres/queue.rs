//! The questions that wait, and which of them are answered next.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::question::{Batch, Call, Kind};
use crate::{StoreError, TaskId};

/// A transaction larger than this keeps others waiting for long.
pub(super) const ROWS: usize = 2000;

/// The same, in bytes.
const BYTES: usize = 4 << 20;

/// At how many connections at a time tasks are taken in: more of them make smaller transactions.
const INTAKES: usize = 3;

/// At how many it is read for those who follow: what they ask is joined, and nobody who has a lease to
/// keep or an end to write is to wait behind them.
const READERS: usize = 1;

/// Questions in the order in which they were asked. Whoever writes about a task waits until what was
/// asked about it before has been answered.
pub(super) struct Queue {
    state: Mutex<Waiting>,
    bell: Notify,
}

struct Waiting {
    calls: VecDeque<Call>,
    busy: HashSet<TaskId>,
    intakes: usize,
    readers: usize,
    is_closed: bool,
    last_answer: Instant,
}

/// Questions that a connection has taken, and the tasks that are kept for it.
pub(super) struct Taken {
    pub(super) batch: Batch,
    pub(super) held: Held,
}

/// What others must not touch meanwhile.
pub(super) struct Held {
    kind: Kind,
    tasks: Vec<TaskId>,
}

impl Queue {
    pub(super) fn new() -> Self {
        let state = Waiting {
            calls: VecDeque::new(),
            busy: HashSet::new(),
            intakes: 0,
            readers: 0,
            is_closed: false,
            last_answer: Instant::now(),
        };
        Queue { state: Mutex::new(state), bell: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a question, or refuses it when the store is closed.
    pub(super) fn push(&self, call: Call) {
        let mut state = self.lock();
        if state.is_closed {
            drop(state);
            return call.refuse(StoreError::Closed);
        }
        // Leases first: they do not wait.
        if call.kind() == Kind::Renew {
            state.calls.push_front(call);
        } else {
            state.calls.push_back(call);
        }
        drop(state);
        self.bell.notify_one();
    }

    /// Takes no more questions in.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.bell.notify_waiters();
        self.bell.notify_one();
    }

    /// What is to be answered next; nothing when the store is closed and all is answered.
    pub(super) async fn take(&self) -> Option<Taken> {
        loop {
            let rung = self.bell.notified();
            {
                let mut state = self.lock();
                if let Some(taken) = state.take() {
                    let is_more = !state.calls.is_empty();
                    drop(state);
                    if is_more {
                        self.bell.notify_one();
                    }
                    return Some(taken);
                }
                if state.is_closed && state.calls.is_empty() {
                    drop(state);
                    // The others are to see it too.
                    self.bell.notify_one();
                    return None;
                }
            }
            rung.await;
        }
    }

    /// What was taken is answered.
    pub(super) fn done(&self, held: &Held) {
        let mut state = self.lock();
        for task in &held.tasks {
            state.busy.remove(task);
        }
        if let Some((count, _)) = state.bound(held.kind) {
            *count -= 1;
        }
        let is_more = !state.calls.is_empty();
        drop(state);
        if is_more {
            self.bell.notify_one();
        }
    }

    /// The server answered: it is there.
    pub(super) fn is_heard(&self) {
        self.lock().last_answer = Instant::now();
    }

    /// Refuses what has waited for too long for a server that says nothing.
    pub(super) fn expire(&self, patience: Duration) {
        let mut state = self.lock();
        if state.last_answer.elapsed() < patience {
            return;
        }
        let calls = std::mem::take(&mut state.calls).into_iter();
        let (expired, left): (VecDeque<_>, VecDeque<_>) =
            calls.partition(|call| call.since().elapsed() >= patience);
        state.calls = left;
        drop(state);
        for call in expired {
            let why = format!("the server did not answer for {} s", patience.as_secs_f32());
            call.refuse(StoreError::Unavailable { why });
        }
    }
}

impl Waiting {
    /// At how many connections this is asked just now, and how many are the most; if there is a bound.
    fn bound(&mut self, kind: Kind) -> Option<(&mut usize, usize)> {
        match kind {
            Kind::Enqueue => Some((&mut self.intakes, INTAKES)),
            Kind::Follow | Kind::Marks => Some((&mut self.readers, READERS)),
            Kind::Claim
            | Kind::Renew
            | Kind::Finish
            | Kind::Progress
            | Kind::Rescue
            | Kind::Wish
            | Kind::ChangeAll
            | Kind::CountAll
            | Kind::Purge
            | Kind::Get
            | Kind::List
            | Kind::Count
            | Kind::Unwanted
            | Kind::Advertise
            | Kind::Missing
            | Kind::Tell => None,
        }
    }

    /// The first question whose turn it is, and those that go with it.
    fn take(&mut self) -> Option<Taken> {
        let mut passed = HashSet::new();
        let mut left = VecDeque::with_capacity(self.calls.len());
        let mut own: HashSet<TaskId> = HashSet::new();
        let (mut rows, mut bytes) = (0, 0);
        let mut batch: Option<Batch> = None;
        while let Some(call) = self.calls.pop_front() {
            let tasks = call.tasks();
            let fits = rows + call.rows() <= ROWS && bytes + call.bytes() <= BYTES;
            let is_free = !tasks.iter().any(|task| {
                self.busy.contains(task)
                    || passed.contains(task)
                    || (own.contains(task) && !call.joins_itself())
            });
            let is_next = match &batch {
                None => self.bound(call.kind()).is_none_or(|(count, most)| *count < most),
                Some(batch) => fits && call.joins(batch),
            };
            if !(is_free && is_next) {
                passed.extend(tasks);
                left.push_back(call);
                if rows >= ROWS || bytes >= BYTES {
                    break;
                }
                continue;
            }
            rows += call.rows();
            bytes += call.bytes();
            own.extend(tasks);
            match &mut batch {
                None => batch = Some(Batch::of(call)),
                Some(batch) => batch.push(call),
            }
        }
        left.append(&mut self.calls);
        self.calls = left;
        let batch = batch?;
        self.busy.extend(&own);
        if let Some((count, _)) = self.bound(batch.kind()) {
            *count += 1;
        }
        let held = Held { kind: batch.kind(), tasks: own.into_iter().collect() };
        Some(Taken { batch, held })
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::super::claims::Renew;
    use super::super::listing::Get;
    use super::super::question::{Asked, Question};
    use super::super::told::{Follow, Marks};
    use super::*;

    fn asked<Q: Question>(question: Q) -> Call
    where
        Call: From<Asked<Q>>,
    {
        let (reply, _) = oneshot::channel();
        Asked { question, reply, since: Instant::now(), _place: None }.into()
    }

    #[test]
    fn leases_come_first_and_those_who_follow_take_one_connection() {
        let queue = Queue::new();
        let take = || queue.lock().take();
        let follow = |task| asked(Follow { task: TaskId(task), after: 0, limit: 256 });
        for task in 1..=3 {
            queue.push(follow(task));
        }
        queue.push(asked(Get(TaskId(1))));
        queue.push(asked(Renew { attempts: Vec::new(), lease: Duration::ZERO }));
        assert_eq!(take().unwrap().batch.kind(), Kind::Renew);
        let followed = take().unwrap();
        assert!(matches!(&followed.batch, Batch::Follow(all) if all.len() == 3));
        queue.push(follow(4));
        queue.push(asked(Marks { tasks: Vec::new() }));
        assert_eq!(take().unwrap().batch.kind(), Kind::Get);
        assert!(take().is_none(), "one connection is enough for all who follow");
        queue.done(&followed.held);
        assert_eq!(take().unwrap().batch.kind(), Kind::Follow);
    }

    #[test]
    fn whoever_waited_too_long_is_told_wherever_he_stands() {
        let queue = Queue::new();
        let (reply, mut answer) = oneshot::channel();
        let since = Instant::now().checked_sub(Duration::from_secs(60)).unwrap();
        let question = Get(TaskId(1));
        queue.push(Asked { question, reply, since, _place: None }.into());
        queue.push(asked(Renew { attempts: Vec::new(), lease: Duration::ZERO }));
        queue.lock().last_answer = since;
        queue.expire(Duration::from_secs(30));
        assert!(answer.try_recv().unwrap().unwrap_err().is_passing());
        assert_eq!(queue.lock().calls.len(), 1);
    }
}
