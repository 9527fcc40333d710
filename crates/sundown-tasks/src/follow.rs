//! Following a task: its events from any position, on any replica, until it is over.

mod lookout;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use self::lookout::Followed;
pub(crate) use self::lookout::Lookout;
use crate::service::Service;
use crate::store::{Events, Mark, StoreError, TaskEvent};
use crate::{State, TaskId, TaskService};

/// Somebody who follows a task.
pub struct Follower {
    service: Arc<Service>,
    task: TaskId,
    followed: Arc<Followed>,
    /// The number of the last event that was told.
    told: u64,
    read: VecDeque<TaskEvent>,
    state: Option<State>,
    is_over: bool,
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
        let followed = service.lookout.join(task);
        let read = VecDeque::new();
        Follower { service, task, followed, told: after, read, state: None, is_over: false }
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
            let Some(events) = self.followed.read(&*service.store, self.told).await? else {
                return Ok(None);
            };
            let mark = Mark::of(&events);
            if let Some(heard) = self.take(events) {
                return Ok(Some(heard));
            }
            if self.read.is_empty() && self.state.is_none() {
                tokio::select! {
                    biased;
                    () = self.followed.moves(mark) => {}
                    () = service.lookout.keep(&*service.store, &service.settings) => {}
                }
            }
        }
    }

    /// The number of the last event that was told: where another follower can go on.
    pub fn position(&self) -> u64 {
        self.told
    }

    fn over(&mut self, state: State) -> Option<Heard> {
        // Told once; then there is no more.
        let is_told = std::mem::replace(&mut self.is_over, true);
        (!is_told).then_some(Heard::Over(state))
    }

    fn take(&mut self, events: Events) -> Option<Heard> {
        // A position that is not reached yet belongs to nothing this task has told.
        let is_ahead = self.told > events.last;
        if is_ahead || self.told.saturating_add(1) < events.first_kept {
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

impl Drop for Follower {
    fn drop(&mut self) {
        self.service.lookout.leave(&self.followed);
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
