//! Waiting and waking: a waiter that is polled again, herds of tasks that wake, handles that come
//! and go.

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use async_shutdown::ShutdownManager;
use sundown::Cause;
use sundown_bench::{Contest, Figures, Row, Statistic, Target, repeat};
use swansong::Swansong;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

use crate::coordinator;

const ROUNDS: usize = 300;
const OPS: u32 = 5_000;

const TOKIO: &str = "CancellationToken";
const SWANSONG: &str = "swansong";
const ASYNC_SHUTDOWN: &str = "async-shutdown";

pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let mut rows = poll_again()?;
    rows.extend(wake()?);
    rows.extend(come_and_go()?);
    Ok(rows)
}

/// A future in a `select!` is polled whenever its neighbour is.
fn poll_again() -> anyhow::Result<Vec<Row>> {
    let (shutdown, token) = (coordinator()?.shutdown(), CancellationToken::new());
    let (swansong, manager) = (Swansong::new(), ShutdownManager::<&str>::new());
    let mut ours = pin!(shutdown.wait());
    let mut tokio = pin!(token.cancelled());
    let mut swan = pin!(swansong.shutting_down());
    let mut signal = pin!(manager.wait_shutdown_triggered());
    let figures = Contest::new(Statistic::Minimum, ROUNDS, OPS)
        .side("Shutdown", |n| poll_repeatedly(n, ours.as_mut()))
        .side(TOKIO, |n| poll_repeatedly(n, tokio.as_mut()))
        .side(SWANSONG, |n| poll_repeatedly(n, swan.as_mut()))
        .side(ASYNC_SHUTDOWN, |n| poll_repeatedly(n, signal.as_mut()))
        .run();
    let name = "poll a waiter again";
    Ok(vec![
        figures.row(name, TOKIO).target(Target::AtMost(0.15)),
        figures.row(name, SWANSONG),
        figures.row(name, ASYNC_SHUTDOWN),
    ])
}

fn poll_repeatedly<F: Future>(polls: u32, mut future: Pin<&mut F>) -> Duration {
    let mut cx = Context::from_waker(Waker::noop());
    repeat(polls, || black_box(future.as_mut()).poll(&mut cx).is_ready())
}

fn wake() -> anyhow::Result<Vec<Row>> {
    let runtime = Builder::new_current_thread().build()?;
    let small = herds(&runtime, 60, 10_000, Herd::woken)?;
    let large = herds(&runtime, 15, 100_000, Herd::woken)?;
    let call = herds(&runtime, 60, 10_000, Herd::called)?;
    let ten = "wake 10,000 tasks, per task";
    let hundred = "wake 100,000 tasks, per task";
    Ok(vec![
        small.row(ten, TOKIO),
        small.row(ten, SWANSONG),
        small.row(ten, ASYNC_SHUTDOWN),
        large.row(hundred, TOKIO).target(Target::AtMost(0.8)),
        large.row(hundred, SWANSONG),
        large.row(hundred, ASYNC_SHUTDOWN),
        call.row("the initiating call, 10,000 tasks, per task", TOKIO),
    ])
}

fn herds(
    runtime: &Runtime,
    rounds: usize,
    tasks: u32,
    time: fn(&Herd) -> Duration,
) -> anyhow::Result<Figures> {
    coordinator()?; // the ones below are built alike
    let ours = |tasks| {
        let coordinator = coordinator().expect("one was built before");
        let sleeper = || {
            let shutdown = coordinator.shutdown();
            async move {
                shutdown.wait().await;
            }
        };
        let trip = || {
            coordinator.initiate(Cause::requested("bench"));
        };
        time(&runtime.block_on(Herd::wake(tasks, sleeper, trip)))
    };
    let tokio = |tasks| {
        let token = CancellationToken::new();
        let sleeper = || token.clone().cancelled_owned();
        time(&runtime.block_on(Herd::wake(tasks, sleeper, || token.cancel())))
    };
    let swan = |tasks| {
        let swansong = Swansong::new();
        let trip = || drop(swansong.shut_down());
        time(&runtime.block_on(Herd::wake(tasks, || swansong.shutting_down(), trip)))
    };
    let signal = |tasks| {
        let manager = ShutdownManager::<&str>::new();
        let sleeper = || {
            let signal = manager.wait_shutdown_triggered();
            async move {
                signal.await;
            }
        };
        let trip = || manager.trigger_shutdown("bench").expect("it was not triggered before");
        time(&runtime.block_on(Herd::wake(tasks, sleeper, trip)))
    };
    Ok(Contest::new(Statistic::Minimum, rounds, tasks)
        .side("sundown", ours)
        .side(TOKIO, tokio)
        .side(SWANSONG, swan)
        .side(ASYNC_SHUTDOWN, signal)
        .run())
}

/// How long it took to wake a herd.
#[derive(Debug)]
struct Herd {
    called: Duration,
    woken: Duration,
}

impl Herd {
    /// The call alone.
    fn called(&self) -> Duration {
        self.called
    }

    /// Until the last task has ended.
    fn woken(&self) -> Duration {
        self.woken
    }

    /// Puts so many tasks to sleep, trips the wire, and waits until the last one has ended.
    #[expect(clippy::disallowed_methods, reason = "the last task to end is waited for")]
    async fn wake<F>(tasks: u32, sleeper: impl Fn() -> F, trip: impl FnOnce()) -> Herd
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let asleep = Arc::new(AtomicU32::new(0));
        let last = Arc::new(Notify::new());
        for _ in 0..tasks {
            let (asleep, last, sleep) = (asleep.clone(), last.clone(), sleeper());
            drop(tokio::spawn(async move {
                asleep.fetch_add(1, Ordering::Relaxed);
                sleep.await;
                if asleep.fetch_sub(1, Ordering::Relaxed) == 1 {
                    last.notify_one();
                }
            }));
        }
        // On one thread, whoever has counted itself has also been polled until it sleeps.
        while asleep.load(Ordering::Relaxed) < tasks {
            yield_now().await;
        }
        let start = Instant::now();
        trip();
        let called = start.elapsed();
        last.notified().await;
        Herd { called, woken: start.elapsed() }
    }
}

/// What each connection, each request takes and gives back.
fn come_and_go() -> anyhow::Result<Vec<Row>> {
    const CHILD: &str = "CancellationToken child";
    const CLONE: &str = "CancellationToken clone";
    let (shutdown, token, swansong) =
        (coordinator()?.shutdown(), CancellationToken::new(), Swansong::new());
    let figures = Contest::new(Statistic::Minimum, ROUNDS, OPS)
        .side("Shutdown clone", |n| repeat(n, || black_box(&shutdown).clone()))
        .side(CHILD, |n| repeat(n, || black_box(&token).child_token()))
        .side(CLONE, |n| repeat(n, || black_box(&token).clone()))
        .side("swansong child", |n| repeat(n, || black_box(&swansong).child()))
        .run();
    let name = "take a handle and drop it";
    Ok(vec![
        figures.row(name, CHILD).target(Target::AtMost(1.0)),
        figures.row(name, CLONE),
        figures.row(name, "swansong child"),
    ])
}
