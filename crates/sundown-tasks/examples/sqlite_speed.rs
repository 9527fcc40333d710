//! How fast the store in a file is on this machine, and whether that depends on how much waits.
//!
//! `cargo run --release -p sundown-tasks --example sqlite_speed -- 10000 1000000`

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use sundown_tasks::{
    Ending, Filter, NewTask, SqliteSettings, SqliteStore, State, Store, StoreError, Wanted,
};
use tokio::task::JoinSet;

const CALLERS: usize = 64;
const BATCH: usize = 256;
const LEASE: Duration = Duration::from_secs(60);
/// So many times so many tasks are taken from the backlog.
const DRAINS: usize = 10;
const DRAINED: usize = 10_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let backlogs: Vec<usize> =
        std::env::args().skip(1).map(|text| text.parse()).collect::<Result<_, _>>()?;
    let backlogs = if backlogs.is_empty() { vec![10_000, 100_000] } else { backlogs };
    let scratch = std::env::temp_dir().join(format!("sqlite-speed-{}", std::process::id()));
    for backlog in backlogs {
        std::fs::create_dir_all(&scratch)?;
        let measured = measure(&scratch, backlog).await;
        std::fs::remove_dir_all(&scratch)?;
        measured?;
    }
    Ok(())
}

async fn measure(scratch: &Path, backlog: usize) -> Result<(), StoreError> {
    let store = SqliteStore::open(SqliteSettings::new(scratch.join("tasks.db")))?;
    let store: Arc<dyn Store> = Arc::new(store);
    let started = Instant::now();
    fill(&store, backlog).await?;
    let filled = rate(backlog, started);
    let single = enqueue_singly(&store).await?;
    let mut took = Duration::ZERO;
    for _ in 0..DRAINS {
        let started = Instant::now();
        drain(&store, DRAINED).await?;
        took += started.elapsed();
        // As much waits as before.
        fill(&store, DRAINED).await?;
    }
    let drained = rate(DRAINS * DRAINED, Instant::now() - took);
    let looks = look(&store).await?;
    let started = Instant::now();
    let purged = store.purge(Duration::ZERO, 10_000).await?;
    let purged = rate(usize::try_from(purged).unwrap_or(0), started);
    println!(
        "backlog {backlog}: filled {filled}/s, {CALLERS} callers {single}/s, drained {drained}/s, \
         {looks}, purged {purged}/s"
    );
    store.close().await
}

/// What an operator and the service do now and then, one after the other.
async fn look(store: &Arc<dyn Store>) -> Result<String, StoreError> {
    let mut took = [Duration::ZERO; 4];
    let rounds = 100;
    let page = Filter { state: Some(State::Pending), limit: 50, ..Filter::default() };
    for tasks in store.list(Filter { limit: rounds, ..page.clone() }).await? {
        let started = Instant::now();
        store.counts().await?;
        let counted = Instant::now();
        store.rescue(100).await?;
        let rescued = Instant::now();
        store.cancel(tasks.id).await?;
        let cancelled = Instant::now();
        store.list(page.clone()).await?;
        let listed = Instant::now();
        let moments = [started, counted, rescued, cancelled, listed];
        for (took, pair) in took.iter_mut().zip(moments.windows(2)) {
            *took += pair[1] - pair[0];
        }
    }
    let [counts, rescue, cancel, list] = took.map(|took| took / 100);
    Ok(format!("counts {counts:?}, rescue {rescue:?}, cancel {cancel:?}, list {list:?}"))
}

async fn fill(store: &Arc<dyn Store>, count: usize) -> Result<(), StoreError> {
    for _ in 0..count.div_ceil(1000) {
        store.enqueue((0..1000).map(|_| task()).collect(), u64::MAX).await?;
    }
    Ok(())
}

/// Many callers, each waiting for its own task to be on disk.
async fn enqueue_singly(store: &Arc<dyn Store>) -> Result<u64, StoreError> {
    let each = 2000;
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let store = store.clone();
        callers.spawn(async move {
            for _ in 0..each {
                store.enqueue(vec![task()], u64::MAX).await?;
            }
            Ok::<_, StoreError>(())
        });
    }
    while let Some(done) = callers.join_next().await {
        done.expect("no caller panics")?;
    }
    Ok(rate(CALLERS * each, started))
}

/// Claims and ends so many, the next batch being claimed while the one before is ended.
async fn drain(store: &Arc<dyn Store>, count: usize) -> Result<usize, StoreError> {
    let mut drained = 0;
    let mut endings = Vec::new();
    while drained < count {
        let wanted = vec![Wanted { kind: "thumbnail".to_owned(), count: BATCH }];
        let (claimed, ended) = tokio::join!(
            store.claim(wanted, BATCH, LEASE),
            store.finish(std::mem::take(&mut endings)),
        );
        drained += ended?.len();
        let output = RawValue::from_string("\"done\"".to_owned()).expect("it is JSON");
        let succeeded = |fence| (fence, Ending::Succeeded(output.clone()));
        endings = claimed?.into_iter().map(|claim| succeeded(claim.fence)).collect();
    }
    drained += store.finish(endings).await?.len();
    Ok(drained)
}

fn task() -> NewTask {
    let input = r#"{"picture":"s3://pictures/2026/11/20/0123456789.jpg","width":320}"#;
    NewTask {
        kind: "thumbnail".to_owned(),
        input: RawValue::from_string(input.to_owned()).expect("it is JSON"),
        key: None,
        priority: 0,
        run_at: None,
        max_attempts: 5,
        max_interruptions: 100,
    }
}

fn rate(count: usize, since: Instant) -> u64 {
    let per_second = count as u128 * 1_000_000 / since.elapsed().as_micros().max(1);
    u64::try_from(per_second).unwrap_or(u64::MAX)
}
