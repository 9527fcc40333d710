//! A rolling restart: five tasks of 2 s and five of 60 s run, ten more wait, and the process is told
//! to stop within 5 s. The next one starts when it is gone. All sides do this at the same time, in
//! processes of their own that tell by lines what begins and ends.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use sundown_bench::{Row, Target};

use crate::replica::{LONG, QUEUED, SHORT, Side};
use crate::watched::Replica;
use crate::world::World;

/// How long an interrupted task is waited for: apalis looks every 30 s for workers that have been silent
/// for 60 s on SQLite. The 300 s that it gives them on PostgreSQL are not waited for.
const PATIENCE: Duration = Duration::from_secs(130);
/// What runs again besides them begins soon after.
const SETTLED: Duration = Duration::from_secs(3);
const GAP_LIMIT_MS: f64 = 1000.0;
/// What a restart did.
#[derive(Debug)]
struct Found {
    /// How long the first process took to stop.
    stopped_in: Duration,
    /// Tasks of 2 s that had ended, and began again.
    rerun: u32,
    /// From the start of the second process until the last interrupted task runs; none if one does
    /// not within the time it is waited for.
    gap: Option<Duration>,
    /// Attempts that the interrupted ones have lost.
    burned: u32,
}

impl Found {
    fn gap_ms(&self) -> f64 {
        self.gap.unwrap_or(PATIENCE).as_secs_f64() * 1e3
    }
}

pub(crate) fn rows(world: &World) -> anyhow::Result<Vec<Row>> {
    let places = Side::ALL.map(|side| Ok((side, side.place(world)?)));
    let places = places.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let found: BTreeMap<Side, Found> = thread::scope(|scope| {
        let running: Vec<_> = places
            .iter()
            .map(|(side, place)| (*side, scope.spawn(move || restart(*side, place))))
            .collect();
        let ended = running.into_iter().map(|(side, thread)| {
            let found = thread.join().unwrap_or_else(|_| anyhow::bail!("it panicked"));
            Ok((side, found.with_context(|| side.name().to_owned())?))
        });
        ended.collect::<anyhow::Result<_>>()
    })?;
    let mut rows = Vec::new();
    for (ours, peers) in [
        (Side::Sundown, &[Side::ApalisSqlite][..]),
        (Side::SundownPostgres, &[Side::Graphile, Side::ApalisPostgres]),
    ] {
        rows.extend(wanted(ours, &found[&ours]));
        for peer in peers {
            rows.extend(beside(ours, &found[&ours], *peer, &found[peer]));
        }
    }
    Ok(rows)
}

/// What should happen to none of them.
type Harm = (&'static str, fn(&Found) -> u32);
const HARMS: [Harm; 2] = [
    ("ended tasks that run again", |found| found.rerun),
    ("attempts that interrupted tasks have lost", |found| found.burned),
];

/// What is wanted of ours.
fn wanted(ours: Side, found: &Found) -> Vec<Row> {
    let gap = Row::new(gap(ours), "ms", found.gap_ms(), "limit", GAP_LIMIT_MS)
        .target(Target::AtMost(1.0))
        .note(format!("stopped in {:.1} s", found.stopped_in.as_secs_f64()));
    // There is no ratio to none: one is too many.
    let limit = "limit (none is less than 1)";
    let none = |(what, of): Harm| {
        Row::count(row(ours, what), "of 5", of(found), limit, 1).target(Target::AtMost(0.0))
    };
    iter::once(gap).chain(HARMS.map(none)).collect()
}

/// Ours beside a peer.
fn beside(ours: Side, found: &Found, side: Side, theirs: &Found) -> Vec<Row> {
    let never = theirs.gap.is_none().then(|| format!("not all five ran within {PATIENCE:?}"));
    let never = never.unwrap_or_default();
    let stopped = format!("the peer stopped in {:.1} s", theirs.stopped_in.as_secs_f64());
    let gap = Row::new(gap(ours), "ms", found.gap_ms(), side.name(), theirs.gap_ms()).note(stopped);
    let harm =
        |(what, of): Harm| Row::count(row(ours, what), "of 5", of(found), side.name(), of(theirs));
    let rows = iter::once(gap).chain(HARMS.map(harm));
    rows.map(|row| if never.is_empty() { row } else { row.note(&never) }).collect()
}

fn gap(ours: Side) -> String {
    row(ours, "the next process → interrupted tasks run")
}

fn row(ours: Side, what: &str) -> String {
    format!("restart, {}: {what}", ours.store())
}

fn restart(side: Side, place: &str) -> anyhow::Result<Found> {
    let mut first = Replica::start(side, "first", place)?;
    let running: BTreeSet<u32> = SHORT.chain(LONG).collect();
    let begun =
        first.wait(PATIENCE, |lines| running.iter().all(|n| lines.begun.contains_key(n)))?;
    ensure!(begun, "not all ten began: {:?}", first.lines);
    let stop = Instant::now();
    let ended = first.stop()?;
    let stopped_in = stop.elapsed();
    let mut second = Replica::start(side, "second", place)?;
    let start = Instant::now();
    second.wait(PATIENCE, |lines| LONG.chain(QUEUED).all(|n| lines.begun.contains_key(&n)))?;
    second.wait(SETTLED, |_| false)?;
    ensure!(second.is_there()?, "the next process is gone: {:?}", second.lines);
    let lines = &second.lines;
    let gap = LONG.map(|n| lines.begun.get(&n)).collect::<Option<Vec<_>>>();
    let last = gap.and_then(|begun| begun.into_iter().map(|(at, _)| *at).max());
    let found = Found {
        stopped_in,
        rerun: u32::try_from(
            SHORT.filter(|n| ended.contains(n) && lines.begun.contains_key(n)).count(),
        )?,
        gap: last.map(|at| at.saturating_duration_since(start)),
        burned: LONG.filter_map(|n| lines.begun.get(&n)).map(|(_, lost)| *lost).sum(),
    };
    second.kill()?;
    Ok(found)
}
