//! Spawning: what a tracked, named and cancellable task costs, from its start to its end.

use std::time::{Duration, Instant};

use async_shutdown::ShutdownManager;
use sundown_bench::{Contest, Figures, Row, Statistic, Target};
use swansong::Swansong;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, yield_now};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::coordinator;

/// Few enough to stay in the caches, so that the minimum is a round without a disturbance.
const SHORT: (Statistic, usize, u32) = (Statistic::Minimum, 1_500, 200);
/// Enough for the other worker to be there for most of it.
const LONG: (Statistic, usize, u32) = (Statistic::Median, 200, 3_000);

pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let one = Builder::new_current_thread().build()?;
    let two = Builder::new_multi_thread().worker_threads(2).build()?;
    let mut rows = contest(&one, "1 thread", SHORT)?;
    rows.extend(contest(&two, "2 workers", LONG)?);
    Ok(rows)
}

/// Beside all peers for a task that is ready at once, beside the plain spawn also for one that
/// yields once.
fn contest(
    runtime: &Runtime,
    threads: &str,
    rounds: (Statistic, usize, u32),
) -> anyhow::Result<Vec<Row>> {
    let name = format!("spawn to end, {threads}");
    let ready = figures(runtime, rounds, false)?;
    let yields = figures(runtime, rounds, true)?;
    let target = Target::AtMost(1.25);
    Ok(vec![
        ready.row(&name, PLAIN).target(target),
        yields.row(format!("{name}, yields once"), PLAIN).target(target),
        ready.row(&name, TOKIO_UTIL),
        ready.row(&name, SWANSONG),
        ready.row(&name, ASYNC_SHUTDOWN),
    ])
}

const PLAIN: &str = "plain tokio::spawn";
const TOKIO_UTIL: &str = "TaskTracker + child token + run_until_cancelled (no name)";
const SWANSONG: &str = "swansong guarded (tracked only)";
const ASYNC_SHUTDOWN: &str = "async-shutdown delay + cancel (no name)";

#[expect(clippy::disallowed_methods, reason = "the plain spawn is what we are compared with")]
fn figures(
    runtime: &Runtime,
    (statistic, rounds, tasks): (Statistic, usize, u32),
    yields: bool,
) -> anyhow::Result<Figures> {
    let coordinator = coordinator()?;
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    let swansong = Swansong::new();
    let manager = ShutdownManager::<&str>::new();
    Ok(Contest::new(statistic, rounds, tasks)
        .side("sundown", in_rounds(runtime, move || coordinator.spawn("work", work(yields))))
        .side(PLAIN, in_rounds(runtime, move || tokio::spawn(work(yields))))
        .side(
            TOKIO_UTIL,
            in_rounds(runtime, move || {
                tracker.spawn(token.child_token().run_until_cancelled_owned(work(yields)))
            }),
        )
        .side(SWANSONG, in_rounds(runtime, move || tokio::spawn(swansong.guarded(work(yields)))))
        .side(
            ASYNC_SHUTDOWN,
            in_rounds(runtime, move || {
                let cancellable = manager.wrap_cancel(work(yields));
                tokio::spawn(manager.wrap_delay_shutdown(cancellable).expect("nobody shut down"))
            }),
        )
        .run())
}

async fn work(yields: bool) {
    if yields {
        yield_now().await;
    }
}

/// A round spawns so many tasks from a task of the runtime, and awaits all their handles.
#[expect(clippy::disallowed_methods, reason = "the task is awaited where it is spawned")]
fn in_rounds<'a, T: Send + 'static>(
    runtime: &'a Runtime,
    spawn: impl Fn() -> JoinHandle<T> + Clone + Send + Sync + 'static,
) -> impl FnMut(u32) -> Duration + 'a {
    move |tasks| {
        let round = all(tasks, spawn.clone());
        runtime.block_on(async { tokio::spawn(round).await.expect("no task panics") })
    }
}

async fn all<T>(tasks: u32, spawn: impl Fn() -> JoinHandle<T>) -> Duration {
    let mut handles = Vec::with_capacity(tasks as usize);
    let start = Instant::now();
    for _ in 0..tasks {
        handles.push(spawn());
    }
    for handle in handles {
        handle.await.expect("no task panics");
    }
    start.elapsed()
}
