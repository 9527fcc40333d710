//! What a task costs as more of them wait, and how much memory that takes: stores in processes of
//! their own.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::value::RawValue;
use sundown_bench::{Contest, Row, Statistic, Target};
use sundown_tasks::{
    Ending, PostgresSettings, PostgresStore, SqliteSettings, SqliteStore, Store, Task as _, Wanted,
};
use tokio::runtime::Runtime;

use crate::aside::{Aside, answer};
use crate::ours::{Nothing, fill};
use crate::world::World;

/// The first word of the other process.
pub(crate) const WORD: &str = "--hold";

const ROUNDS: usize = 31;
/// As many as the smallest backlog holds.
const DRAINED: u32 = 1000;
const BATCH: usize = 250;
const LEASE: Duration = Duration::from_secs(60);
const MIB: f64 = 1024.0 * 1024.0;

pub(crate) fn rows(world: &World) -> anyhow::Result<Vec<Row>> {
    let hold = |pending: u32| {
        let mut aside = Aside::start("tasks-peers", &[WORD], &world.place()?)?;
        aside.ask("fill", pending)?;
        anyhow::Ok(aside)
    };
    let (mut few, mut many, mut most) = (hold(1_000)?, hold(100_000)?, hold(1_000_000)?);
    let figures = Contest::new(Statistic::Median, ROUNDS, DRAINED)
        .side("1 M", |count| most.round("drain", count))
        .side("100 k", |count| many.round("drain", count))
        .side("1 k", |count| few.round("drain", count))
        .run();
    let mut memory = [&mut few, &mut many, &mut most].map(|aside| aside.ask("memory", 0));
    let [of_few, of_many, of_most] = &mut memory;
    let mib = |bytes: &mut anyhow::Result<u64>| -> anyhow::Result<f64> {
        let bytes = std::mem::replace(bytes, Ok(0))?;
        Ok(f64::from(u32::try_from(bytes >> 10)?) * 1024.0 / MIB)
    };
    let (of_few, of_many, of_most) = (mib(of_few)?, mib(of_many)?, mib(of_most)?);
    for aside in [few, many, most] {
        aside.end()?;
    }
    let cost = "SQLite, claim and finish a task, 1 M pending";
    let held = "SQLite, resident memory, 1 M pending";
    let row = |peer: &str, name| {
        let peer_value = figures.nanos(name) / 1e3;
        Row::new(cost, "µs", figures.nanos("1 M") / 1e3, peer, peer_value)
            .note(format!("median of {ROUNDS} rounds of {DRAINED}"))
    };
    let mut rows = vec![
        row("ours, 1 k pending", "1 k").target(Target::AtMost(1.2)),
        row("ours, 100 k pending", "100 k").target(Target::AtMost(1.2)),
        Row::new(held, "MiB", of_most, "ours, 1 k pending", of_few)
            .note("its page cache is bounded by 20 MiB and empty at first"),
        Row::new(held, "MiB", of_most, "ours, 100 k pending", of_many)
            .target(Target::AtMost(1.2))
            .note("after the same rounds"),
    ];
    rows.extend(in_postgres(world)?);
    Ok(rows)
}

/// The server has its memory for itself, so only the time counts.
fn in_postgres(world: &World) -> anyhow::Result<[Row; 2]> {
    let hold = |pending: u32| {
        world.run(async {
            let settings = PostgresSettings::new(world.database()?);
            let store: Arc<dyn Store> = Arc::new(PostgresStore::connect(settings).await?);
            fill(&store, pending).await?;
            anyhow::Ok(store)
        })
    };
    let stores = [hold(1_000)?, hold(100_000)?, hold(1_000_000)?];
    let round = |which: usize| {
        let store = stores[which].clone();
        move |count: u32| {
            let round = async {
                let took = drain(&store, count as usize).await?;
                fill(&store, count).await?;
                anyhow::Ok(took)
            };
            world.run(round).unwrap_or_else(|error| panic!("PostgreSQL: {error:#}"))
        }
    };
    let figures = Contest::new(Statistic::Median, ROUNDS, DRAINED)
        .side("1 M", round(2))
        .side("100 k", round(1))
        .side("1 k", round(0))
        .run();
    for store in &stores {
        world.run(async { store.close().await })?;
    }
    let cost = "PostgreSQL, claim and finish a task, 1 M pending";
    let row = |peer: &str, name| {
        Row::new(cost, "µs", figures.nanos("1 M") / 1e3, peer, figures.nanos(name) / 1e3)
            .note(format!("median of {ROUNDS} rounds of {DRAINED}"))
            .target(Target::AtMost(1.2))
    };
    Ok([row("ours, 1 k pending", "1 k"), row("ours, 100 k pending", "100 k")])
}

/// The other process.
pub(crate) fn hold(place: &Path) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("cannot start a runtime")?;
    let store = SqliteStore::open(SqliteSettings::new(place.join("tasks.db")))?;
    let store: Arc<dyn Store> = Arc::new(store);
    answer(|word, number| match word {
        "fill" => runtime.block_on(fill(&store, number)).map(|()| 0),
        "drain" => {
            let took = runtime.block_on(drain(&store, number as usize))?;
            // As much waits as before.
            runtime.block_on(fill(&store, number))?;
            Ok(u64::try_from(took.as_nanos())?)
        }
        "memory" => resident(),
        other => bail!("`{other}` is nothing it does"),
    })?;
    Ok(runtime.block_on(store.close())?)
}

/// The next batch is claimed while the one before is ended.
async fn drain(store: &Arc<dyn Store>, count: usize) -> anyhow::Result<Duration> {
    let start = Instant::now();
    let mut endings = Vec::new();
    for _ in 0..count.div_ceil(BATCH) {
        let wanted = vec![Wanted { kind: Nothing::KIND.to_owned(), routes: [].into(), count: BATCH }];
        let (claimed, ended) = tokio::join!(
            store.claim(wanted, BATCH, LEASE),
            store.finish(std::mem::take(&mut endings)),
        );
        ended?;
        let output = RawValue::NULL.to_owned();
        let succeeded = |fence| (fence, Ending::Succeeded(output.clone()));
        endings = claimed?.into_iter().map(|claim| succeeded(claim.fence)).collect();
    }
    store.finish(endings).await?;
    Ok(start.elapsed())
}

/// How much memory this process has, in bytes.
fn resident() -> anyhow::Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("cannot read its status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kib.context("there is no VmRSS")?.parse::<u64>()? * 1024)
}
