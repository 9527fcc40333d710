//! How quick the store in PostgreSQL is here: a server of its own, with fsync on.
//!
//! `cargo run --release -p sundown-tasks --features postgres --example postgres_speed [PENDING …]`

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use sundown_drill::postgres::{Fsync, Server};
use sundown_tasks::{Ending, NewTask, PostgresSettings, PostgresStore, Store, Wanted};
use tokio::task::JoinSet;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

const CALLERS: u32 = 64;
const BATCH: usize = 500;
const LEASE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() -> Outcome<()> {
    let server = Server::start(Fsync::On)?;
    let store = Arc::new(PostgresStore::connect(PostgresSettings::new(server.url())).await?);
    callers(&store, 10).await?;
    drain(&store, 4, usize::MAX).await?;
    for workers in [1, 2, 4] {
        callers(&store, 1000).await?;
        drain(&store, workers, usize::MAX).await?;
    }
    for pending in std::env::args().skip(1) {
        fill(&store, pending.parse()?).await?;
        println!("with {pending} pending");
        callers(&store, 300).await?;
        drain(&store, 4, 40_000).await?;
    }
    store.close().await?;
    Ok(())
}

/// Each waits for its own task to be on disk, again and again.
async fn callers(store: &Arc<PostgresStore>, each: u32) -> Outcome<()> {
    let started = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let store = Arc::clone(store);
        callers.spawn(async move {
            let mut waits = Vec::new();
            for _ in 0..each {
                let asked = Instant::now();
                store.enqueue(vec![task()?], u64::MAX).await?;
                waits.push(asked.elapsed());
            }
            Outcome::Ok(waits)
        });
    }
    let mut waits = Vec::new();
    while let Some(ended) = callers.join_next().await {
        waits.extend(ended??);
    }
    let took = started.elapsed();
    waits.sort();
    let of = |part: usize| waits[(waits.len() - 1) * part / 100];
    println!(
        "  {CALLERS} callers, one durable task each: {:.0}/s, p50 {:.1?}, p99 {:.1?}",
        f64::from(each * CALLERS) / took.as_secs_f64(),
        of(50),
        of(99)
    );
    Ok(())
}

/// Claims and finishes until nothing is left, or so many are done.
async fn drain(store: &Arc<PostgresStore>, workers: usize, most: usize) -> Outcome<()> {
    let started = Instant::now();
    let mut working = JoinSet::new();
    for _ in 0..workers {
        let store = Arc::clone(store);
        working.spawn(async move {
            let mut done = 0;
            while done < most / workers {
                let wanted = Wanted { kind: "speed".to_owned(), count: BATCH };
                let claims = store.claim(vec![wanted], BATCH, LEASE).await?;
                if claims.is_empty() {
                    break;
                }
                done += claims.len();
                let output = RawValue::from_string("{\"sum\":7}".to_owned())?;
                let ended =
                    |claim: &sundown_tasks::Claim| (claim.fence, Ending::Succeeded(output.clone()));
                store.finish(claims.iter().map(ended).collect()).await?;
            }
            Outcome::Ok(done)
        });
    }
    let mut done = 0;
    while let Some(ended) = working.join_next().await {
        done += ended??;
    }
    let took = started.elapsed();
    let rate = f64::from(u32::try_from(done)?) / took.as_secs_f64();
    println!("  {workers} workers drain {done} in batches of {BATCH}: {rate:.0}/s");
    Ok(())
}

/// Makes it so that so many wait.
async fn fill(store: &Arc<PostgresStore>, pending: u64) -> Outcome<()> {
    let started = Instant::now();
    let mut missing = pending.saturating_sub(store.counts().await?.pending);
    let all = missing;
    while missing > 0 {
        let count = missing.min(2000);
        let tasks = (0..count).map(|_| task()).collect::<Outcome<Vec<_>>>()?;
        store.enqueue(tasks, u64::MAX).await?;
        missing -= count;
    }
    let rate = f64::from(u32::try_from(all)?) / started.elapsed().as_secs_f64();
    println!("  {all} taken in, 2000 at a time: {rate:.0}/s");
    Ok(())
}

fn task() -> Outcome<NewTask> {
    Ok(NewTask {
        kind: "speed".to_owned(),
        input: RawValue::from_string(
            "{\"numbers\":[1,2,4],\"why\":\"to be added up\"}".to_owned(),
        )?,
        key: None,
        priority: 0,
        run_at: None,
        max_attempts: 3,
        max_interruptions: 3,
    })
}
