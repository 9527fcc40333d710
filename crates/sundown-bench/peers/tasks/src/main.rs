//! `cargo xtask bench tasks`: the task service beside the peers, all in one run.

mod apalis_postgres;
mod apalis_sqlite;
mod aside;
mod graphile;
mod growth;
mod handback;
mod killed;
mod ours;
mod pickup;
mod postgres;
mod queue;
mod ran;
mod raw_postgres;
mod raw_sqlite;
mod replica;
mod restart;
mod spread;
mod sqlite;
mod watched;
mod world;

use std::env;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use sundown_bench::{Comparison, Row};

use crate::world::World;

type Part = (&'static str, fn(&World) -> anyhow::Result<Vec<Row>>);

/// What is measured, in this order.
const PARTS: [Part; 9] = [
    ("sqlite-callers", sqlite::callers),
    ("sqlite-backlog", sqlite::backlog),
    ("postgres-callers", postgres::callers),
    ("postgres-backlog", postgres::backlog),
    ("growth", growth::rows),
    ("pickup", pickup::rows),
    ("handback", handback::rows),
    ("killed", killed::rows),
    ("restart", restart::rows),
];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [growth::WORD, place] => growth::hold(Path::new(place)),
        [replica::WORD, side, turn, place] => replica::run(side, turn, place),
        ["--json", ref parts @ ..] => compare(parts, true),
        ref parts => compare(parts, false),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tasks-peers: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures these parts, or all. A missed target is a finding, not a failure.
fn compare(wanted: &[&str], json: bool) -> anyhow::Result<()> {
    let known = PARTS.map(|(name, _)| name);
    for part in wanted {
        ensure!(known.contains(part), "no part is called `{part}`; there are {}", known.join(", "));
    }
    let world = World::new()?;
    let mut comparison = Comparison::new("tasks");
    for (name, rows) in PARTS {
        if wanted.is_empty() || wanted.contains(&name) {
            let start = Instant::now();
            eprint!("measuring: {name} …");
            comparison.extend(rows(&world).with_context(|| format!("cannot measure {name}"))?);
            eprintln!(" {:.0?}", start.elapsed());
        }
    }
    comparison.print(json);
    Ok(())
}
