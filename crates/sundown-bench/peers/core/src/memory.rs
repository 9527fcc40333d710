//! Memory: what an idle component holds, as the system counts it, each kind in its own process.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, bail};
use sundown_bench::{Row, Statistic, Target};
use sundown_drill::process::Process;
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tokio_graceful_shutdown::{SubsystemBuilder, SubsystemHandle, Toplevel};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::coordinator;

/// The first word of the process that is measured.
pub(crate) const CHILD: &str = "idle";

const COMPONENTS: u32 = 10_000;
const RUNS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let ours = held_by_one("sundown")?;
    let row = |peer: &str| {
        let theirs = held_by_one(peer)?;
        let row = Row::new("memory of an idle component", "B", ours, peer, theirs);
        anyhow::Ok(row.note(format!("median of {RUNS} processes × {COMPONENTS} components")))
    };
    Ok(vec![
        row("tokio-graceful-shutdown")?.target(Target::AtMost(0.2)),
        row("tokio-util")?,
        row("plain task")?,
    ])
}

fn held_by_one(kind: &str) -> anyhow::Result<f64> {
    let run = |_| {
        let process = Process::new(env::current_exe()?).args([CHILD, kind]).spawn()?;
        let exit = process.wait(PATIENCE)?;
        let bytes = exit.stdout.trim().parse::<u32>();
        bytes.with_context(|| format!("`{CHILD} {kind}` told no bytes: {}", exit.stderr))
    };
    let runs = (0..RUNS).map(run).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(f64::from(Statistic::Median.of(runs)) / f64::from(COMPONENTS))
}

/// Starts the components, waits until all are idle, and prints by how much the process has grown.
pub(crate) fn child(kind: &str) -> anyhow::Result<ExitCode> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    let bytes = runtime.block_on(async {
        match kind {
            "sundown" => sundown().await,
            "tokio-graceful-shutdown" => tokio_graceful_shutdown().await,
            "tokio-util" => tokio_util().await,
            "plain task" => plain_task().await,
            _ => bail!("no kind of component is called `{kind}`"),
        }
    })?;
    println!("{bytes}");
    Ok(ExitCode::SUCCESS)
}

async fn sundown() -> anyhow::Result<u64> {
    let coordinator = coordinator()?;
    let idle = Idle::default();
    let before = resident()?;
    for number in 0..COMPONENTS {
        let (shutdown, idle) = (coordinator.shutdown(), idle.clone());
        coordinator.spawn(name(number), async move {
            idle.one_more();
            shutdown.wait().await;
        });
    }
    idle.all().await;
    Ok(resident()?.saturating_sub(before))
}

async fn tokio_graceful_shutdown() -> anyhow::Result<u64> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let toplevel = Toplevel::new(async move |system: &mut SubsystemHandle| {
        let grown = start_subsystems(system).await;
        system.request_shutdown();
        let _ = tell.send(grown);
    });
    toplevel.handle_shutdown_requests(PATIENCE).await.context("the subsystems do not stop")?;
    told.await?
}

async fn start_subsystems(system: &mut SubsystemHandle) -> anyhow::Result<u64> {
    let idle = Idle::default();
    let before = resident()?;
    for number in 0..COMPONENTS {
        let idle = idle.clone();
        let subsystem = async move |system: &mut SubsystemHandle| {
            idle.one_more();
            system.on_shutdown_requested().await;
            anyhow::Ok(())
        };
        system.start(SubsystemBuilder::new(name(number), subsystem));
    }
    idle.all().await;
    Ok(resident()?.saturating_sub(before))
}

/// Tracked and cancellable, without a name.
async fn tokio_util() -> anyhow::Result<u64> {
    let (tracker, token) = (TaskTracker::new(), CancellationToken::new());
    let idle = Idle::default();
    let before = resident()?;
    for _ in 0..COMPONENTS {
        let (token, idle) = (token.child_token(), idle.clone());
        tracker.spawn(async move {
            idle.one_more();
            token.cancelled().await;
        });
    }
    idle.all().await;
    Ok(resident()?.saturating_sub(before))
}

/// A task that waits for ever: what the runtime takes for itself.
#[expect(clippy::disallowed_methods, reason = "the plain spawn is what we are compared with")]
async fn plain_task() -> anyhow::Result<u64> {
    let idle = Idle::default();
    let before = resident()?;
    for _ in 0..COMPONENTS {
        let idle = idle.clone();
        drop(tokio::spawn(async move {
            idle.one_more();
            std::future::pending::<()>().await;
        }));
    }
    idle.all().await;
    Ok(resident()?.saturating_sub(before))
}

fn name(number: u32) -> String {
    format!("component-{number}")
}

/// Counts the components that have come to the point where they wait.
#[derive(Debug, Clone, Default)]
struct Idle(Arc<AtomicU32>);

impl Idle {
    fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// On one thread, whoever has counted itself has also been polled until it waits.
    async fn all(&self) {
        while self.0.load(Ordering::Relaxed) < COMPONENTS {
            yield_now().await;
        }
    }
}

/// The bytes of memory that this process holds.
fn resident() -> anyhow::Result<u64> {
    const ROLLUP: &str = "/proc/self/smaps_rollup";
    let text = fs::read_to_string(ROLLUP).with_context(|| format!("cannot read {ROLLUP}"))?;
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    Ok(1024 * kilobytes.with_context(|| format!("{ROLLUP} tells no Rss in kB"))?)
}
