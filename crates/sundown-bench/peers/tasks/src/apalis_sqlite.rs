//! apalis-sqlite, with `synchronous = FULL`: its own set-up switches it off.

use std::path::Path;
use std::time::Duration;

use apalis::prelude::{
    BackendExt as _, BoxDynError, TaskSink as _, WorkerBuilder, WorkerBuilderExt as _,
};
use apalis_sqlite::{Config, SqliteStorage};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use tokio::task::JoinSet;

use crate::queue::{Queue, Works, callers, drained};
use crate::ran::{self, Work};
use crate::world::World;

const BATCH: usize = 500;
const CONNECTIONS: u32 = 4;
const CONCURRENCY: usize = 64;
/// It has no news of what is pushed through another pool.
const POLL: Duration = Duration::from_millis(10);

pub(crate) struct ApalisSqlite {
    pool: SqlitePool,
    storage: SqliteStorage<Work>,
}

impl Queue for ApalisSqlite {
    const NAME: &'static str = "apalis-sqlite, FULL";

    async fn open(world: &World) -> anyhow::Result<Self> {
        let pool = pool(&world.place()?.join("tasks.db")).await?;
        let config = Config::default().queue("nothing").batch_size(BATCH);
        let storage = SqliteStorage::new(&pool).with_config(config);
        Ok(ApalisSqlite { pool, storage })
    }

    async fn take_in(&self, count: u32) -> anyhow::Result<Duration> {
        callers(count, |caller, own| {
            let mut storage = self.storage.clone();
            async move {
                for number in 0..own {
                    storage.push(Work::new(caller * own + number)).await?;
                }
                Ok(())
            }
        })
        .await
    }

    async fn drain(&self, count: u32) -> anyhow::Result<Duration> {
        drained(self, count).await
    }

    async fn close(self) -> anyhow::Result<()> {
        self.pool.close().await;
        Ok(())
    }
}

/// Connections to a file that is set up. What its set-up says about `synchronous` holds for one
/// connection, which is closed.
pub(crate) async fn pool(file: &Path) -> anyhow::Result<SqlitePool> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full);
    let once = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    SqliteStorage::setup(&once).await?;
    once.close().await;
    Ok(SqlitePoolOptions::new().max_connections(CONNECTIONS).connect_with(options).await?)
}

impl Works for ApalisSqlite {
    type Worker = JoinSet<anyhow::Result<()>>;

    async fn fill(&self, count: u32) -> anyhow::Result<()> {
        let all = (0..count).map(Work::new).collect();
        Ok(self.storage.clone().push_bulk(all).await?)
    }

    async fn push(&self, number: u32) -> anyhow::Result<()> {
        Ok(self.storage.clone().push(Work::new(number)).await?)
    }

    async fn work(&self) -> anyhow::Result<Self::Worker> {
        let worker = WorkerBuilder::new("bench")
            .backend(self.storage.clone().poll_with_interval(POLL))
            .concurrency(CONCURRENCY)
            .build(nothing);
        let mut running = JoinSet::new();
        running.spawn(async move { Ok(worker.run().await?) });
        Ok(running)
    }

    async fn left(&self) -> anyhow::Result<i64> {
        let sql = "SELECT count(*) FROM Jobs WHERE status <> 'Done'";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    async fn stop(&self, mut worker: Self::Worker) -> anyhow::Result<()> {
        worker.shutdown().await;
        Ok(())
    }
}

async fn nothing(work: Work) -> Result<(), BoxDynError> {
    ran::run(&work);
    Ok(())
}
