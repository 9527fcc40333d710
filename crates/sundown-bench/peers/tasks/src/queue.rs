//! What every side is asked to do, and how it becomes a side of a contest.

use std::future::Future;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;

use crate::ran;
use crate::world::World;

/// So many callers wait for their own tasks.
const CALLERS: u32 = 64;

/// A queue of tasks, new and empty.
pub(crate) trait Queue: Sized {
    const NAME: &'static str;

    async fn open(world: &World) -> anyhow::Result<Self>;

    /// 64 callers take so many in, each one after the other, and wait for each to be on disk.
    async fn take_in(&self, count: u32) -> anyhow::Result<Duration>;

    /// So many wait; how long it takes until all of them have run and the store knows it.
    async fn drain(&self, count: u32) -> anyhow::Result<Duration>;

    async fn close(self) -> anyhow::Result<()>;
}

/// One whose worker can be started and stopped.
pub(crate) trait Works: Queue {
    type Worker;

    /// So many are taken in, as quickly as it can.
    async fn fill(&self, count: u32) -> anyhow::Result<()>;

    /// One is taken in; it is on disk then.
    async fn push(&self, number: u32) -> anyhow::Result<()>;

    /// Tasks run from now on.
    async fn work(&self) -> anyhow::Result<Self::Worker>;

    /// How many have not ended, as the store says.
    async fn left(&self) -> anyhow::Result<i64>;

    async fn stop(&self, worker: Self::Worker) -> anyhow::Result<()>;
}

/// From the start of a worker to the last commit.
pub(crate) async fn drained<Q: Works>(queue: &Q, count: u32) -> anyhow::Result<Duration> {
    queue.fill(count).await?;
    ran::forget();
    let start = Instant::now();
    let worker = queue.work().await?;
    ran::all_done(count, async || queue.left().await).await?;
    let took = start.elapsed();
    queue.stop(worker).await?;
    Ok(took)
}

/// Rounds of taking in, all into one queue.
pub(crate) fn take_in<Q: Queue>(world: &World) -> anyhow::Result<impl FnMut(u32) -> Duration> {
    let queue = world.run(Q::open(world)).with_context(|| format!("cannot open {}", Q::NAME))?;
    Ok(move |count| expect(Q::NAME, world.run(queue.take_in(count))))
}

/// Rounds of draining, each with a queue of its own.
pub(crate) fn drain<Q: Queue>(world: &World) -> impl FnMut(u32) -> Duration {
    move |count| {
        let round = async {
            let queue = Q::open(world).await?;
            let took = queue.drain(count).await?;
            queue.close().await?;
            Ok(took)
        };
        expect(Q::NAME, world.run(round))
    }
}

/// A slow side does only this part of a round, and what it took is scaled up.
pub(crate) fn part_of(
    part: u32,
    mut round: impl FnMut(u32) -> Duration,
) -> impl FnMut(u32) -> Duration {
    move |count| round(count / part) * part
}

/// A round that fails leaves nothing to compare.
fn expect(name: &str, round: anyhow::Result<Duration>) -> Duration {
    round.unwrap_or_else(|error| panic!("{name}: {error:#}"))
}

/// Every caller is given its number and how many tasks are its own.
pub(crate) async fn callers<F>(
    count: u32,
    caller: impl Fn(u32, u32) -> F,
) -> anyhow::Result<Duration>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let start = Instant::now();
    let mut callers = JoinSet::new();
    for number in 0..CALLERS {
        callers.spawn(caller(number, count / CALLERS));
    }
    while let Some(done) = callers.join_next().await {
        done.context("a caller panicked")??;
    }
    Ok(start.elapsed())
}
