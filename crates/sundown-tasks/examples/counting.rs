//! Tasks that count, and go on where they stopped when the process is stopped and started again.
//!
//! `cargo run -p sundown-tasks --example counting`, then Ctrl-C in the middle, or `kill -9`, and the same
//! again: each task goes on from its last checkpoint, and none is begun anew.

use std::sync::Arc;
use std::time::Duration;

use sundown::{BoxError, Coordinator, Exit};
use sundown_tasks::{
    Kind, Request, Settings, SqliteSettings, SqliteStore, Task, TaskContext, TaskError, TaskService,
};
use tokio::time::sleep;

struct Count;

impl Task for Count {
    const KIND: &'static str = "count";
    type Input = u32;
    type Output = u32;

    async fn run(&self, to: u32, context: TaskContext) -> Result<u32, TaskError> {
        let first = context.cursor("number").unwrap_or(0);
        println!("task {} counts from {first} to {to}", context.task());
        for number in first..to {
            sleep(Duration::from_millis(300)).await;
            context.checkpoint("number", &(number + 1)).await?;
            if context.is_wrapping_up() {
                return Err(TaskError::unfinished());
            }
        }
        Ok(to)
    }
}

#[tokio::main]
async fn main() -> Exit {
    Exit::of(count().await)
}

async fn count() -> Result<Exit, BoxError> {
    let coordinator = Coordinator::builder().default_cap(Duration::from_secs(15)).build()?;
    coordinator.listen_for_signals()?;
    let path = std::env::temp_dir().join("sundown-counting.db");
    let store = Arc::new(SqliteStore::open(SqliteSettings::new(&path))?);
    let tasks =
        TaskService::start(coordinator.clone(), store, [Kind::new(Count)], Settings::default())?;
    coordinator.check()?;

    // Those of a process that was killed still count as running until they are taken back.
    let counts = tasks.counts().await?;
    if counts.pending + counts.running == 0 {
        for to in [20, 30, 40] {
            let started = tasks.start_task(Request::of::<Count>(&to)?).await?;
            println!("task {} was taken in", started.id);
        }
    }
    println!("kept in {}; stop it whenever you like", path.display());
    let report = coordinator.run().await;
    report.print();
    Ok(report.exit())
}
