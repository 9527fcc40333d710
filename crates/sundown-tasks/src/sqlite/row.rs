//! Rows of the tables, and what they mean.

use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};
use serde_json::value::RawValue;

use super::statements::Statements;
use crate::store::json::{shown, shown_value};
use crate::{Checkpoint, Entry, Event, Standing, State, TaskId};

/// The number by which a state is kept.
pub(super) const fn code(state: State) -> i64 {
    match state {
        State::Pending => 0,
        State::Running => 1,
        State::Succeeded => 2,
        State::Failed => 3,
        State::Cancelled => 4,
        State::Dead => 5,
    }
}

/// The state that this number means.
pub(super) fn state(row: &Row<'_>, column: usize) -> Result<State> {
    let found: i64 = row.get(column)?;
    State::ALL
        .into_iter()
        .find(|&state| code(state) == found)
        .ok_or(Error::IntegralValueOutOfRange(column, found))
}

/// Where a task comes to from this state, whatever else is true of it: for changes that are made
/// without reading it before.
pub(super) fn after(state: State, event: Event) -> State {
    let standing = Standing { state, ..Standing::new(1, 1) };
    standing.next(event).expect("it is asked for changes that the table has").state
}

/// What of a task decides, and where its events end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) standing: Standing,
    pub(super) attempt: u32,
    pub(super) owner: Option<i64>,
}

pub(super) const HELD: &str = "SELECT state, failures, interruptions, unwanted, max_attempts, \
     max_interruptions, attempt, owner FROM task WHERE id = ?1";

/// The task as it stands, to decide by.
pub(super) fn held(sql: &Statements<'_>, task: TaskId) -> Result<Option<Held>> {
    sql.row(HELD, [task.0], |row| {
        let standing = Standing {
            state: state(row, 0)?,
            failures: row.get(1)?,
            interruptions: row.get(2)?,
            is_unwanted: row.get(3)?,
            max_attempts: row.get(4)?,
            max_interruptions: row.get(5)?,
        };
        Ok(Held { standing, attempt: row.get(6)?, owner: row.get(7)? })
    })
}

pub(super) const TASK: &str = "SELECT id, kind, state, priority, attempt, failures, interruptions, \
     max_attempts, unwanted, output, error, step, cursor, key, last_event, created_at, run_at, \
     started_at, ended_at, \
     coalesce(input, (SELECT long.input FROM long_input AS long WHERE long.task = task.id)), route \
     FROM task WHERE id = ?1";

/// The task as others see it, and how many bytes its input, output and cursor have.
pub(super) fn task(sql: &Statements<'_>, task: TaskId) -> Result<Option<(usize, Entry)>> {
    sql.row(TASK, [task.0], |row| {
        let size = |column| text(row, column).map(|text| text.map_or(0, |text| text.len()));
        let size = size(9)? + size(12)? + size(19)?;
        let state = state(row, 2)?;
        let (step, cursor) = (text(row, 11)?, text(row, 12)?);
        let cursor = cursor.map(shown_value);
        let entry = Entry {
            id: TaskId(row.get(0)?),
            kind: text(row, 1)?.unwrap_or_default(),
            route: text(row, 20)?.unwrap_or_default(),
            state,
            priority: row.get(3)?,
            attempt: row.get(4)?,
            failures: row.get(5)?,
            interruptions: row.get(6)?,
            max_attempts: row.get(7)?,
            is_unwanted: row.get(8)? && !state.is_final(),
            output: text(row, 9)?.as_deref().map(shown),
            error: text(row, 10)?,
            waits_for: None,
            checkpoint: step.zip(cursor).map(|(step, cursor)| Checkpoint { step, cursor }),
            key: text(row, 13)?,
            last_event: count(row, 14)?,
            created_at: row.get(15)?,
            run_at: row.get(16)?,
            started_at: row.get(17)?,
            ended_at: row.get(18)?,
            input: shown(&text(row, 19)?.unwrap_or_default()),
        };
        Ok((size, entry))
    })
}

/// Text for those who look, of whatever bytes there are.
pub(super) fn text(row: &Row<'_>, column: usize) -> Result<Option<String>> {
    let bytes = row.get_ref(column)?.as_bytes_or_null()?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// A step and a cursor to go on from, in this column and the next.
pub(super) fn checkpoint(row: &Row<'_>, column: usize) -> Result<Option<Checkpoint>> {
    let step: Option<String> = row.get(column)?;
    let cursor: Option<String> = row.get(column + 1)?;
    let (Some(step), Some(cursor)) = (step, cursor) else { return Ok(None) };
    let cursor = serde_json::from_str(&cursor).map_err(|error| unreadable(column + 1, error))?;
    Ok(Some(Checkpoint { step, cursor }))
}

/// A number that is never below 0.
pub(super) fn count(row: &Row<'_>, column: usize) -> Result<u64> {
    let found: i64 = row.get(column)?;
    u64::try_from(found).map_err(|_| Error::IntegralValueOutOfRange(column, found))
}

/// JSON that was JSON when it was written.
pub(super) fn json(text: String, column: usize) -> Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(|error| unreadable(column, error))
}

pub(super) fn unreadable(
    column: usize,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}
