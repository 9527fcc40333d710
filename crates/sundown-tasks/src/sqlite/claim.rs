//! Tasks are claimed, and claims prolonged.

use std::cmp::Reverse;
use std::iter;
use std::time::Duration;

use rusqlite::{Result, Row, params};

use super::row::{checkpoint, code, json};
use super::transaction::Transaction;
use super::{clock, ending, fault, row};
use crate::{Claim, Ending, Event, Fence, Lease, State, TaskId, Wanted};

/// So many tasks whose time has come are made ready in one step.
const STEP: usize = 1024;
/// So many steps one claim takes at most.
const STEPS: usize = 16;

pub(super) const PROMOTE: &str = "UPDATE OR FAIL task SET ready = 1 WHERE id IN (SELECT id FROM task \
     WHERE state = 0 AND ready = 0 AND run_at <= ?1 ORDER BY run_at LIMIT ?2)";
pub(super) const READY: &str = "SELECT priority, id FROM task \
     WHERE kind = ?1 AND route = ?2 AND state = 0 AND ready = 1 \
     ORDER BY priority DESC, id LIMIT ?3";
pub(super) const LOOK: &str = "SELECT attempt, kind, \
     coalesce(input, (SELECT long.input FROM long_input AS long WHERE long.task = task.id)), \
     step, cursor, failures, interruptions, max_attempts FROM task WHERE id = ?1";
pub(super) const CLAIM: &str = "UPDATE OR FAIL task SET state = ?2, ready = 0, attempt = ?3, owner = ?4, \
     lease_until = ?5, started_at = ?6 WHERE id = ?1";
pub(super) const RENEW: &str = "UPDATE OR FAIL task SET lease_until = ?4 \
     WHERE id = ?1 AND attempt = ?2 AND owner = ?3 AND state = 1 RETURNING unwanted";

/// Claims tasks that may run now.
pub(super) fn claim(
    tx: &mut Transaction<'_, '_>,
    kinds: &[Wanted],
    limit: usize,
    lease: Duration,
) -> Result<Vec<Claim>> {
    promote(tx)?;
    let mut found: Vec<(Reverse<i64>, i64)> = Vec::new();
    for wanted in kinds {
        found.extend(ready(tx, wanted, wanted.count.min(limit))?);
    }
    found.sort_unstable();
    // A kind may have been named twice.
    found.dedup();
    found.truncate(limit);
    let lease_until = tx.since_boot.saturating_add(clock::millis(lease));
    let claims = found.into_iter().map(|(_, id)| begin(tx, TaskId(id), lease_until));
    claims.filter_map(Result::transpose).collect()
}

/// The first of a kind, in the order in which they are claimed.
fn ready(
    tx: &Transaction<'_, '_>,
    wanted: &Wanted,
    count: usize,
) -> Result<Vec<(Reverse<i64>, i64)>> {
    let most = i64::try_from(count).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    for route in iter::once("").chain(wanted.routes.iter().map(String::as_str)) {
        found.extend(tx.sql.rows(READY, params![wanted.kind, route, most], |row| {
            Ok((Reverse(row.get(0)?), row.get(1)?))
        })?);
    }
    if !wanted.routes.is_empty() {
        found.sort_unstable();
        found.dedup();
        found.truncate(count);
    }
    Ok(found)
}

/// Makes ready what waited for a time that has come.
fn promote(tx: &Transaction<'_, '_>) -> Result<()> {
    for _ in 0..STEPS {
        if tx.sql.execute(PROMOTE, params![tx.now, STEP as i64])? < STEP {
            break;
        }
    }
    Ok(())
}

/// It is pending and ready: it was found so in this transaction. One that cannot be read is ended,
/// for good: it would be in the way of all others.
fn begin(tx: &mut Transaction<'_, '_>, task: TaskId, lease_until: i64) -> Result<Option<Claim>> {
    let found = tx.sql.row(LOOK, [task.0], |row| {
        let fence = Fence { task, attempt: row.get::<_, u32>(0)? + 1 };
        Ok((fence, read(row, fence)))
    })?;
    let (fence, claim) = found.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
    let to = tx.count_by(State::Pending, Event::Claimed);
    let values = params![task.0, code(to), fence.attempt, tx.owner.number, lease_until, tx.now];
    tx.sql.execute(CLAIM, values)?;
    match claim {
        Ok(claim) => Ok(Some(claim)),
        Err(error) if fault::is_of_the_request(&error) => {
            let error = format!("what is kept of it cannot be read: {error}");
            ending::finish(tx, &[(fence, Ending::FailedForGood { error })]).map(|_| None)
        }
        Err(error) => Err(error),
    }
}

fn read(row: &Row<'_>, fence: Fence) -> Result<Claim> {
    Ok(Claim {
        fence,
        kind: row.get(1)?,
        input: json(row.get(2)?, 2)?,
        checkpoint: checkpoint(row, 3)?,
        failures: row.get(5)?,
        interruptions: row.get(6)?,
        max_attempts: row.get(7)?,
    })
}

/// Prolongs leases.
pub(super) fn renew(
    tx: &Transaction<'_, '_>,
    attempts: &[Fence],
    lease: Duration,
) -> Result<Vec<Lease>> {
    let lease_until = tx.since_boot.saturating_add(clock::millis(lease));
    let renew = |fence: &Fence| {
        let values = params![fence.task.0, fence.attempt, tx.owner.number, lease_until];
        let unwanted = tx.sql.row(RENEW, values, |row| row.get(0))?;
        Ok(match unwanted {
            Some(true) => Lease::Unwanted,
            Some(false) => Lease::Held,
            None => Lease::Lost,
        })
    };
    attempts.iter().map(renew).collect()
}

/// Whether this process still has that attempt; then, how its task stands.
pub(super) fn own(tx: &Transaction<'_, '_>, fence: Fence) -> Result<Option<row::Held>> {
    let held = row::held(tx.sql, fence.task)?;
    Ok(held.filter(|held| {
        held.standing.state == State::Running
            && held.attempt == fence.attempt
            && held.owner == Some(tx.owner.number)
    }))
}
