//! One looks for all who follow: however many there are, there is one question to the store for each
//! change, and one for each page that several of them want.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{self, watch};
use tokio::time::{sleep_until, timeout};

use crate::store::{Events, Mark, Store, StoreError};
use crate::{Settings, TaskId};

/// How many events are read at once.
const PAGE: usize = 256;
/// Changes that come closer together than this are looked for together.
const LEAST: Duration = Duration::from_millis(10);
/// It rests so many times as long as it took to look, so that looking never takes most of the store.
const REST: u32 = 4;

/// All tasks that are followed in this process.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    tasks: Mutex<HashMap<TaskId, Arc<Followed>>>,
    /// Held by the one of those who wait who looks for all. When he leaves, the next one does.
    place: sync::Mutex<Rest>,
}

/// Until when nobody looks.
#[derive(Debug, Default)]
struct Rest(Option<tokio::time::Instant>);

/// A task that is followed.
#[derive(Debug)]
pub(super) struct Followed {
    task: TaskId,
    /// How it was seen last.
    mark: watch::Sender<Option<Mark>>,
    page: sync::Mutex<Option<Page>>,
}

/// What was read last.
#[derive(Debug)]
struct Page {
    after: u64,
    read_at: Instant,
    events: Result<Option<Events>, StoreError>,
}

impl Lookout {
    fn tasks(&self) -> MutexGuard<'_, HashMap<TaskId, Arc<Followed>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody begins to follow this task.
    pub(super) fn join(&self, task: TaskId) -> Arc<Followed> {
        let new = || {
            let (mark, page) = (watch::Sender::new(None), sync::Mutex::new(None));
            Arc::new(Followed { task, mark, page })
        };
        self.tasks().entry(task).or_insert_with(new).clone()
    }

    /// Somebody ends to follow it.
    pub(super) fn leave(&self, followed: &Arc<Followed>) {
        let mut tasks = self.tasks();
        // This list has one, and he who leaves.
        if Arc::strong_count(followed) <= 2 {
            tasks.remove(&followed.task);
        }
    }

    /// How many tasks are followed.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.tasks().len()
    }

    /// Looks for all who follow, when it is its turn, for as long as it is awaited.
    pub(super) async fn keep(&self, store: &dyn Store, settings: &Settings) {
        let mut rest = self.place.lock().await;
        // Whoever waits for news looks by himself all the same.
        let longest = settings.poll.saturating_mul(2);
        loop {
            if let Some(until) = rest.0 {
                sleep_until(until).await;
            }
            // Asked for before it is looked, so that nothing that happens meanwhile is missed.
            let (news, began) = (store.told(), Instant::now());
            self.look(store).await;
            let pause = began.elapsed().saturating_mul(REST).min(longest).max(LEAST);
            rest.0 = tokio::time::Instant::now().checked_add(pause);
            let _ = timeout(longest, news).await;
        }
    }

    async fn look(&self, store: &dyn Store) {
        let ids: Vec<TaskId> = self.tasks().keys().copied().collect();
        let marks = store.marks(ids.clone()).await;
        // If there is no answer, each is to ask for himself, and be told why.
        let marks = marks.unwrap_or_else(|_| vec![None; ids.len()]);
        let tasks = self.tasks();
        for (id, mark) in ids.iter().zip(marks) {
            if let Some(followed) = tasks.get(id) {
                followed.is_seen(mark);
            }
        }
    }
}

impl Followed {
    fn is_seen(&self, mark: Option<Mark>) {
        self.mark.send_if_modified(|seen| std::mem::replace(seen, mark) != mark);
    }

    /// Waits until it was seen to be elsewhere than here.
    pub(super) async fn moves(&self, from: Mark) {
        // It fails only when nobody can move it any more.
        let _ = self.mark.subscribe().wait_for(|seen| *seen != Some(from)).await;
    }

    /// What comes after this event. Who waits here while another one reads the same takes what that
    /// one has read.
    pub(super) async fn read(
        &self,
        store: &dyn Store,
        after: u64,
    ) -> Result<Option<Events>, StoreError> {
        let since = Instant::now();
        let mut page = self.page.lock().await;
        let is_same = |page: &&Page| page.after == after && page.read_at >= since;
        if let Some(page) = page.as_ref().filter(is_same) {
            return page.events.clone();
        }
        let events = store.events(self.task, after, PAGE).await;
        if let Ok(events) = &events {
            self.is_seen(events.as_ref().map(Mark::of));
        }
        *page = Some(Page { after, read_at: Instant::now(), events: events.clone() });
        events
    }
}
