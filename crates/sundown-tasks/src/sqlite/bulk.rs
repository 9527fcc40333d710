//! Changes of many tasks at once.

use rusqlite::Result;

use super::statements::Statements;
use super::transaction::Transaction;
use super::{listing, wish};
use crate::{Change, Operation, Selected, Selection, TaskId};

/// Changes what is selected, all in this transaction.
pub(super) fn change(
    tx: &mut Transaction<'_, '_>,
    operation: Operation,
    selection: &Selection,
) -> Result<Selected> {
    let ids = select(tx.sql, selection)?;
    let mut count = 0;
    for &id in &ids {
        let change = match operation {
            Operation::Cancel => wish::cancel(tx, TaskId(id))?,
            Operation::Requeue => wish::requeue(tx, TaskId(id))?,
            Operation::Discard => wish::discard(tx, TaskId(id))?,
        };
        count += u64::from(matches!(change, Change::Now(_)));
    }
    Ok(Selected::of(count, &ids, selection.limit))
}

/// Counts what is selected.
pub(super) fn count(sql: &Statements<'_>, selection: &Selection) -> Result<Selected> {
    let ids = select(sql, selection)?;
    Ok(Selected::of(ids.len() as u64, &ids, selection.limit))
}

fn select(sql: &Statements<'_>, selection: &Selection) -> Result<Vec<i64>> {
    listing::ids(
        sql,
        selection.kind.as_deref(),
        &selection.states,
        selection.before,
        selection.limit,
    )
}
