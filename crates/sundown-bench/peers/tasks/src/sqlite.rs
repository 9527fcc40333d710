//! SQLite: 64 callers, and a backlog.

use sundown_bench::{Contest, Figures, Row, Statistic, Target};

use crate::apalis_sqlite::ApalisSqlite;
use crate::aside::Aside;
use crate::ours::InSqlite;
use crate::queue::{Queue, drain, part_of, take_in};
use crate::raw_sqlite::RawSqlite;
use crate::world::World;

pub(crate) const EFFECTUM: &str = "effectum, NORMAL";

const ROUNDS: usize = 5;
const CALLS: u32 = 64 * 80;

const DRAINS: usize = 7;
const BACKLOG: u32 = 20_000;
/// apalis becomes slower as more waits, so it is spared most of it.
const SPARED: u32 = 10;
const SPARED_DRAINS: usize = 3;

pub(crate) fn callers(world: &World) -> anyhow::Result<Vec<Row>> {
    let mut effectum = Aside::start("effectum-peer", &[], &world.place()?)?;
    let figures = Contest::new(Statistic::Median, ROUNDS, CALLS)
        .side(InSqlite::NAME, take_in::<InSqlite>(world)?)
        .side(RawSqlite::NAME, take_in::<RawSqlite>(world)?)
        .side(EFFECTUM, |count| effectum.round("take-in", count))
        .side(ApalisSqlite::NAME, part_of(8, take_in::<ApalisSqlite>(world)?))
        .run();
    effectum.end()?;
    let name = "SQLite, 64 callers, one durable task each";
    Ok(vec![
        rate(&figures, ROUNDS, name, RawSqlite::NAME),
        rate(&figures, ROUNDS, name, EFFECTUM).target(Target::AtLeast(0.75)),
        rate(&figures, ROUNDS, name, ApalisSqlite::NAME).target(Target::AtLeast(10.0)),
    ])
}

pub(crate) fn backlog(world: &World) -> anyhow::Result<Vec<Row>> {
    let mut effectum = Aside::start("effectum-peer", &[], &world.place()?)?;
    let figures = Contest::new(Statistic::Median, DRAINS, BACKLOG)
        .side(InSqlite::NAME, drain::<InSqlite>(world))
        .side(RawSqlite::NAME, drain::<RawSqlite>(world))
        .side(EFFECTUM, |count| effectum.round("drain", count))
        .run();
    effectum.end()?;
    let name = "SQLite, drain 20,000 tasks";
    let small = BACKLOG / SPARED;
    let spared = Contest::new(Statistic::Median, SPARED_DRAINS, small)
        .side(InSqlite::NAME, drain::<InSqlite>(world))
        .side(ApalisSqlite::NAME, drain::<ApalisSqlite>(world))
        .run();
    Ok(vec![
        rate(&figures, DRAINS, name, RawSqlite::NAME),
        rate(&figures, DRAINS, name, EFFECTUM).target(Target::AtLeast(2.0)),
        rate(&spared, SPARED_DRAINS, "SQLite, drain 2,000 tasks", ApalisSqlite::NAME),
    ])
}

/// Ours beside a peer, in tasks per second.
pub(crate) fn rate(figures: &Figures, rounds: usize, name: &str, peer: &str) -> Row {
    let per_second = |side| 1e9 / figures.nanos(side);
    Row::new(name, "/s", per_second(InSqlite::NAME), peer, per_second(peer))
        .note(format!("median of {rounds} rounds"))
}
