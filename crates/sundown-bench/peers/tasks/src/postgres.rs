//! PostgreSQL: 64 callers, and a backlog.

use sundown_bench::{Contest, Row, Statistic, Target};

use crate::apalis_postgres::ApalisPostgres;
use crate::graphile::Graphile;
use crate::ours::InPostgres;
use crate::queue::{Queue, drain, part_of, take_in};
use crate::raw_postgres::RawPostgres;
use crate::sqlite::rate;
use crate::world::World;

const ROUNDS: usize = 5;
const CALLS: u32 = 64 * 80;

const DRAINS: usize = 7;
const BACKLOG: u32 = 20_000;

pub(crate) fn callers(world: &World) -> anyhow::Result<Vec<Row>> {
    let figures = Contest::new(Statistic::Median, ROUNDS, CALLS)
        .side(InPostgres::NAME, take_in::<InPostgres>(world)?)
        .side(RawPostgres::NAME, take_in::<RawPostgres>(world)?)
        .side(Graphile::NAME, part_of(8, take_in::<Graphile>(world)?))
        .side(ApalisPostgres::NAME, part_of(4, take_in::<ApalisPostgres>(world)?))
        .run();
    let name = "PostgreSQL, 64 callers, one durable task each";
    Ok(vec![
        rate(&figures, ROUNDS, name, RawPostgres::NAME),
        rate(&figures, ROUNDS, name, Graphile::NAME).target(Target::AtLeast(5.0)),
        rate(&figures, ROUNDS, name, ApalisPostgres::NAME).target(Target::AtLeast(3.0)),
    ])
}

pub(crate) fn backlog(world: &World) -> anyhow::Result<Vec<Row>> {
    let figures = Contest::new(Statistic::Median, DRAINS, BACKLOG)
        .side(InPostgres::NAME, drain::<InPostgres>(world))
        .side(RawPostgres::NAME, drain::<RawPostgres>(world))
        .side(Graphile::NAME, drain::<Graphile>(world))
        .side(ApalisPostgres::NAME, drain::<ApalisPostgres>(world))
        .run();
    let name = "PostgreSQL, drain 20,000 tasks";
    Ok(vec![
        rate(&figures, DRAINS, name, RawPostgres::NAME),
        rate(&figures, DRAINS, name, Graphile::NAME).target(Target::AtLeast(1.0)),
        rate(&figures, DRAINS, name, ApalisPostgres::NAME),
    ])
}
