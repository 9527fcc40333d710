//! Tasks come in.

use rusqlite::{Result, params};

use super::row::code;
use super::transaction::Transaction;
use crate::store::bells::News;
use crate::store::json::is_same;
use crate::{Enqueued, NewTask, State, TaskId};

/// Longer inputs are kept apart: a row is written anew with every change.
const LONG: usize = 2048;

pub(super) const KNOWN: &str = "SELECT id, kind, \
     coalesce(input, (SELECT long.input FROM long_input AS long WHERE long.task = task.id)) \
     FROM task WHERE key = ?1";
const INSERT: &str = "INSERT OR FAIL INTO task (kind, state, ready, priority, max_attempts, \
     max_interruptions, created_at, run_at, key, input, route) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
const INSERT_LONG: &str = "INSERT OR FAIL INTO long_input (task, input) VALUES (?1, ?2)";

/// Takes tasks in.
pub(super) fn enqueue(
    tx: &mut Transaction<'_, '_>,
    tasks: &[NewTask],
    limit: u64,
) -> Result<Vec<Enqueued>> {
    tasks.iter().map(|task| take_in(tx, task, limit)).collect()
}

fn take_in(tx: &mut Transaction<'_, '_>, task: &NewTask, limit: u64) -> Result<Enqueued> {
    if let Some(known) = known(tx, task)? {
        return Ok(known);
    }
    if u64::try_from(tx.pending()?).unwrap_or(0) >= limit {
        return Ok(Enqueued::Full);
    }
    let run_at = task.run_at.unwrap_or(tx.now);
    let is_long = task.input.get().len() > LONG;
    let inline = (!is_long).then_some(task.input.get());
    tx.sql.execute(
        INSERT,
        params![
            task.kind,
            code(State::Pending),
            run_at <= tx.now,
            task.priority,
            task.max_attempts,
            task.max_interruptions,
            tx.now,
            run_at,
            task.key,
            inline,
            task.route,
        ],
    )?;
    let id = TaskId(tx.sql.connection().last_insert_rowid());
    if is_long {
        tx.sql.execute(INSERT_LONG, params![id.0, task.input.get()])?;
    }
    tx.count(None, Some(State::Pending));
    tx.is_news(News::Work);
    Ok(Enqueued::New(id))
}

/// The task that came before under the same key.
fn known(tx: &Transaction<'_, '_>, task: &NewTask) -> Result<Option<Enqueued>> {
    let Some(key) = &task.key else { return Ok(None) };
    tx.sql.row(KNOWN, [key], |row| {
        let id = TaskId(row.get(0)?);
        let (kind, input): (String, String) = (row.get(1)?, row.get(2)?);
        let is_same = kind == task.kind && is_same(&input, task.input.get());
        Ok(if is_same { Enqueued::Known(id) } else { Enqueued::KeyTaken(id) })
    })
}
