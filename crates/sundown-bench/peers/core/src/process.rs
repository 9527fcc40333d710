//! Real processes: what a person sees who sends the signals and watches the clock.

use std::env;
use std::future::pending;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{bail, ensure};
use sundown::{Coordinator, Phase, Waiter};
use sundown_bench::{Row, Statistic, Target};
use sundown_drill::process::{Process, Signal};
use tokio::runtime::Builder;

/// The first word of the process that is stopped.
pub(crate) const CHILD: &str = "stop";

const ON_RUNTIME: &str = "stuck-on-runtime";
const ON_POOL: &str = "stuck-on-pool";
const LADDER: &str = "ladder";

const CAP: Duration = Duration::from_millis(1_500);
const BUDGET: Duration = Duration::from_millis(300);
const LIMIT_MS: f64 = 50.0;
const CAP_RUNS: usize = 7;
const LADDER_RUNS: usize = 15;
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a stuck waiter sleeps: longer than anybody waits for it.
const FOR_EVER: Duration = Duration::from_secs(600);

pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let on_runtime = runs(CAP_RUNS, || overshoot(ON_RUNTIME))?;
    let on_pool = runs(CAP_RUNS, || overshoot(ON_POOL))?;
    let (second, third) = runs(LADDER_RUNS, climb)?.into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
    Ok(vec![
        row("overshoot of the cap, stuck waiters block all runtime threads", &on_runtime),
        row("overshoot of the cap, waiters stuck in blocking calls", &on_pool),
        row("second signal → flush starts", &second),
        row("third signal → gone, flush blocks its thread", &third),
    ])
}

fn runs<T>(count: usize, run: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<Vec<T>> {
    (0..count).map(|_| run()).collect()
}

fn row(name: &str, times: &[Duration]) -> Row {
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let usual = Statistic::Median.of(times.iter().copied());
    let worst = times.iter().copied().max().unwrap_or_default();
    Row::new(name, "ms", millis(usual), "limit", LIMIT_MS)
        .target(Target::AtMost(1.0))
        .note(format!("median of {} runs; max {:.1} ms", times.len(), millis(worst)))
}

fn start(part: &str) -> anyhow::Result<Process> {
    let process = Process::new(env::current_exe()?).args([CHILD, part]).spawn()?;
    process.wait_for_line(|line| line == "ready", PATIENCE)?;
    Ok(process)
}

/// From the signal to the end of the process, beyond the cap.
fn overshoot(part: &str) -> anyhow::Result<Duration> {
    let mut process = start(part)?;
    process.signal(Signal::Term)?;
    let exit = process.wait(PATIENCE)?;
    // What ended early or unblocked would look like a quick stop.
    let stuck = exit.lines.iter().filter(|line| line.text == "stuck").count();
    ensure!(stuck >= 2, "only {stuck} of its 2 worker threads or more were blocked");
    ensure!(exit.took + BUDGET > CAP, "it ended after {:?}, before its time", exit.took);
    ensure!(matches!(exit.code, Some(1 | 3)), "its exit code is {:?}", exit.code);
    Ok(exit.took.saturating_sub(CAP))
}

/// From the second signal to the first line of flush; from the third to the end of the process.
fn climb() -> anyhow::Result<(Duration, Duration)> {
    let mut process = start(LADDER)?;
    process.signal(Signal::Term)?;
    process.wait_for_line(|line| line == "draining", PATIENCE)?;
    let second = process.signal(Signal::Term)?;
    let flushing = process.wait_for_line(|line| line == "flushing", PATIENCE)?;
    let third = process.signal(Signal::Term)?;
    let exit = process.wait(PATIENCE)?;
    ensure!(exit.code == Some(1), "its exit code is {:?}", exit.code);
    Ok((flushing.at.duration_since(second), exit.ended.duration_since(third)))
}

/// The process that is stopped.
pub(crate) fn child(part: &str) -> anyhow::Result<ExitCode> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let coordinator = match part {
        ON_RUNTIME => stuck_on_runtime()?,
        ON_POOL => stuck_on_pool()?,
        LADDER => ladder()?,
        _ => bail!("no process is called `{part}`"),
    };
    println!("ready");
    // The runtime cannot be dropped while threads of it are blocked: that is the watchdog's turn.
    Ok(runtime.block_on(coordinator.run()).exit_code())
}

/// Waiters that block the runtime's threads: the timers, and so the plan, stand still.
fn stuck_on_runtime() -> anyhow::Result<Arc<Coordinator>> {
    all_stuck(|name| Waiter::new(name, |_deadline| async { stick("stuck") }))
}

/// Waiters that block threads of the pool: the plan goes on, but its end finds them there.
fn stuck_on_pool() -> anyhow::Result<Arc<Coordinator>> {
    all_stuck(|name| Waiter::blocking(name, |_deadline| stick("stuck")))
}

/// Waiters in every phase that never come back.
fn all_stuck(waiter: impl Fn(String) -> Waiter) -> anyhow::Result<Arc<Coordinator>> {
    let builder = Coordinator::builder().cap(CAP).announce(Duration::ZERO);
    let coordinator =
        builder.budget(Phase::FLUSH, BUDGET).budget(Phase::RELEASE, BUDGET).build()?;
    coordinator.listen_for_signals()?;
    for phase in [Phase::DRAIN, Phase::FLUSH, Phase::RELEASE] {
        for number in 0..4 {
            let waiter = waiter(format!("{phase}-{number}")).in_phase(phase.clone());
            coordinator.register_waiter(waiter)?;
        }
    }
    Ok(coordinator)
}

/// A drain that never ends, and a flush that blocks its thread.
fn ladder() -> anyhow::Result<Arc<Coordinator>> {
    let coordinator = crate::coordinator()?;
    coordinator.listen_for_signals()?;
    let drain = Waiter::new("drain", |_deadline| async {
        println!("draining");
        pending::<()>().await;
    });
    let flush = Waiter::new("flush", |_deadline| async { stick("flushing") });
    coordinator.register_waiter(drain)?;
    coordinator.register_waiter(flush.in_phase(Phase::FLUSH))?;
    Ok(coordinator)
}

#[expect(clippy::disallowed_methods, reason = "blocking the thread is the point")]
fn stick(word: &str) {
    println!("{word}");
    thread::sleep(FOR_EVER);
}
