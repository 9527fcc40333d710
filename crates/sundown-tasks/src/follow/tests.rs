//! However many follow, the store is asked as if it were one.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::value::RawValue;
use sundown::Coordinator;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::{
    Answer, Change, Claim, Counts, Ending, Enqueued, Entry, Events, Fence, Filter, Finish, Heard,
    Incarnation, Lease, Mark, NewTask, Operation, Progress, Rescued, Selected, Selection, Settings,
    SqliteSettings, SqliteStore, State, Store, TaskId, TaskService, Wanted,
};

const PATIENCE: Duration = Duration::from_secs(20);
const FOLLOWERS: usize = 200;

/// A store that counts how often it is asked for events, and for marks.
#[derive(Debug)]
struct Counting {
    store: SqliteStore,
    pages: AtomicUsize,
    marks: AtomicUsize,
}

impl Counting {
    fn asked(&self) -> (usize, usize) {
        (self.pages.load(Ordering::SeqCst), self.marks.load(Ordering::SeqCst))
    }
}

/// Passes on what is asked.
macro_rules! pass_on {
    ($($name:ident($($value:ident: $kind:ty),*) -> $answer:ty;)*) => {$(
        fn $name(&self, $($value: $kind),*) -> $answer { self.store.$name($($value),*) }
    )*};
}

impl Store for Counting {
    pass_on! {
        incarnation() -> Incarnation;
        identity() -> &str;
        is_shared() -> bool;
        enqueue(tasks: Vec<NewTask>, limit: u64) -> Answer<'_, Vec<Enqueued>>;
        claim(kinds: Vec<Wanted>, limit: usize, lease: Duration) -> Answer<'_, Vec<Claim>>;
        renew(attempts: Vec<Fence>, lease: Duration) -> Answer<'_, Vec<Lease>>;
        finish(endings: Vec<(Fence, Ending)>) -> Answer<'_, Vec<Finish>>;
        progress(news: Vec<Progress>) -> Answer<'_, Vec<Option<u64>>>;
        rescue(limit: usize) -> Answer<'_, Vec<Rescued>>;
        cancel(task: TaskId) -> Answer<'_, Change>;
        requeue(task: TaskId) -> Answer<'_, Change>;
        discard(task: TaskId) -> Answer<'_, Change>;
        change_all(operation: Operation, selection: Selection) -> Answer<'_, Selected>;
        count_all(selection: Selection) -> Answer<'_, Selected>;
        get(task: TaskId) -> Answer<'_, Option<Entry>>;
        list(filter: Filter) -> Answer<'_, Vec<Entry>>;
        counts() -> Answer<'_, Counts>;
        purge(ended_before: Duration, limit: usize) -> Answer<'_, u64>;
        changed() -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
        told() -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
        close() -> Answer<'_, ()>;
    }

    fn events(&self, task: TaskId, after: u64, limit: usize) -> Answer<'_, Option<Events>> {
        self.pages.fetch_add(1, Ordering::SeqCst);
        self.store.events(task, after, limit)
    }

    fn marks(&self, tasks: Vec<TaskId>) -> Answer<'_, Vec<Option<Mark>>> {
        self.marks.fetch_add(1, Ordering::SeqCst);
        self.store.marks(tasks)
    }
}

/// A service that runs nothing, and its store.
struct Desk {
    service: TaskService,
    store: Arc<Counting>,
    directory: PathBuf,
}

impl Desk {
    fn open(test: &str) -> Self {
        let name = format!("sundown-follow-{}-{test}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let store = SqliteStore::open(SqliteSettings::new(directory.join("tasks.db"))).unwrap();
        let store = Arc::new(Counting { store, pages: 0.into(), marks: 0.into() });
        let coordinator = Coordinator::builder().build().unwrap();
        let service =
            TaskService::start(coordinator, store.clone(), [], Settings::default()).unwrap();
        Desk { service, store, directory }
    }

    async fn running(&self) -> Fence {
        let input = RawValue::NULL.to_owned();
        let new = NewTask {
            kind: "a".to_owned(),
            route: String::new(),
            input,
            key: None,
            priority: 0,
            run_at: None,
            max_attempts: 1,
            max_interruptions: 1,
        };
        self.store.enqueue(vec![new], 1000).await.unwrap();
        let wanted = Wanted { kind: "a".to_owned(), routes: [].into(), count: 1 };
        self.store.claim(vec![wanted], 1, 3 * PATIENCE).await.unwrap()[0].fence
    }

    async fn tell(&self, fence: Fence) {
        let event = Some(RawValue::NULL.to_owned());
        let news = Progress { fence, event, checkpoint: None };
        assert!(self.store.progress(vec![news]).await.unwrap()[0].is_some());
    }

    /// Many who follow that task and report the number of each event.
    fn followers(&self, task: TaskId) -> (JoinSet<()>, mpsc::Receiver<u64>) {
        let (said, hear) = mpsc::channel(FOLLOWERS);
        let mut all = JoinSet::new();
        for _ in 0..FOLLOWERS {
            let (mut follower, said) = (self.service.follow(task, 0), said.clone());
            all.spawn(async move {
                while let Ok(Some(Heard::Event(event))) = follower.next().await {
                    said.send(event.seq).await.unwrap();
                }
            });
        }
        (all, hear)
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

async fn all_hear(hear: &mut mpsc::Receiver<u64>, seq: u64) {
    for _ in 0..FOLLOWERS {
        assert_eq!(timeout(PATIENCE, hear.recv()).await.unwrap(), Some(seq));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_herd_reads_once_for_each_change_and_not_for_changes_elsewhere() {
    let desk = Desk::open("herd");
    let (quiet, loud) = (desk.running().await, desk.running().await);
    let (_all, mut hear) = desk.followers(quiet.task);
    desk.tell(quiet).await;
    all_hear(&mut hear, 1).await;
    let (pages, marks) = desk.store.asked();
    for _ in 0..50 {
        desk.tell(loud).await;
        sleep(Duration::from_millis(10)).await;
    }
    let (after, looks) = desk.store.asked();
    // Some may have been on their way back to their places.
    assert!(after - pages <= FOLLOWERS, "{} pages were read for nothing", after - pages);
    assert!(looks - marks <= 3 * FOLLOWERS, "it was looked {} times", looks - marks);

    sleep(Duration::from_millis(300)).await;
    let (pages, _) = desk.store.asked();
    desk.tell(quiet).await;
    all_hear(&mut hear, 2).await;
    let (after, _) = desk.store.asked();
    assert!(after - pages < FOLLOWERS, "{} pages for one event", after - pages);
    assert_eq!(desk.service.inner().lookout.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_herd_looks_as_one() {
    let desk = Desk::open("idle");
    let quiet = desk.running().await;
    let (mut all, mut hear) = desk.followers(quiet.task);
    desk.tell(quiet).await;
    all_hear(&mut hear, 1).await;
    sleep(Duration::from_millis(500)).await;
    let (pages, marks) = desk.store.asked();
    sleep(Duration::from_secs(1)).await;
    let (after, looks) = desk.store.asked();
    assert_eq!(after - pages, 0);
    assert!((1..100).contains(&(looks - marks)), "it was looked {} times", looks - marks);
    all.shutdown().await;
    assert_eq!(desk.service.inner().lookout.len(), 0, "nobody follows any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_goes_on_behind_the_end_hears_only_the_end() {
    let desk = Desk::open("position");
    let fence = desk.running().await;
    desk.tell(fence).await;
    let output = RawValue::NULL.to_owned();
    desk.store.finish(vec![(fence, Ending::Succeeded(output))]).await.unwrap();
    let mut follower = desk.service.follow(fence.task, 0);
    assert!(matches!(follower.next().await.unwrap(), Some(Heard::Event(event)) if event.seq == 1));
    assert!(matches!(follower.next().await.unwrap(), Some(Heard::Over(State::Succeeded))));
    assert!(follower.next().await.unwrap().is_none());
    assert_eq!(follower.position(), 1);
    let mut next = desk.service.follow(fence.task, follower.position());
    assert!(matches!(next.next().await.unwrap(), Some(Heard::Over(State::Succeeded))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_waits_when_the_store_closes_is_told() {
    let desk = Desk::open("closed");
    let fence = desk.running().await;
    let (mut all, _hear) = desk.followers(fence.task);
    sleep(Duration::from_millis(100)).await;
    desk.store.close().await.unwrap();
    let ended = async { while all.join_next().await.is_some() {} };
    timeout(PATIENCE, ended).await.unwrap();
}
