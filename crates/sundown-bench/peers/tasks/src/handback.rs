//! A process that stops hands back what it cannot end, and another one goes on: from the moment an
//! attempt is cut short until the next one runs elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use sundown::{Cause, Coordinator};
use sundown_bench::{Row, Target};
use sundown_tasks::{
    Kind, PostgresSettings, PostgresStore, Request, Settings, SqliteSettings, SqliteStore, Store,
    Task, TaskContext, TaskError, TaskService,
};
use tokio::time::{sleep, timeout};

use crate::ours::coordinator;
use crate::spread::Spread;
use crate::world::World;

const ROUNDS: usize = 20;
const TASKS: u32 = 8;
/// All the time the first process has to stop.
const CAP: Duration = Duration::from_secs(2);
/// The second process has nothing to do by then.
const SETTLED: Duration = Duration::from_millis(150);
const PATIENCE: Duration = Duration::from_secs(30);
const LIMIT_MS: f64 = 100.0;

/// Where both keep their tasks.
enum Place {
    Sqlite(SqliteSettings),
    Postgres(PostgresSettings),
}

pub(crate) fn rows(world: &World) -> anyhow::Result<Vec<Row>> {
    let file = SqliteSettings::new(world.place()?.join("tasks.db"));
    let notified = PostgresSettings::new(world.database()?);
    let looking = PostgresSettings::new(world.database()?).listen(None);
    let places = [
        ("SQLite", Place::Sqlite(file), true),
        ("PostgreSQL", Place::Postgres(notified), true),
        ("PostgreSQL without NOTIFY", Place::Postgres(looking), false),
    ];
    let mut rows = Vec::new();
    for (name, place, is_judged) in places {
        let mut spread = Spread::default();
        for _ in 0..ROUNDS {
            world.run(round(&place, &mut spread)).with_context(|| name.to_owned())?;
        }
        for p in [50, 99] {
            let name = format!("{name}, handed back → runs elsewhere, p{p}");
            let row = Row::new(name, "ms", spread.percentile(p), "limit", LIMIT_MS);
            let row = row.note(spread.note());
            rows.push(if is_judged { row.target(Target::AtMost(1.0)) } else { row });
        }
    }
    Ok(rows)
}

async fn round(place: &Place, spread: &mut Spread) -> anyhow::Result<()> {
    let log = Arc::<Log>::default();
    let (first, service) = start(place, Waits { log: log.clone(), is_first: true }).await?;
    for number in 0..TASKS {
        service.start_task(Request::of::<Waits>(&number)?).await?;
    }
    log.wait(|log| log.begun == TASKS).await?;
    let (second, _other) = start(place, Waits { log: log.clone(), is_first: false }).await?;
    sleep(SETTLED).await;
    first.initiate(Cause::requested("bench"));
    let report = first.run().await;
    if !report.is_clean() {
        eprint!(" (the disk was too slow for a hand-back: {report})");
    }
    log.wait(|log| log.resumed.len() == TASKS as usize).await?;
    let (cut, resumed) = {
        let log = log.kept();
        (log.cut.clone(), log.resumed.clone())
    };
    for (number, at) in resumed {
        let cut = cut.get(&number).context("it ran elsewhere before it was cut short")?;
        spread.push(at.saturating_duration_since(*cut));
    }
    second.initiate(Cause::requested("bench"));
    second.run().await;
    Ok(())
}

/// One process: a store, a service, a shutdown of its own.
async fn start(place: &Place, waits: Waits) -> anyhow::Result<(Arc<Coordinator>, TaskService)> {
    let store: Arc<dyn Store> = match place {
        Place::Sqlite(settings) => Arc::new(SqliteStore::open(settings.clone())?),
        Place::Postgres(settings) => Arc::new(PostgresStore::connect(settings.clone()).await?),
    };
    let coordinator = coordinator(CAP)?;
    let settings = Settings::default().concurrency(TASKS as usize);
    let service = TaskService::start(coordinator.clone(), store, [Kind::new(waits)], settings)?;
    Ok((coordinator, service))
}

/// In the first process it waits for ever; in the second it ends at once.
struct Waits {
    log: Arc<Log>,
    is_first: bool,
}

impl Task for Waits {
    const KIND: &'static str = "waits";
    type Input = u32;
    type Output = ();

    async fn run(&self, number: u32, _context: TaskContext) -> Result<(), TaskError> {
        if self.is_first {
            let _cut = Cut { log: &self.log, number };
            self.log.kept().begun += 1;
            std::future::pending::<()>().await;
        }
        self.log.kept().resumed.insert(number, Instant::now());
        Ok(())
    }
}

/// Says when the attempt was cut short.
struct Cut<'a> {
    log: &'a Log,
    number: u32,
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        self.log.kept().cut.insert(self.number, Instant::now());
    }
}

#[derive(Default)]
struct Log(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    begun: u32,
    cut: HashMap<u32, Instant>,
    resumed: HashMap<u32, Instant>,
}

impl Log {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait(&self, is_so: impl Fn(&Kept) -> bool) -> anyhow::Result<()> {
        let looks = async {
            while !is_so(&self.kept()) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, looks).await.context("a task does not run")
    }
}
