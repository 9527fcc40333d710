//! What is told of a task: progress, checkpoints, events.

use rusqlite::{Result, params};

use super::row::{count, state, text};
use super::statements::Statements;
use super::transaction::Transaction;
use crate::store::bells::News;
use crate::store::json::shown;
use crate::{Events, Fence, Mark, Progress, TaskEvent, TaskId, What};

pub(super) const PROGRESS: i64 = 0;
pub(super) const FAILED: i64 = 1;
pub(super) const INTERRUPTED: i64 = 2;
pub(super) const REQUEUED: i64 = 3;

pub(super) const NOTE: &str = "UPDATE OR FAIL task SET last_event = last_event + ?4, step = coalesce(?5, step), \
     cursor = coalesce(?6, cursor) \
     WHERE id = ?1 AND attempt = ?2 AND owner = ?3 AND state = 1 \
     RETURNING first_event, last_event";
pub(super) const NUMBER: &str = "UPDATE OR FAIL task SET last_event = last_event + 1 WHERE id = ?1 \
     RETURNING first_event, last_event";
const EVENT: &str = "INSERT INTO event (task, seq, at, attempt, what, text) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(super) const FORGET: &str = "DELETE FROM event WHERE task = ?1 AND seq < ?2";
const FIRST: &str = "UPDATE OR FAIL task SET first_event = ?2 WHERE id = ?1";

/// Writes progress and checkpoints.
pub(super) fn progress(
    tx: &mut Transaction<'_, '_>,
    news: &[Progress],
) -> Result<Vec<Option<u64>>> {
    news.iter().map(|news| note(tx, news)).collect()
}

fn note(tx: &mut Transaction<'_, '_>, news: &Progress) -> Result<Option<u64>> {
    let Fence { task, attempt } = news.fence;
    let is_event = news.event.is_some();
    let step = news.checkpoint.as_ref().map(|checkpoint| &checkpoint.step);
    let cursor = news.checkpoint.as_ref().map(|checkpoint| checkpoint.cursor.to_string());
    let values = params![task.0, attempt, tx.owner.number, is_event, step, cursor];
    let range = tx.sql.row(NOTE, values, |row| Ok((row.get(0)?, count(row, 1)?)))?;
    let Some((first, last)) = range else { return Ok(None) };
    if let Some(event) = &news.event {
        write(tx, news.fence, (first, last), PROGRESS, event.get())?;
    }
    Ok(Some(last))
}

/// Tells of a task what happened to it.
pub(super) fn append(
    tx: &mut Transaction<'_, '_>,
    fence: Fence,
    what: i64,
    text: &str,
) -> Result<()> {
    let range = tx.sql.row(NUMBER, [fence.task.0], |row| Ok((row.get(0)?, count(row, 1)?)))?;
    range.map_or(Ok(()), |range| write(tx, fence, range, what, text))
}

fn write(
    tx: &mut Transaction<'_, '_>,
    fence: Fence,
    (first, last): (i64, u64),
    what: i64,
    text: &str,
) -> Result<()> {
    let last = last.cast_signed();
    tx.sql.execute(EVENT, params![fence.task.0, last, tx.now, fence.attempt, what, text])?;
    tx.is_news(News::Log);
    let kept = i64::from(tx.events_kept);
    // Several at a time: an eighth of what is kept.
    if last - first >= kept + kept / 8 {
        let first = last - kept + 1;
        tx.sql.execute(FORGET, [fence.task.0, first])?;
        tx.sql.execute(FIRST, [fence.task.0, first])?;
    }
    Ok(())
}

const RANGE: &str = "SELECT first_event, last_event, state FROM task WHERE id = ?1";
pub(super) const EVENTS: &str = "SELECT seq, at, attempt, what, text FROM event \
     WHERE task = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3";

/// How far their logs go.
pub(super) fn marks(sql: &Statements<'_>, tasks: &[TaskId]) -> Result<Vec<Option<Mark>>> {
    let mark = |task: &TaskId| {
        sql.row(RANGE, [task.0], |row| Ok(Mark { last: count(row, 1)?, state: state(row, 2)? }))
    };
    tasks.iter().map(mark).collect()
}

/// The events of a task that come after this one. A transaction is open.
pub(super) fn events(
    sql: &Statements<'_>,
    task: TaskId,
    after: u64,
    limit: usize,
) -> Result<Option<Events>> {
    let range =
        sql.row(RANGE, [task.0], |row| Ok((count(row, 0)?, count(row, 1)?, state(row, 2)?)))?;
    let Some((first_kept, last, state)) = range else { return Ok(None) };
    let after = i64::try_from(after).unwrap_or(i64::MAX);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let events = sql.rows(EVENTS, [task.0, after, limit], |row| {
        let text = text(row, 4)?.unwrap_or_default();
        let what = match row.get(3)? {
            PROGRESS => What::Progress(shown(&text)),
            FAILED => What::Failed(text),
            INTERRUPTED => What::Interrupted(text),
            REQUEUED => What::Requeued,
            other => return Err(rusqlite::Error::IntegralValueOutOfRange(3, other)),
        };
        Ok(TaskEvent { seq: count(row, 0)?, at: row.get(1)?, attempt: row.get(2)?, what })
    })?;
    Ok(Some(Events { events, first_kept, last, state }))
}
