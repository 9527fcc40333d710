//! Following a task: its events from any position, on any replica, until it is over.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::service::Service;
use crate::store::{Events, StoreError, TaskEvent};
use crate::{State, TaskId, TaskService};

/// How many events are read at once.
const PAGE: usize = 256;
/// News of others that come closer together than this are read together.
const LEAST: Duration = Duration::from_millis(10);

/// Somebody who follows a task.
pub struct Follower {
    service: Arc<Service>,
    task: TaskId,
    /// The number of the last event that was told.
    told: u64,
    read: VecDeque<TaskEvent>,
    state: Option<State>,
}

/// What a follower hears.
#[derive(Debug, Clone)]
pub enum Heard {
    /// The next event.
    Event(TaskEvent),
    /// Events are missing: they were forgotten before they were asked for. What comes next is the
    /// event of this number.
    Reset(u64),
    /// The task is over, and everything has been told.
    Over(State),
}

impl TaskService {
    /// Follows a task from behind the event of this number; 0 is the beginning. On another replica it
    /// goes on where it stopped on this one.
    pub fn follow(&self, task: TaskId, after: u64) -> Follower {
        let service = self.inner().clone();
        Follower { service, task, told: after, read: VecDeque::new(), state: None }
    }
}

impl Follower {
    /// What comes next. Nothing when there is no such task, or no more of it.
    ///
    /// # Errors
    ///
    /// When the store does not answer; the follower stands where it was.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Result<Option<Heard>, StoreError> {
        let service = self.service.clone();
        loop {
            if let Some(event) = self.read.pop_front() {
                self.told = event.seq;
                return Ok(Some(Heard::Event(event)));
            }
            if let Some(state) = self.state {
                return Ok(self.over(state));
            }
            // Asked for before it is looked, so that nothing that happens meanwhile is missed.
            let news = service.store.changed();
            let Some(events) = service.store.events(self.task, self.told, PAGE).await? else {
                return Ok(None);
            };
            if let Some(heard) = self.take(events) {
                return Ok(Some(heard));
            }
            if self.read.is_empty() && self.state.is_none() {
                // Whoever waits for news of others looks by itself all the same.
                let _ = timeout(service.settings.poll * 2, news).await;
                sleep(LEAST).await;
            }
        }
    }

    /// The number of the last event that was told: where another follower can go on.
    pub fn position(&self) -> u64 {
        self.told
    }

    fn over(&mut self, state: State) -> Option<Heard> {
        // Told once; then there is no more.
        let is_told = self.told == u64::MAX;
        self.told = u64::MAX;
        (!is_told).then_some(Heard::Over(state))
    }

    fn take(&mut self, events: Events) -> Option<Heard> {
        // A position that is not reached yet belongs to nothing this task has told.
        let is_ahead = self.told > events.last;
        if is_ahead || self.told + 1 < events.first_kept {
            let next = events.first_kept;
            self.told = next.saturating_sub(1);
            return Some(Heard::Reset(next));
        }
        let last = events.events.last().map_or(self.told, |event| event.seq);
        if events.state.is_final() && last == events.last {
            self.state = Some(events.state);
        }
        self.read = events.events.into();
        None
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("task", &self.task)
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}
