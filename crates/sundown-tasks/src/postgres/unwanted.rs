//! Which of the tasks that run nobody wants any more.

use std::collections::HashSet;

use tokio_postgres::types::Type;

use super::fault::Fault;
use super::question::Question;
use super::row::count;
use super::session::Desk;
use crate::{Fence, TaskId};

/// It is asked of these attempts.
#[derive(Debug)]
pub(super) struct Unwanted {
    pub(super) attempts: Vec<Fence>,
}

/// Found by their numbers; that they run is no reason to look through all that run.
const UNWANTED: &str = "select id, attempt from {s}.task \
     where id = any($1) and state + 0 = 1 and is_unwanted";

impl Question for Unwanted {
    type Answer = Vec<Fence>;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Vec<Fence>>, Fault> {
        let all = asked.iter().flat_map(|one| &one.attempts);
        let ids: Vec<i64> = all.map(|fence| fence.task.0).collect();
        let mut unwanted = HashSet::new();
        for row in desk.read(UNWANTED, &[(&ids, Type::INT8_ARRAY)]).await? {
            let attempt: i32 = row.try_get(1)?;
            let fence = Fence { task: TaskId(row.try_get(0)?), attempt: count(attempt.into())? };
            unwanted.insert(fence);
        }
        let of = |one: &&Self| {
            one.attempts.iter().copied().filter(|fence| unwanted.contains(fence)).collect()
        };
        Ok(asked.iter().map(of).collect())
    }

    fn rows(&self) -> usize {
        self.attempts.len()
    }

    fn joins(&self, _other: &Self) -> bool {
        true
    }
}
