//! Ours: the service on both of its stores.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::value::to_raw_value;
use sundown::{Cause, Coordinator, Phase};
use sundown_tasks::{
    Kind, NewTask, PostgresSettings, PostgresStore, Request, Settings, SqliteSettings, SqliteStore,
    Store, Task, TaskContext, TaskError, TaskService,
};

use crate::queue::{Queue, Works, callers, drained};
use crate::ran::{self, Work};
use crate::world::World;

/// How many are taken in at once before a drain.
const BATCH: u32 = 1000;
/// How many run at once while a backlog is drained.
const CONCURRENCY: usize = 64;

/// In a file, with `synchronous = FULL`, as always.
pub(crate) struct InSqlite(Place);

/// In PostgreSQL, over the four connections that are the default.
pub(crate) struct InPostgres(Place);

/// A store, and the service that takes tasks in for it, once somebody calls.
struct Place {
    store: Arc<dyn Store>,
    front: OnceLock<Running>,
}

impl Place {
    fn new(store: impl Store + 'static) -> Self {
        Place { store: Arc::new(store), front: OnceLock::new() }
    }

    /// A service as a process has it that only takes tasks in, with all settings as they are.
    fn front(&self) -> anyhow::Result<TaskService> {
        if self.front.get().is_none() {
            let kind = Kind::new(Nothing).concurrency(0);
            let front = Running::start(self.store.clone(), kind, Settings::default())?;
            let _ = self.front.set(front);
        }
        Ok(self.front.get().context("there is no front")?.service.clone())
    }

    async fn take_in(&self, count: u32) -> anyhow::Result<Duration> {
        let front = self.front()?;
        callers(count, |caller, own| {
            let front = front.clone();
            async move {
                for number in 0..own {
                    let started = front.start_task(request(caller * own + number)?).await?;
                    ensure!(started.is_new, "it was there already");
                }
                Ok(())
            }
        })
        .await
    }
}

impl Queue for InSqlite {
    const NAME: &'static str = "sundown-tasks";

    async fn open(world: &World) -> anyhow::Result<Self> {
        let settings = SqliteSettings::new(world.place()?.join("tasks.db"));
        Ok(InSqlite(Place::new(SqliteStore::open(settings)?)))
    }

    async fn take_in(&self, count: u32) -> anyhow::Result<Duration> {
        self.0.take_in(count).await
    }

    async fn drain(&self, count: u32) -> anyhow::Result<Duration> {
        drained(self, count).await
    }

    async fn close(self) -> anyhow::Result<()> {
        Ok(self.0.store.close().await?)
    }
}

impl Queue for InPostgres {
    const NAME: &'static str = "sundown-tasks";

    async fn open(world: &World) -> anyhow::Result<Self> {
        let settings = PostgresSettings::new(world.database()?);
        Ok(InPostgres(Place::new(PostgresStore::connect(settings).await?)))
    }

    async fn take_in(&self, count: u32) -> anyhow::Result<Duration> {
        self.0.take_in(count).await
    }

    async fn drain(&self, count: u32) -> anyhow::Result<Duration> {
        drained(self, count).await
    }

    async fn close(self) -> anyhow::Result<()> {
        Ok(self.0.store.close().await?)
    }
}

macro_rules! works {
    ($queue:ident) => {
        impl Works for $queue {
            type Worker = Running;

            async fn fill(&self, count: u32) -> anyhow::Result<()> {
                fill(&self.0.store, count).await
            }

            async fn push(&self, number: u32) -> anyhow::Result<()> {
                self.0.front()?.start_task(request(number)?).await?;
                Ok(())
            }

            async fn work(&self) -> anyhow::Result<Running> {
                let settings = Settings::default().concurrency(CONCURRENCY);
                Running::start(self.0.store.clone(), Kind::new(Nothing), settings)
            }

            async fn left(&self) -> anyhow::Result<i64> {
                let counts = self.0.store.counts().await?;
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
    service: TaskService,
}

impl Running {
    fn start(store: Arc<dyn Store>, kind: Kind, settings: Settings) -> anyhow::Result<Self> {
        let coordinator = coordinator(Duration::from_secs(10))?;
        let service = TaskService::start(coordinator.clone(), store, [kind], settings)?;
        Ok(Running { coordinator, service })
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.coordinator.initiate(Cause::requested("bench"));
        let report = self.coordinator.run().await;
        ensure!(report.is_clean(), "the shutdown is not clean: {report}");
        Ok(())
    }
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

fn request(number: u32) -> anyhow::Result<Request> {
    Ok(Request::of::<Nothing>(&Work::new(number))?)
}

pub(crate) fn task(number: u32) -> anyhow::Result<NewTask> {
    Ok(NewTask {
        kind: Nothing::KIND.to_owned(),
        route: String::new(),
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
