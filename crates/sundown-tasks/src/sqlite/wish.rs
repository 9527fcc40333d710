//! What others want of a task: its end, another beginning, or that it be forgotten.

use std::time::Duration;

use rusqlite::{Result, params};

use super::row::{self, Held, code};
use super::transaction::Transaction;
use super::{clock, ending, told};
use crate::store::bells::News;
use crate::{Change, Event, Fence, Standing, State, TaskId};

pub(super) const UNWANTED: &str = "UPDATE OR FAIL task SET unwanted = ?2 WHERE id = ?1";
pub(super) const AGAIN: &str = "UPDATE OR FAIL task SET state = ?2, ready = 1, failures = ?3, interruptions = ?4, \
     unwanted = ?5, run_at = ?6, ended_at = NULL, output = NULL, error = NULL, step = NULL, \
     cursor = NULL WHERE id = ?1";
pub(super) const REMOVE: &str = "DELETE FROM task WHERE id = ?1";
pub(super) const REMOVE_EVENTS: &str = "DELETE FROM event WHERE task = ?1";
const REMOVE_INPUT: &str = "DELETE FROM long_input WHERE task = ?1";
pub(super) const OLD: &str =
    "SELECT id, state FROM task WHERE ended_at <= ?1 ORDER BY ended_at LIMIT ?2";

/// Ends a task, or asks whoever runs it to.
pub(super) fn cancel(tx: &mut Transaction<'_, '_>, task: TaskId) -> Result<Change> {
    change(tx, task, Event::Cancelled, |tx, held, to| {
        if to.state == State::Running {
            tx.sql.execute(UNWANTED, params![task.0, to.is_unwanted])?;
            tx.is_news(News::Work);
            return Ok(());
        }
        ending::settle(tx, task, (held.standing, to), None, Duration::ZERO)
    })
}

/// Lets a task begin again.
pub(super) fn requeue(tx: &mut Transaction<'_, '_>, task: TaskId) -> Result<Change> {
    change(tx, task, Event::Requeued, |tx, held, to| {
        let (state, now) = (code(to.state), tx.now);
        let (failures, interruptions, unwanted) = (to.failures, to.interruptions, to.is_unwanted);
        let values = params![task.0, state, failures, interruptions, unwanted, now];
        tx.sql.execute(AGAIN, values)?;
        tx.count(Some(held.standing.state), Some(to.state));
        tx.is_news(News::Work);
        told::append(tx, Fence { task, attempt: held.attempt }, told::REQUEUED, "")
    })
}

/// Asks the table, and does what it says.
fn change(
    tx: &mut Transaction<'_, '_>,
    task: TaskId,
    event: Event,
    apply: impl FnOnce(&mut Transaction<'_, '_>, Held, Standing) -> Result<()>,
) -> Result<Change> {
    let Some(held) = row::held(tx.sql, task)? else { return Ok(Change::Unknown) };
    let Ok(to) = held.standing.next(event) else {
        return Ok(Change::Impossible(held.standing.state));
    };
    apply(tx, held, to)?;
    Ok(Change::Now(to.state))
}

/// Forgets a task that is over.
pub(super) fn discard(tx: &mut Transaction<'_, '_>, task: TaskId) -> Result<Change> {
    let Some(held) = row::held(tx.sql, task)? else { return Ok(Change::Unknown) };
    let state = held.standing.state;
    if !state.is_final() {
        return Ok(Change::Impossible(state));
    }
    remove(tx, task, state)?;
    Ok(Change::Now(state))
}

/// Forgets tasks that ended so long ago.
pub(super) fn purge(tx: &mut Transaction<'_, '_>, ago: Duration, limit: usize) -> Result<u64> {
    let before = tx.passed.saturating_sub(clock::millis(ago));
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let old =
        tx.sql.rows(OLD, [before, limit], |row| Ok((TaskId(row.get(0)?), row::state(row, 1)?)))?;
    for &(task, state) in &old {
        remove(tx, task, state)?;
    }
    Ok(old.len() as u64)
}

fn remove(tx: &mut Transaction<'_, '_>, task: TaskId, state: State) -> Result<()> {
    for sql in [REMOVE, REMOVE_EVENTS, REMOVE_INPUT] {
        tx.sql.execute(sql, [task.0])?;
    }
    tx.count(Some(state), None);
    Ok(())
}
