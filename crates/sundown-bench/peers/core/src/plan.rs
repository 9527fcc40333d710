//! Makespan: how much longer a stop of 100 ordered waiters takes than the longest chain of what
//! they really did.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{anyhow, ensure};
use fastrand::Rng;
use sundown::dag::Dag;
use sundown::{Cause, Waiter};
use sundown_bench::{Row, Statistic, Target};
use tokio::runtime::{Builder, Runtime};

use crate::coordinator;

const WAITERS: usize = 100;
const SEEDS: [u64; 7] = [1, 2, 3, 4, 5, 6, 7];
/// Each waiter is ordered after up to this many of those before it, none of them far away.
const PREDECESSORS: usize = 3;
const REACH: usize = 20;

pub(crate) fn rows() -> anyhow::Result<Vec<Row>> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let runs =
        SEEDS.iter().map(|&seed| stop(&runtime, seed)).collect::<anyhow::Result<Vec<_>>>()?;
    let usual = Statistic::Median.of(runs.iter().map(Run::overhead_nanos));
    let longest = runs.iter().map(Run::ratio).fold(0.0, f64::max);
    let run = runs.iter().find(|run| run.overhead_nanos() == usual).expect("it is one of them");
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    let (ours, path) = (millis(run.makespan), millis(run.critical_path));
    let row = Row::new("makespan of 100 waiters", "ms", ours, "critical path", path);
    let note = format!("median of {} random graphs; largest ratio {longest:.3}", runs.len());
    Ok(vec![row.target(Target::AtMost(1.05)).note(note)])
}

/// One stop: from the cause until the report is there.
struct Run {
    makespan: Duration,
    critical_path: Duration,
}

impl Run {
    fn ratio(&self) -> f64 {
        self.makespan.as_secs_f64() / self.critical_path.as_secs_f64()
    }

    /// What the stop took beyond the path, in billionths of it: a ratio that can be ordered.
    fn overhead_nanos(&self) -> u128 {
        let path = self.critical_path.as_nanos();
        self.makespan.as_nanos().saturating_sub(path) * 1_000_000_000 / path.max(1)
    }
}

fn stop(runtime: &Runtime, seed: u64) -> anyhow::Result<Run> {
    let mut rng = Rng::with_seed(seed);
    let edges = edges(&mut rng);
    let dag = Dag::new(WAITERS, edges.iter().copied()).map_err(|cycle| anyhow!("{cycle:?}"))?;
    let slept = Arc::new(Mutex::new(vec![Duration::ZERO; WAITERS]));
    let coordinator = coordinator()?;
    for number in 0..WAITERS {
        let (pause, slept) = (Duration::from_millis(rng.u64(5..=50)), slept.clone());
        let waiter = Waiter::new(name(number), move |_deadline| async move {
            let start = Instant::now();
            tokio::time::sleep(pause).await;
            slept.lock().unwrap_or_else(PoisonError::into_inner)[number] = start.elapsed();
        });
        coordinator.register_waiter(waiter)?;
    }
    for &(before, after) in &edges {
        coordinator.order([name(before), name(after)])?;
    }
    coordinator.check()?;
    let start = Instant::now();
    coordinator.initiate(Cause::requested("bench"));
    let report = runtime.block_on(coordinator.run());
    let makespan = start.elapsed();
    ensure!(report.is_clean(), "seed {seed} did not stop cleanly:\n{report}");
    let slept = slept.lock().unwrap_or_else(PoisonError::into_inner);
    let (critical_path, _) = dag.critical_path(&slept);
    ensure!(makespan >= critical_path, "seed {seed}: {makespan:?} is too short: an edge was cut");
    Ok(Run { makespan, critical_path })
}

/// Edges lead from lower numbers to higher ones, so there is no cycle.
fn edges(rng: &mut Rng) -> Vec<(usize, usize)> {
    let mut edges = Vec::new();
    for after in 1..WAITERS {
        for _ in 0..rng.usize(0..=PREDECESSORS) {
            edges.push((rng.usize(after.saturating_sub(REACH)..after), after));
        }
    }
    edges.sort_unstable();
    edges.dedup();
    edges
}

fn name(number: usize) -> String {
    format!("waiter-{number}")
}
