//! Which of the tasks that run nobody wants any more.

use rusqlite::{Result, params};

use super::statements::Statements;
use crate::Fence;

pub(super) const UNWANTED: &str =
    "SELECT 1 FROM task WHERE id = ?1 AND attempt = ?2 AND state = 1 AND unwanted = 1";

/// Those of these attempts.
pub(super) fn of(sql: &Statements<'_>, attempts: Vec<Fence>) -> Result<Vec<Fence>> {
    let mut unwanted = Vec::new();
    for fence in attempts {
        if sql.row(UNWANTED, params![fence.task.0, fence.attempt], |_| Ok(()))?.is_some() {
            unwanted.push(fence);
        }
    }
    Ok(unwanted)
}
