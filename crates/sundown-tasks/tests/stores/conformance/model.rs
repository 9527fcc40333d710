//! A store in memory that is as simple as can be, to compare the others with. Where a task goes,
//! it asks the same table; the rest it does in its own way.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use sundown_tasks::{
    Change, Checkpoint, Counts, Ending, Enqueued, Event, Fence, Finish, Lease, NewTask, Progress,
    Route, Standing, State, TaskId, Unserved, Wanted,
};

/// A task.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) new: NewTask,
    pub(crate) standing: Standing,
    pub(crate) attempt: u32,
    /// Which process runs it.
    owner: usize,
    /// Its lease was over when it began.
    is_overdue: bool,
    /// Its time has come.
    is_ready: bool,
    pub(crate) output: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Each with its attempt, in one word.
    pub(crate) events: Vec<(u32, String)>,
}

/// All tasks.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) rows: BTreeMap<TaskId, Row>,
    /// What each process says that it claims.
    pub(crate) served: [Vec<Route>; 2],
}

impl Model {
    /// What must be answered, but for the numbers of what is new: those are as the store says.
    pub(crate) fn enqueue(&mut self, new: &NewTask, limit: u64, said: Enqueued) -> Enqueued {
        let same_key = |row: &Row| new.key.is_some() && row.new.key == new.key;
        if let Some((&id, row)) = self.rows.iter().find(|(_, row)| same_key(row)) {
            let is_same = row.new.kind == new.kind && row.new.input.get() == new.input.get();
            return if is_same { Enqueued::Known(id) } else { Enqueued::KeyTaken(id) };
        }
        if self.counts().pending >= limit {
            return Enqueued::Full;
        }
        let Enqueued::New(id) = said else { panic!("{said:?} instead of a new task") };
        let row = Row {
            new: new.clone(),
            standing: Standing::new(new.max_attempts, new.max_interruptions),
            attempt: 0,
            owner: 0,
            is_overdue: false,
            is_ready: new.run_at.is_none(),
            output: None,
            error: None,
            checkpoint: None,
            events: Vec::new(),
        };
        assert!(self.rows.insert(id, row).is_none(), "{id} is used already");
        Enqueued::New(id)
    }

    pub(crate) fn claim(
        &mut self,
        owner: usize,
        kinds: &[Wanted],
        limit: usize,
        is_overdue: bool,
    ) -> Vec<Fence> {
        let mut found = Vec::new();
        for wanted in kinds {
            let fits = |row: &Row| {
                let is_wanted = row.new.route.is_empty() || wanted.routes.contains(&row.new.route);
                row.is_ready && row.new.kind == wanted.kind && is_wanted
            };
            let pending = self.rows.iter().filter(|(_, row)| row.standing.state == State::Pending);
            let mut of_kind: Vec<_> = pending
                .filter(|(_, row)| fits(row))
                .map(|(&id, row)| (Reverse(row.new.priority), id))
                .collect();
            of_kind.sort_unstable();
            found.extend(of_kind.into_iter().take(wanted.count));
        }
        found.sort_unstable();
        found.truncate(limit);
        let begin = |(_, task)| {
            let row = self.rows.get_mut(&task).unwrap();
            row.standing = row.standing.next(Event::Claimed).unwrap();
            row.attempt += 1;
            (row.owner, row.is_overdue) = (owner, is_overdue);
            Fence { task, attempt: row.attempt }
        };
        found.into_iter().map(begin).collect()
    }

    /// The task of an attempt that is under way in this process.
    fn held(&mut self, owner: usize, fence: Fence) -> Option<&mut Row> {
        let row = self.rows.get_mut(&fence.task)?;
        let is_held = row.standing.state == State::Running
            && row.attempt == fence.attempt
            && row.owner == owner;
        is_held.then_some(row)
    }

    pub(crate) fn renew(&mut self, owner: usize, fence: Fence, is_overdue: bool) -> Lease {
        let Some(row) = self.held(owner, fence) else { return Lease::Lost };
        row.is_overdue = is_overdue;
        if row.standing.is_unwanted { Lease::Unwanted } else { Lease::Held }
    }

    pub(crate) fn finish(&mut self, owner: usize, fence: Fence, ending: &Ending) -> Finish {
        let Some(row) = self.held(owner, fence) else { return Finish::Superseded };
        row.is_ready = true;
        let event = match ending {
            Ending::Succeeded(output) => {
                (row.output, row.error) = (Some(output.get().to_owned()), None);
                Event::Succeeded
            }
            Ending::Failed { error, retry_in } => {
                row.is_ready = retry_in.is_zero();
                row.failed("failed", error);
                Event::Failed
            }
            Ending::FailedForGood { error } => {
                row.failed("failed", error);
                Event::FailedForGood
            }
            Ending::Interrupted { reason } => {
                row.failed("interrupted", reason);
                Event::Interrupted
            }
            Ending::Returned => Event::Returned,
            Ending::Declined { reason, again_in } => {
                row.is_ready = again_in.is_zero();
                row.error = Some(reason.clone());
                Event::Returned
            }
            Ending::Stopped => Event::Stopped,
        };
        row.standing = row.standing.next(event).unwrap();
        Finish::Now(row.standing.state)
    }

    pub(crate) fn progress(&mut self, owner: usize, news: &Progress) -> Option<u64> {
        let row = self.held(owner, news.fence)?;
        if let Some(event) = &news.event {
            row.events.push((row.attempt, event.get().to_owned()));
        }
        row.checkpoint = news.checkpoint.clone().or(row.checkpoint.take());
        Some(row.events.len() as u64)
    }

    /// In the order of the tasks.
    pub(crate) fn rescue(&mut self) -> Vec<(Fence, State)> {
        let running = self.rows.iter_mut().filter(|(_, row)| row.standing.state == State::Running);
        let take_back = |(&task, row): (&TaskId, &mut Row)| {
            let fence = Fence { task, attempt: row.attempt };
            // Each store says it in its own words.
            row.failed("interrupted", "");
            row.is_ready = true;
            row.standing = row.standing.next(Event::Interrupted).unwrap();
            (fence, row.standing.state)
        };
        running.filter(|(_, row)| row.is_overdue).map(take_back).collect()
    }

    pub(crate) fn cancel(&mut self, task: TaskId) -> Change {
        self.wish(task, Event::Cancelled)
    }

    pub(crate) fn requeue(&mut self, task: TaskId) -> Change {
        let change = self.wish(task, Event::Requeued);
        if let (Change::Now(_), Some(row)) = (change, self.rows.get_mut(&task)) {
            (row.output, row.error, row.checkpoint) = (None, None, None);
            row.is_ready = true;
            row.events.push((row.attempt, "requeued".to_owned()));
        }
        change
    }

    fn wish(&mut self, task: TaskId, event: Event) -> Change {
        let Some(row) = self.rows.get_mut(&task) else { return Change::Unknown };
        let Ok(to) = row.standing.next(event) else {
            return Change::Impossible(row.standing.state);
        };
        row.standing = to;
        Change::Now(to.state)
    }

    pub(crate) fn discard(&mut self, task: TaskId) -> Change {
        let Some(state) = self.rows.get(&task).map(|row| row.standing.state) else {
            return Change::Unknown;
        };
        if !state.is_final() {
            return Change::Impossible(state);
        }
        self.rows.remove(&task);
        Change::Now(state)
    }

    /// All that is over.
    pub(crate) fn purge(&mut self) -> u64 {
        let before = self.rows.len();
        self.rows.retain(|_, row| !row.standing.state.is_final());
        (before - self.rows.len()) as u64
    }

    pub(crate) fn unserved(&self) -> Vec<Unserved> {
        let mut missing = BTreeMap::new();
        for row in self.rows.values() {
            let route = Route { kind: row.new.kind.clone(), name: row.new.route.clone() };
            let is_pending = row.standing.state == State::Pending && row.is_ready;
            if is_pending && !self.served.iter().flatten().any(|served| *served == route) {
                *missing.entry(route).or_insert(0) += 1;
            }
        }
        missing.into_iter().map(|(route, tasks)| Unserved { route, tasks }).collect()
    }

    pub(crate) fn counts(&self) -> Counts {
        let count = |states: &[State]| {
            self.rows.values().filter(|row| states.contains(&row.standing.state)).count() as u64
        };
        Counts {
            pending: count(&[State::Pending]),
            running: count(&[State::Running]),
            dead: count(&[State::Failed, State::Dead]),
        }
    }
}

impl Row {
    fn failed(&mut self, what: &str, why: &str) {
        self.error = Some(why.to_owned());
        self.events.push((self.attempt, what.to_owned()));
    }
}
