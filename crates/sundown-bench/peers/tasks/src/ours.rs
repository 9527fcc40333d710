//! Ours: the service on both of its stores.

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use serde_json::value::to_raw_value;
use sundown::{Cause, Coordinator, Phase};
use sundown_tasks::{
    Enqueued, Kind, NewTask, PostgresSettings, PostgresStore, Settings, SqliteSettings,
    SqliteStore, Store, Task, TaskContext, TaskError, TaskService,
};

use crate::queue::{Queue, Works, callers, drained};
use crate::ran::{self, Work};
use crate::world::World;

/// How many are taken in at once before a drain.
const BATCH: u32 = 1000;
/// How many run at once while a backlog is drained.
const CONCURRENCY: usize = 64;

/// In a file, with `synchronous = FULL`, as always.
pub(crate) struct InSqlite(Arc<dyn Store>);

/// In PostgreSQL, over the four connections that are the default.
pub(crate) struct InPostgres(Arc<dyn Store>);

impl Queue for InSqlite {
    const NAME: &'static str = "sundown-tasks";

    async fn open(world: &World) -> anyhow::Result<Self> {
        let settings = SqliteSettings::new(world.place()?.join("tasks.db"));
        Ok(InSqlite(Arc::new(SqliteStore::open(settings)?)))
    }

    async fn take_in(&self, count: u32) -> anyhow::Result<Duration> {
        take_in(&self.0, count).await
    }

    async fn drain(&self, count: u32) -> anyhow::Result<Duration> {
        drained(self, count).await
    }

    async fn close(self) -> anyhow::Result<()> {
        Ok(self.0.close().await?)
    }
}

impl Queue for InPostgres {
    const NAME: &'static str = "sundown-tasks";

    async fn open(world: &World) -> anyhow::Result<Self> {
        let settings = PostgresSettings::new(world.database()?);
        Ok(InPostgres(Arc::new(PostgresStore::connect(settings).await?)))
    }

    async fn take_in(&self, count: u32) -> anyhow::Result<Duration> {
        take_in(&self.0, count).await
    }

    async fn drain(&self, count: u32) -> anyhow::Result<Duration> {
        drained(self, count).await
    }

    async fn close(self) -> anyhow::Result<()> {
        Ok(self.0.close().await?)
    }
}

macro_rules! works {
    ($queue:ident) => {
        impl Works for $queue {
            type Worker = Running;

            async fn fill(&self, count: u32) -> anyhow::Result<()> {
                fill(&self.0, count).await
            }

            async fn push(&self, number: u32) -> anyhow::Result<()> {
                self.0.enqueue(vec![task(number)?], u64::MAX).await?;
                Ok(())
            }

            async fn work(&self) -> anyhow::Result<Running> {
                Running::start(self.0.clone())
            }

            async fn left(&self) -> anyhow::Result<i64> {
                let counts = self.0.counts().await?;
                Ok(i64::try_from(counts.pending + counts.running)?)
            }

            async fn stop(&self, worker: Running) -> anyhow::Result<()> {
                worker.stop().await
            }
        }
    };
}
works!(InSqlite);
works!(InPostgres);

/// A service that runs.
pub(crate) struct Running {
    coordinator: Arc<Coordinator>,
    _service: TaskService,
}

impl Running {
    fn start(store: Arc<dyn Store>) -> anyhow::Result<Self> {
        let coordinator = coordinator(Duration::from_secs(10))?;
        let settings = Settings::default().concurrency(CONCURRENCY);
        let kinds = [Kind::new(Nothing)];
        let service = TaskService::start(coordinator.clone(), store, kinds, settings)?;
        Ok(Running { coordinator, _service: service })
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.coordinator.initiate(Cause::requested("bench"));
        let report = self.coordinator.run().await;
        ensure!(report.is_clean(), "the shutdown is not clean: {report}");
        Ok(())
    }
}

async fn take_in(store: &Arc<dyn Store>, count: u32) -> anyhow::Result<Duration> {
    callers(count, |caller, own| {
        let store = store.clone();
        async move {
            for number in 0..own {
                let answer = store.enqueue(vec![task(caller * own + number)?], u64::MAX).await?;
                ensure!(matches!(answer[..], [Enqueued::New(_)]), "it was not taken in");
            }
            Ok(())
        }
    })
    .await
}

pub(crate) async fn fill(store: &Arc<dyn Store>, count: u32) -> anyhow::Result<()> {
    for first in (0..count).step_by(BATCH as usize) {
        let tasks = (first..count.min(first + BATCH)).map(task).collect::<Result<_, _>>()?;
        store.enqueue(tasks, u64::MAX).await?;
    }
    Ok(())
}

/// One whose shutdown takes no longer than this.
pub(crate) fn coordinator(cap: Duration) -> anyhow::Result<Arc<Coordinator>> {
    let builder = Coordinator::builder().cap(cap).announce(Duration::ZERO);
    let builder = builder.budget(Phase::FLUSH, cap / 3).budget(Phase::RELEASE, cap / 6);
    Ok(builder.build()?)
}

pub(crate) fn task(number: u32) -> anyhow::Result<NewTask> {
    Ok(NewTask {
        kind: Nothing::KIND.to_owned(),
        input: to_raw_value(&Work::new(number))?,
        key: None,
        priority: 0,
        run_at: None,
        max_attempts: 5,
        max_interruptions: 100,
    })
}

/// A task that does nothing.
pub(crate) struct Nothing;

impl Task for Nothing {
    const KIND: &'static str = "nothing";
    type Input = Work;
    type Output = ();

    async fn run(&self, work: Work, _context: TaskContext) -> Result<(), TaskError> {
        ran::run(&work);
        Ok(())
    }
}
