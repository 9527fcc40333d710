//! Rows of the tables, and what they mean.

use serde_json::Value;
use tokio_postgres::Row;

use super::fault::Fault;
use crate::{Checkpoint, State};

/// The number by which a state is kept.
pub(super) const fn code(state: State) -> i16 {
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
pub(super) fn state(found: i16) -> Result<State, Fault> {
    let state = State::ALL.into_iter().find(|&state| code(state) == found);
    state.ok_or_else(|| Fault::Broken(format!("a task has the unknown state {found}")))
}

/// A number that is never below 0.
pub(super) fn count<T: TryFrom<i64>>(found: i64) -> Result<T, Fault> {
    T::try_from(found).map_err(|_| Fault::Broken(format!("{found} is out of range")))
}

/// A number that PostgreSQL can hold.
pub(super) fn int4(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The same, for what is counted in memory.
pub(super) fn int8(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Text that PostgreSQL can hold: it has no zero bytes.
pub(super) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A step and a cursor, in this column and the next; the cursor as `read` has it.
pub(super) fn checkpoint(
    row: &Row,
    column: usize,
    read: impl FnOnce(String) -> Result<Value, Fault>,
) -> Result<Option<Checkpoint>, Fault> {
    let step: Option<String> = row.try_get(column)?;
    let cursor: Option<String> = row.try_get(column + 1)?;
    let (Some(step), Some(cursor)) = (step, cursor) else { return Ok(None) };
    Ok(Some(Checkpoint { step, cursor: read(cursor)? }))
}

/// Milliseconds, as far as PostgreSQL can count them: a hundred years are enough.
pub(super) fn millis(time: std::time::Duration) -> i64 {
    const CENTURY: i64 = 100 * 366 * 24 * 3600 * 1000;
    i64::try_from(time.as_millis()).map_or(CENTURY, |millis| millis.min(CENTURY))
}
