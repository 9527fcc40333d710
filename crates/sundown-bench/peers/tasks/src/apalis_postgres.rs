//! apalis-postgres, told of new tasks by NOTIFY.

use std::time::Duration;

use apalis::prelude::{
    BackendExt as _, BoxDynError, TaskSink as _, WorkerBuilder, WorkerBuilderExt as _,
};
use apalis_postgres::{Config, PgPool, PostgresStorage};
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinSet;

use crate::queue::{Queue, Works, callers, drained};
use crate::ran::{self, Work};
use crate::world::World;

const BATCH: usize = 500;
const CONNECTIONS: u32 = 16;
const CONCURRENCY: usize = 64;
/// Some news are missed, and nothing else makes it look until its next sign of life in 30 s.
const POLL: Duration = Duration::from_millis(100);

pub(crate) struct ApalisPostgres {
    pool: PgPool,
    storage: PostgresStorage<Work>,
}

impl Queue for ApalisPostgres {
    const NAME: &'static str = "apalis-postgres";

    async fn open(world: &World) -> anyhow::Result<Self> {
        let url = world.database()?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&url).await?;
        PostgresStorage::setup(&pool).await?;
        let config = Config::default().queue("nothing").batch_size(BATCH);
        let storage = PostgresStorage::new(&pool).with_config(config);
        Ok(ApalisPostgres { pool, storage })
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

impl Works for ApalisPostgres {
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
            .backend(self.storage.clone().with_pubsub().poll_with_interval(POLL))
            .concurrency(CONCURRENCY)
            .build(nothing);
        let mut running = JoinSet::new();
        running.spawn(async move { Ok(worker.run().await?) });
        Ok(running)
    }

    async fn left(&self) -> anyhow::Result<i64> {
        let sql = "SELECT count(*) FROM apalis.jobs WHERE status <> 'Done'";
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
