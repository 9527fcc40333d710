//! What each process claims, and which tasks no living process does.

use std::collections::BTreeSet;

use rusqlite::{Result, params};

use super::statements::Statements;
use super::transaction::Transaction;
use crate::{Route, Unserved};

const OWN: &str = "SELECT kind, route FROM serving WHERE owner = ?1";
const WITHDRAW: &str = "DELETE FROM serving WHERE owner = ?1";
const SERVE: &str = "INSERT INTO serving (owner, kind, route) VALUES (?1, ?2, ?3)";
/// Rows of owners that an older version of the program struck out.
const TIDY: &str = "DELETE FROM serving WHERE owner NOT IN (SELECT number FROM owner)";
const SERVED: &str = "SELECT DISTINCT kind, route FROM serving \
     WHERE owner IN (SELECT number FROM owner)";
/// The next route with ready tasks, by one step into the index.
pub(super) const NEXT: &str = "SELECT kind, route FROM task WHERE state = 0 AND ready = 1 \
     AND (kind, route) > (?1, ?2) ORDER BY kind, route LIMIT 1";
pub(super) const TASKS: &str = "SELECT 1 FROM task \
     WHERE kind = ?1 AND route = ?2 AND state = 0 AND ready = 1 LIMIT ?3";

/// Says what this process claims. Nothing is written if that was said before.
pub(super) fn advertise(tx: &mut Transaction<'_, '_>, served: &[Route]) -> Result<()> {
    let owner = tx.owner.number;
    let before = routes(tx.sql, OWN, params![owner])?;
    if before == served.iter().cloned().collect() {
        return Ok(());
    }
    tx.sql.execute(WITHDRAW, [owner])?;
    tx.sql.execute(TIDY, [])?;
    for route in served.iter().collect::<BTreeSet<_>>() {
        tx.sql.execute(SERVE, params![owner, route.kind, route.name])?;
    }
    Ok(())
}

/// An owner is gone.
pub(super) fn withdraw(sql: &Statements<'_>, owner: i64) -> Result<()> {
    sql.execute(WITHDRAW, [owner]).map(drop)
}

/// Ready tasks that no living process claims.
pub(super) fn unserved(sql: &Statements<'_>) -> Result<Vec<Unserved>> {
    let served = routes(sql, SERVED, [])?;
    let mut found = Vec::new();
    let mut at = Route { kind: String::new(), name: String::new() };
    while let Some(route) = sql.row(NEXT, [&at.kind, &at.name], route)? {
        if !served.contains(&route) {
            let most = i64::try_from(Unserved::COUNTED).unwrap_or(i64::MAX);
            let values = params![route.kind, route.name, most];
            let tasks = sql.rows(TASKS, values, |_| Ok(()))?.len() as u64;
            found.push(Unserved { route: route.clone(), tasks });
        }
        if found.len() == Unserved::ROUTES {
            break;
        }
        at = route;
    }
    Ok(found)
}

fn routes(
    sql: &Statements<'_>,
    question: &'static str,
    values: impl rusqlite::Params,
) -> Result<BTreeSet<Route>> {
    Ok(sql.rows(question, values, route)?.into_iter().collect())
}

fn route(row: &rusqlite::Row<'_>) -> Result<Route> {
    Ok(Route { kind: row.get(0)?, name: row.get(1)? })
}
