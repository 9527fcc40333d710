//! One task every 10 ms, nothing else to do: from the call until it runs.

use std::time::{Duration, Instant};

use sundown_bench::Row;
use tokio::time::{MissedTickBehavior, interval};

use crate::apalis_postgres::ApalisPostgres;
use crate::aside::Aside;
use crate::graphile::Graphile;
use crate::ours::{InPostgres, InSqlite};
use crate::queue::{Queue as _, Works};
use crate::ran;
use crate::spread::Spread;
use crate::sqlite::EFFECTUM;
use crate::world::World;

const TURNS: usize = 2;
const EACH: u32 = 150;
/// The first ones do not count.
const FIRST: u32 = 20;
const EVERY: Duration = Duration::from_millis(10);

pub(crate) fn rows(world: &World) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    let (mut ours, mut effectum) = (Spread::default(), Spread::default());
    for _ in 0..TURNS {
        world.run(turn::<InSqlite>(world, &mut ours))?;
        world.run(turn_aside(world, &mut effectum))?;
    }
    rows.extend(ours.rows("SQLite, call → its task runs", EFFECTUM, &effectum));
    let [mut ours, mut graphile, mut apalis] = [(); 3].map(|()| Spread::default());
    for _ in 0..TURNS {
        world.run(turn::<InPostgres>(world, &mut ours))?;
        world.run(turn::<Graphile>(world, &mut graphile))?;
        world.run(turn::<ApalisPostgres>(world, &mut apalis))?;
    }
    let name = "PostgreSQL, call → its task runs";
    rows.extend(ours.rows(name, Graphile::NAME, &graphile));
    rows.extend(ours.rows(name, ApalisPostgres::NAME, &apalis));
    Ok(rows)
}

async fn turn<Q: Works>(world: &World, spread: &mut Spread) -> anyhow::Result<()> {
    let queue = Q::open(world).await?;
    ran::forget();
    let worker = queue.work().await?;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut calls = Vec::new();
    for number in 0..EACH {
        ticks.tick().await;
        calls.push(Instant::now());
        queue.push(number).await?;
    }
    for (number, call) in (0..EACH).zip(calls).skip(FIRST as usize) {
        spread.push(ran::began(number).await?.saturating_duration_since(call));
    }
    queue.stop(worker).await?;
    queue.close().await
}

async fn turn_aside(world: &World, spread: &mut Spread) -> anyhow::Result<()> {
    let mut aside = Aside::start("effectum-peer", &[], &world.place()?)?;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 0..EACH {
        ticks.tick().await;
        let took = tokio::task::block_in_place(|| aside.round("pickup", 1));
        if number >= FIRST {
            spread.push(took);
        }
    }
    aside.end()
}
