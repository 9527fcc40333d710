//! Connections are lost and servers end, and nothing that was acknowledged is.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sundown_drill::postgres::{Fsync, Pooler, Server, Stop};
use sundown_tasks::{
    Enqueued, Filter, Finish, PostgresSettings, PostgresStore, Progress, State, Store, StoreError,
    TaskId,
};
use tokio::task::JoinSet;

use crate::ground::*;

/// What was acknowledged while the server came and went.
#[derive(Default)]
struct Acknowledged {
    taken_in: HashSet<TaskId>,
    done: HashSet<TaskId>,
    told: Vec<(TaskId, u64)>,
    refused: usize,
}

/// Enqueues, claims, tells and finishes until it is told to stop.
async fn load(store: Arc<PostgresStore>, is_over: Arc<AtomicBool>) -> Acknowledged {
    let mut seen = Acknowledged::default();
    while !is_over.load(Ordering::Relaxed) {
        match store.enqueue(vec![task("load"); 2], u64::MAX).await {
            Ok(answers) => seen.taken_in.extend(answers.iter().map(|answer| match answer {
                Enqueued::New(id) => *id,
                other => panic!("{other:?}"),
            })),
            Err(error) => passing(&error, &mut seen),
        }
        if let Err(error) = work(&store, &mut seen).await {
            passing(&error, &mut seen);
        }
    }
    seen
}

async fn work(store: &PostgresStore, seen: &mut Acknowledged) -> Result<(), StoreError> {
    let wanted = sundown_tasks::Wanted { kind: "load".to_owned(), routes: [].into(), count: 2 };
    for claim in store.claim(vec![wanted], 2, LEASE).await? {
        let event = Some(json("{\"half\": true}"));
        let news = Progress { fence: claim.fence, event, checkpoint: None };
        match store.progress(vec![news]).await?[..] {
            [Some(seq)] => seen.told.push((claim.fence.task, seq)),
            ref other => panic!("an attempt lost its lease: {other:?}"),
        }
        let finished = store.finish(vec![(claim.fence, succeeded())]).await?;
        assert_eq!(finished, [Finish::Now(State::Succeeded)], "nobody else has it");
        seen.done.insert(claim.fence.task);
    }
    Ok(())
}

fn passing(error: &StoreError, seen: &mut Acknowledged) {
    assert!(error.is_passing(), "{error}");
    seen.refused += 1;
}

/// Puts a load on a store, does that to the server, and looks for what was acknowledged.
async fn check(server: &Server, settings: PostgresSettings, strike: impl AsyncFnOnce(&Server)) {
    let store = open(settings).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut loads = JoinSet::new();
    for _ in 0..16 {
        loads.spawn(load(Arc::clone(&store), Arc::clone(&is_over)));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    strike(server).await;
    // Tasks are numbered from 1, with gaps where a transaction was lost.
    let newest = || Filter { limit: 1, ..Filter::default() };
    let has_load = async || {
        store.list(newest()).await.unwrap().first().is_some_and(|task| task.id > TaskId(150))
    };
    until("there was a load", has_load).await;
    is_over.store(true, Ordering::Relaxed);
    let (mut taken_in, mut done, mut refused) = (0, 0, 0);
    for seen in loads.join_all().await {
        for id in &seen.taken_in {
            assert!(store.get(*id).await.unwrap().is_some(), "task {id} is lost");
        }
        for id in &seen.done {
            assert_eq!(store.get(*id).await.unwrap().unwrap().state, State::Succeeded);
        }
        for (id, seq) in &seen.told {
            let events = store.events(*id, 0, 10).await.unwrap().unwrap();
            assert!(events.last >= *seq && events.events.len() as u64 == events.last);
        }
        taken_in += seen.taken_in.len();
        done += seen.done.len();
        refused += seen.refused;
    }
    println!("{taken_in} taken in, {done} done, {refused} refused");
    assert!(taken_in > 0 && done > 0, "there was a load");
    counted(&store).await;
}

/// The counts are those of the tasks that are there.
async fn counted(store: &PostgresStore) {
    let all = |state| Filter { state: Some(state), limit: 1_000_000, ..Filter::default() };
    let pending = store.list(all(State::Pending)).await.unwrap().len() as u64;
    let running = store.list(all(State::Running)).await.unwrap().len() as u64;
    let counts = store.counts().await.unwrap();
    assert_eq!((counts.pending, counts.running), (pending, running));
}

async fn restart(server: &Server, stop: Stop) {
    // On this thread, while the others go on.
    tokio::task::block_in_place(|| server.restart(stop).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn restarts_under_load_lose_nothing() {
    let server = Server::start(Fsync::On).unwrap();
    let patient = settings(&server).patience(PATIENCE);
    check(&server, patient, async |server| {
        for stop in [Stop::Fast, Stop::Immediate, Stop::Kill] {
            restart(server, stop).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_killed_server_behind_a_pooler_loses_nothing() {
    let server = Server::start(Fsync::On).unwrap();
    let pooler = Pooler::start(&server).unwrap();
    let behind = PostgresSettings::new(pooler.url_of("postgres")).listen(None).patience(PATIENCE);
    check(&server, behind, async |server| {
        for _ in 0..2 {
            restart(server, Stop::Kill).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn terminated_connections_lose_nothing() {
    let server = Server::start(Fsync::On).unwrap();
    let patient = settings(&server).patience(PATIENCE);
    check(&server, patient, async |server| {
        let kill = "select pg_terminate_backend(pid) from pg_stat_activity \
             where application_name = 'sundown'";
        for _ in 0..30 {
            tokio::task::block_in_place(|| server.sql("postgres", kill).unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_are_told_when_their_patience_ends_and_served_when_it_is_back() {
    let server = Server::start(Fsync::Off).unwrap();
    let store = open(settings(&server).patience(Duration::from_millis(500))).await;
    let fence = running(&store, "a").await;
    server.stop(Stop::Fast).unwrap();
    let asked = Instant::now();
    let mut waiting = JoinSet::new();
    for _ in 0..20 {
        let store = Arc::clone(&store);
        waiting.spawn(async move { store.enqueue(vec![task("a")], u64::MAX).await });
    }
    for answer in waiting.join_all().await {
        let error = answer.unwrap_err();
        assert!(error.is_passing() && error.to_string().len() > 40, "{error}");
    }
    let took = asked.elapsed();
    assert!(took > Duration::from_millis(400) && took < Duration::from_secs(20), "{took:?}");
    server.resume().unwrap();
    until("it is back", async || store.counts().await.is_ok()).await;
    assert_eq!(store.finish(vec![(fence, succeeded())]).await.unwrap().len(), 1);
    assert_eq!(store.counts().await.unwrap().running, 0);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_in_time() {
    let nobody = PostgresSettings::new("postgres://nobody@127.0.0.1:1/nothing");
    let asked = Instant::now();
    let error = PostgresStore::connect(nobody.patience(Duration::from_millis(300))).await;
    assert!(error.unwrap_err().is_passing());
    assert!(asked.elapsed() < Duration::from_secs(20));
}
