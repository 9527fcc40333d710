//! One process of a rolling restart: takes the tasks in if it is the first, runs them, and stops when
//! its standard input ends.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use apalis::prelude::{
    Attempt, BoxDynError, Monitor, TaskSink as _, WorkerBuilder, WorkerBuilderExt as _,
};
use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, TaskHandler, WorkerContext, WorkerOptions, WorkerUtils,
};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPoolOptions;
use sundown::{Cause, Coordinator, Phase};
use sundown_tasks::{
    Kind, PostgresSettings, PostgresStore, Request, Settings, SqliteSettings, SqliteStore, Store,
    Task, TaskContext, TaskError, TaskService,
};
use tokio::runtime::Runtime;
use tokio::time::sleep;

use crate::apalis_sqlite::pool;
use crate::world::World;

/// The first word of such a process.
pub(crate) const WORD: &str = "--replica";

/// Numbers of tasks: those that end in time, those that do not, and those that wait.
pub(crate) const SHORT: std::ops::Range<u32> = 0..5;
pub(crate) const LONG: std::ops::Range<u32> = 5..10;
pub(crate) const QUEUED: std::ops::Range<u32> = 10..20;

/// How many run at once.
const PLACES: usize = 10;
/// How long it may take to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Who runs the tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Sundown,
    SundownPostgres,
    ApalisSqlite,
    ApalisPostgres,
    Graphile,
}

impl Side {
    pub(crate) const ALL: [Side; 5] = [
        Side::Sundown,
        Side::SundownPostgres,
        Side::ApalisSqlite,
        Side::ApalisPostgres,
        Side::Graphile,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Side::Sundown => "sundown-tasks",
            Side::SundownPostgres => "sundown-tasks-postgres",
            Side::ApalisSqlite => "apalis-sqlite",
            Side::ApalisPostgres => "apalis-postgres",
            Side::Graphile => "graphile_worker",
        }
    }

    /// A new, empty place for its tasks.
    pub(crate) fn place(self, world: &World) -> anyhow::Result<String> {
        match self {
            Side::Sundown | Side::ApalisSqlite => Ok(world.place()?.display().to_string()),
            Side::SundownPostgres | Side::ApalisPostgres | Side::Graphile => world.database(),
        }
    }

    pub(crate) fn store(self) -> &'static str {
        match self {
            Side::Sundown | Side::ApalisSqlite => "SQLite",
            Side::SundownPostgres | Side::ApalisPostgres | Side::Graphile => "PostgreSQL",
        }
    }
}

/// The process.
pub(crate) fn run(side: &str, turn: &str, place: &str) -> anyhow::Result<()> {
    let side = Side::ALL.into_iter().find(|known| known.name() == side).context("who?")?;
    let is_first = match turn {
        "first" => true,
        "second" => false,
        other => bail!("`{other}` is no turn"),
    };
    let runtime = Runtime::new().context("cannot start a runtime")?;
    runtime.block_on(async {
        match side {
            Side::Sundown => {
                let settings = SqliteSettings::new(Path::new(place).join("tasks.db"));
                sundown(Arc::new(SqliteStore::open(settings)?), is_first).await
            }
            Side::SundownPostgres => {
                let settings = PostgresSettings::new(place);
                sundown(Arc::new(PostgresStore::connect(settings).await?), is_first).await
            }
            Side::ApalisSqlite => apalis_sqlite(place, is_first).await,
            Side::ApalisPostgres => apalis_postgres(place, is_first).await,
            Side::Graphile => graphile(place, is_first).await,
        }
    })?;
    // Code that was left to itself is not waited for.
    runtime.shutdown_background();
    Ok(())
}

/// A task that takes so long.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sleep {
    number: u32,
    millis: u64,
}

impl Sleep {
    /// In the order in which they are to begin.
    fn all() -> Vec<Sleep> {
        let of = |numbers: std::ops::Range<u32>, millis| {
            numbers.map(move |number| Sleep { number, millis })
        };
        of(SHORT, 2_000).chain(of(LONG, 60_000)).chain(of(QUEUED, 0)).collect()
    }

    async fn run(&self, lost: u32) {
        println!("begun {} {lost}", self.number);
        sleep(Duration::from_millis(self.millis)).await;
        println!("ended {}", self.number);
    }
}

/// When the process is told to stop.
async fn told_to_stop() {
    let reads = || std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
    // However it ends, nobody holds the other end any more.
    let _ = tokio::task::spawn_blocking(reads).await;
}

async fn sundown(store: Arc<dyn Store>, is_first: bool) -> anyhow::Result<()> {
    let coordinator = Coordinator::builder()
        .cap(GRACE)
        .announce(Duration::ZERO)
        .budget(Phase::FLUSH, Duration::from_secs(1))
        .budget(Phase::RELEASE, Duration::from_millis(500))
        .build()?;
    let settings = Settings::default().concurrency(PLACES);
    let kinds = [Kind::new(Sleeps)];
    let service = TaskService::start(coordinator.clone(), store, kinds, settings)?;
    if is_first {
        for sleep in Sleep::all() {
            service.start_task(Request::of::<Sleeps>(&sleep)?).await?;
        }
    }
    told_to_stop().await;
    coordinator.initiate(Cause::requested("bench"));
    coordinator.run().await;
    Ok(())
}

struct Sleeps;

impl Task for Sleeps {
    const KIND: &'static str = "sleep";
    type Input = Sleep;
    type Output = ();

    async fn run(&self, sleep: Sleep, context: TaskContext) -> Result<(), TaskError> {
        sleep.run(context.failures()).await;
        Ok(())
    }
}

async fn apalis_sqlite(place: &str, is_first: bool) -> anyhow::Result<()> {
    use apalis_sqlite::{Config, SqliteStorage};
    let pool = pool(&Path::new(place).join("tasks.db")).await?;
    let storage = SqliteStorage::new(&pool).with_config(Config::default().queue("sleep"));
    if is_first {
        storage.clone().push_bulk(Sleep::all()).await?;
    }
    let worker = move |_| {
        let name = format!("bench-{}", std::process::id());
        WorkerBuilder::new(name).backend(storage.clone()).concurrency(PLACES).build(sleeps)
    };
    monitor(Monitor::new().register(worker)).await
}

async fn apalis_postgres(place: &str, is_first: bool) -> anyhow::Result<()> {
    use apalis_postgres::{Config, PostgresStorage};
    let pool = PgPoolOptions::new().connect(place).await?;
    PostgresStorage::setup(&pool).await?;
    let storage = PostgresStorage::new(&pool).with_config(Config::default().queue("sleep"));
    if is_first {
        storage.clone().push_bulk(Sleep::all()).await?;
    }
    let worker = move |_| {
        let name = format!("bench-{}", std::process::id());
        WorkerBuilder::new(name).backend(storage.clone()).concurrency(PLACES).build(sleeps)
    };
    monitor(Monitor::new().register(worker)).await
}

/// Only where it is given a signal does it know an end of its patience.
async fn monitor(monitor: Monitor) -> anyhow::Result<()> {
    let told = async {
        told_to_stop().await;
        Ok(())
    };
    Ok(monitor.with_terminator(async { sleep(GRACE).await }).run_with_signal(told).await?)
}

async fn sleeps(sleep: Sleep, attempt: Attempt) -> Result<(), BoxDynError> {
    // This one is counted already.
    sleep.run(u32::try_from(attempt.current())?.saturating_sub(1)).await;
    Ok(())
}

async fn graphile(place: &str, is_first: bool) -> anyhow::Result<()> {
    let pool = PgPoolOptions::new().connect(place).await?;
    let utils = WorkerUtils::new(pool.clone(), "graphile_worker");
    utils.migrate().await?;
    if is_first {
        for sleep in Sleep::all() {
            utils.add_job(Sleeping(sleep), JobSpec::default()).await?;
        }
    }
    let worker = WorkerOptions::default()
        .concurrency(PLACES)
        .pg_pool(pool)
        .listen_os_shutdown_signals(false)
        .shutdown_signal(told_to_stop())
        .shutdown_grace_period(GRACE)
        .define_job::<Sleeping>()
        .init()
        .await?;
    Ok(worker.run().await?)
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Sleeping(Sleep);

impl TaskHandler for Sleeping {
    const IDENTIFIER: &'static str = "sleep";

    async fn run(self, context: WorkerContext) -> impl IntoTaskHandlerResult {
        // This one is counted already.
        let lost = u32::try_from(*context.job().attempts()).unwrap_or_default().saturating_sub(1);
        self.0.run(lost).await;
        Ok::<(), String>(())
    }
}
