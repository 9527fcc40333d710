//! `kill -9`, with all settings as they are: from the signal until every task that ran there runs
//! again, on another replica or, where there was none, in the process that is started next.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use sundown_bench::{Row, Target};

use crate::replica::{LONG, QUEUED, Side};
use crate::watched::{Lines, Replica};
use crate::world::World;

const SIDES: [Side; 2] = [Side::Sundown, Side::SundownPostgres];
const TRIALS: usize = 3;
const LIMIT_MS: f64 = 15_000.0;
const PATIENCE: Duration = Duration::from_secs(60);

/// How one trial goes: how long it took.
type Trial = fn(Side, &str) -> anyhow::Result<Duration>;
const TRIES: [(&str, Trial); 2] = [
    ("kill -9 → its tasks run on another replica", beside),
    ("kill -9 of the only process → its tasks run in the next", alone),
];

pub(crate) fn rows(world: &World) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (what, trial) in TRIES {
        for (side, longest) in longest(world, trial)? {
            let name = format!("{}, {what}", side.store());
            let row = Row::new(name, "ms", longest.as_secs_f64() * 1e3, "limit", LIMIT_MS);
            let note = format!("the longest of {TRIALS}, with a lease of 10 s");
            rows.push(row.target(Target::AtMost(1.0)).note(note));
        }
    }
    Ok(rows)
}

/// Everybody waits most of the time, so all trials are held at once.
fn longest(world: &World, trial: Trial) -> anyhow::Result<Vec<(Side, Duration)>> {
    let all = SIDES.into_iter().flat_map(|side| [side; TRIALS]);
    let places = all.map(|side| Ok((side, side.place(world)?)));
    let places = places.collect::<anyhow::Result<Vec<_>>>()?;
    let took = thread::scope(|scope| {
        let start = |(side, place): (Side, String)| {
            (side, scope.spawn(move || trial(side, &place).context(side.name())))
        };
        let running: Vec<_> = places.into_iter().map(start).collect();
        let ended = running.into_iter().map(|(side, running)| {
            Ok((side, running.join().unwrap_or_else(|_| anyhow::bail!("it panicked"))?))
        });
        ended.collect::<anyhow::Result<Vec<_>>>()
    })?;
    let of = |side| took.iter().filter(move |(of, _)| *of == side).map(|(_, took)| *took).max();
    Ok(SIDES.map(|side| (side, of(side).unwrap_or_default())).to_vec())
}

fn beside(side: Side, place: &str) -> anyhow::Result<Duration> {
    let first = busy(side, place)?;
    let mut second = Replica::start(side, "second", place)?;
    let is_up = |lines: &Lines| QUEUED.clone().any(|number| lines.begun.contains_key(&number));
    ensure!(second.wait(PATIENCE, is_up)?, "the other replica found nothing to do");
    let killed = first.kill()?;
    all_run(second, killed)
}

fn alone(side: Side, place: &str) -> anyhow::Result<Duration> {
    let killed = busy(side, place)?.kill()?;
    all_run(Replica::start(side, "second", place)?, killed)
}

/// A replica that runs all it can.
fn busy(side: Side, place: &str) -> anyhow::Result<Replica> {
    let mut replica = Replica::start(side, "first", place)?;
    ensure!(replica.wait(PATIENCE, all_begun)?, "not all began: {:?}", replica.lines);
    Ok(replica)
}

fn all_run(mut replica: Replica, since: Instant) -> anyhow::Result<Duration> {
    ensure!(replica.wait(PATIENCE, all_begun)?, "not all run again: {:?}", replica.lines);
    let last = LONG.filter_map(|number| replica.lines.begun.get(&number)).map(|(at, _)| *at).max();
    replica.kill()?;
    Ok(last.context("none began")?.saturating_duration_since(since))
}

fn all_begun(lines: &Lines) -> bool {
    LONG.clone().all(|number| lines.begun.contains_key(&number))
}
