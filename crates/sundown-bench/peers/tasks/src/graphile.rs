//! `graphile_worker`, with its queue in memory and its batched completions.

use std::sync::Arc;
use std::time::Duration;

use graphile_worker::{
    IntoTaskHandlerResult, JobSpec, LocalQueueConfig, TaskHandler, Worker, WorkerContext,
    WorkerOptions, WorkerUtils,
};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::task::JoinSet;

use crate::queue::{Queue, Works, callers, drained};
use crate::ran::{self, Work};
use crate::world::World;

const CONNECTIONS: u32 = 16;
const CONCURRENCY: usize = 64;
const LOCAL: usize = 500;
const COMPLETIONS: Duration = Duration::from_millis(5);
const FILL: usize = 1000;

pub(crate) struct Graphile {
    pool: PgPool,
    utils: WorkerUtils,
}

impl Graphile {
    pub(crate) fn options(&self) -> WorkerOptions {
        WorkerOptions::default()
            .concurrency(CONCURRENCY)
            .pg_pool(self.pool.clone())
            .listen_os_shutdown_signals(false)
            .define_job::<Nothing>()
    }
}

impl Queue for Graphile {
    const NAME: &'static str = "graphile_worker";

    async fn open(world: &World) -> anyhow::Result<Self> {
        let url = world.database()?;
        let pool = PgPoolOptions::new().max_connections(CONNECTIONS).connect(&url).await?;
        let utils = WorkerUtils::new(pool.clone(), "graphile_worker");
        utils.migrate().await?;
        Ok(Graphile { pool, utils })
    }

    async fn take_in(&self, count: u32) -> anyhow::Result<Duration> {
        callers(count, |caller, own| {
            let utils = self.utils.clone();
            async move {
                for number in 0..own {
                    let work = Nothing(Work::new(caller * own + number));
                    utils.add_job(work, JobSpec::default()).await?;
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

impl Works for Graphile {
    type Worker = (Arc<Worker>, JoinSet<anyhow::Result<()>>);

    async fn fill(&self, count: u32) -> anyhow::Result<()> {
        let spec = JobSpec::default();
        let all: Vec<_> = (0..count).map(|number| (Nothing(Work::new(number)), &spec)).collect();
        for batch in all.chunks(FILL) {
            self.utils.add_jobs(batch).await?;
        }
        Ok(())
    }

    async fn push(&self, number: u32) -> anyhow::Result<()> {
        self.utils.add_job(Nothing(Work::new(number)), JobSpec::default()).await?;
        Ok(())
    }

    async fn work(&self) -> anyhow::Result<Self::Worker> {
        let local = LocalQueueConfig::default().with_size(LOCAL);
        let options = self.options().local_queue(local).complete_job_batch_delay(COMPLETIONS);
        let worker = Arc::new(options.init().await?);
        let mut running = JoinSet::new();
        let runs = worker.clone();
        running.spawn(async move { Ok(runs.run().await?) });
        Ok((worker, running))
    }

    async fn left(&self) -> anyhow::Result<i64> {
        let sql = "SELECT count(*) FROM graphile_worker._private_jobs";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    async fn stop(&self, (worker, mut running): Self::Worker) -> anyhow::Result<()> {
        worker.request_shutdown();
        while let Some(ended) = running.join_next().await {
            ended??;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct Nothing(Work);

impl TaskHandler for Nothing {
    const IDENTIFIER: &'static str = "nothing";

    async fn run(self, _context: WorkerContext) -> impl IntoTaskHandlerResult {
        ran::run(&self.0);
        Ok::<(), String>(())
    }
}
