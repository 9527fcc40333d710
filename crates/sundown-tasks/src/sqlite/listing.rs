//! Tasks are looked at: listed and counted.

use rusqlite::Result;

use super::row::{self, code, count};
use super::statements::Statements;
use crate::{Counts, Entry, Filter, State, TaskId};

/// Each kind by one step into the index.
pub(super) const KINDS: &str = "WITH RECURSIVE found(kind) AS (SELECT min(kind) FROM task UNION ALL \
     SELECT (SELECT min(kind) FROM task WHERE kind > found.kind) FROM found \
     WHERE found.kind IS NOT NULL) SELECT kind FROM found WHERE kind IS NOT NULL";
pub(super) const OF_KIND: &str = "SELECT id FROM task \
     WHERE kind = ?1 AND state = ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4";
pub(super) const OF_ALL: &str = "SELECT id FROM task WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
const COUNTS: &str = "SELECT state, sum(n) FROM counter GROUP BY state";

/// Tasks, the newest first. A transaction is open. Only what is on the page is read whole.
pub(super) fn list(sql: &Statements<'_>, filter: &Filter) -> Result<Vec<Entry>> {
    let states = filter.state.map_or(State::ALL.to_vec(), |state| vec![state]);
    let found = ids(sql, filter.kind.as_deref(), &states, filter.before, filter.limit)?;
    let mut left = filter.bytes.unwrap_or(usize::MAX);
    let mut tasks = Vec::new();
    for id in found {
        if left == 0 {
            break;
        }
        let Some((size, task)) = row::task(sql, TaskId(id))? else { continue };
        left = left.saturating_sub(size);
        tasks.push(task);
    }
    Ok(tasks)
}

/// The ids of tasks in these states, the newest first.
///
/// An index has the tasks of each kind in each state; whatever is asked for, is merged from as
/// many pieces of it as it takes. So a page costs the same however many tasks there are.
pub(super) fn ids(
    sql: &Statements<'_>,
    kind: Option<&str>,
    states: &[State],
    before: Option<TaskId>,
    limit: usize,
) -> Result<Vec<i64>> {
    let before = before.map_or(i64::MAX, |task| task.0);
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    if kind.is_none() && states.len() == State::ALL.len() {
        return sql.rows(OF_ALL, [before, most], |row| row.get(0));
    }
    let kinds = match kind {
        Some(kind) => vec![kind.to_owned()],
        None => sql.rows(KINDS, [], |row| row.get(0))?,
    };
    let mut found: Vec<i64> = Vec::new();
    for kind in &kinds {
        for &state in states {
            let values = rusqlite::params![kind, code(state), before, most];
            found.extend(sql.rows(OF_KIND, values, |row| row.get::<_, i64>(0))?);
        }
    }
    found.sort_unstable_by(|a, b| b.cmp(a));
    found.truncate(limit);
    Ok(found)
}

/// How many tasks there are in each state.
pub(super) fn counts(sql: &Statements<'_>) -> Result<Counts> {
    let mut counts = Counts::default();
    for (state, n) in sql.rows(COUNTS, [], |row| Ok((row::state(row, 0)?, count(row, 1)?)))? {
        match state {
            State::Pending => counts.pending = n,
            State::Running => counts.running = n,
            State::Failed | State::Dead => counts.dead += n,
            State::Succeeded | State::Cancelled => {}
        }
    }
    Ok(counts)
}
