//! Changes of many tasks at once, in one transaction.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::fault::Fault;
use super::question::Question;
use super::row::{code, int4, int8, plain};
use super::session::{Desk, Parameter};
use super::told;
use super::wishes::{BEGIN, standing};
use crate::store::bells::News;
use crate::{Event, Operation, Selected, Selection, Standing};

/// How long one try may take at least: a page of tasks with many events is slow to delete.
const LEAST_LIMIT: Duration = Duration::from_secs(30);

/// A change of what is selected.
#[derive(Debug)]
pub(super) struct ChangeAll {
    pub(super) operation: Operation,
    pub(super) selection: Selection,
}

impl Question for ChangeAll {
    type Answer = Selected;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Selected>, Fault> {
        let mut answers = Vec::with_capacity(asked.len());
        for one in asked {
            let ids = select(&one.selection, desk).await?;
            if ids.is_empty() {
                answers.push(Selected::default());
                continue;
            }
            desk.client.batch_execute(BEGIN).await?;
            let changed = one.apply(&ids, desk).await;
            let end = if changed.is_ok() { "commit" } else { "rollback" };
            // If the end of a failed transaction fails as well, the first failure is told.
            let ended = desk.client.batch_execute(end).await;
            answers.push(Selected::of(changed?, &ids, one.selection.limit));
            ended?;
        }
        Ok(answers)
    }

    fn limit(&self, patience: Duration) -> Duration {
        patience.max(LEAST_LIMIT)
    }

    fn news(answer: &Self::Answer) -> News {
        News::Work.when(answer.count > 0)
    }
}

impl ChangeAll {
    /// Answers how many were changed: some may stand elsewhere since they were selected.
    async fn apply(&self, ids: &[i64], desk: &Desk<'_>) -> Result<u64, Fault> {
        let rows = desk.write("look_many_1", &[(&ids, Type::INT8_ARRAY)]).await?;
        let mut changes: Vec<(i64, Standing)> = Vec::with_capacity(rows.len());
        for row in rows {
            let (id, from) = (row.try_get(6)?, standing(&row)?);
            if !self.selection.states.contains(&from.state) {
                continue;
            }
            let to = match self.operation {
                Operation::Cancel => from.next(Event::Cancelled).ok(),
                Operation::Requeue => from.next(Event::Requeued).ok(),
                Operation::Discard => from.state.is_final().then_some(from),
            };
            changes.extend(to.map(|to| (id, to)));
        }
        let ids: Vec<i64> = changes.iter().map(|(id, _)| *id).collect();
        let owner = desk.owner.0.as_slice();
        let begin: [Parameter<'_>; 2] = [(&owner, Type::BYTEA), (&desk.lane, Type::INT4)];
        if self.operation == Operation::Discard {
            let [owner, lane] = begin;
            desk.call("discard_many_1", &[owner, lane, (&ids, Type::INT8_ARRAY)]).await?;
            return Ok(ids.len() as u64);
        }
        let told = (self.operation == Operation::Requeue).then_some(told::REQUEUED);
        let states: Vec<i16> = changes.iter().map(|(_, to)| code(to.state)).collect();
        let failures: Vec<i32> = changes.iter().map(|(_, to)| int4(to.failures)).collect();
        let interruptions: Vec<i32> =
            changes.iter().map(|(_, to)| int4(to.interruptions)).collect();
        let unwanted: Vec<bool> = changes.iter().map(|(_, to)| to.is_unwanted).collect();
        let [owner, lane] = begin;
        let parameters: [Parameter<'_>; 9] = [
            owner,
            lane,
            (&desk.events_kept, Type::INT8),
            (&ids, Type::INT8_ARRAY),
            (&states, Type::INT2_ARRAY),
            (&failures, Type::INT4_ARRAY),
            (&interruptions, Type::INT4_ARRAY),
            (&unwanted, Type::BOOL_ARRAY),
            (&told, Type::INT2),
        ];
        desk.call("change_many_1", &parameters).await?;
        Ok(ids.len() as u64)
    }
}

/// A count of what is selected.
#[derive(Debug)]
pub(super) struct CountAll(pub(super) Selection);

impl Question for CountAll {
    type Answer = Selected;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Selected>, Fault> {
        let mut answers = Vec::with_capacity(asked.len());
        for one in asked {
            let ids = select(&one.0, desk).await?;
            answers.push(Selected::of(ids.len() as u64, &ids, one.0.limit));
        }
        Ok(answers)
    }

    fn limit(&self, patience: Duration) -> Duration {
        patience.max(LEAST_LIMIT)
    }
}

/// The ids of what is selected, the newest first. Each state is asked for by itself, with its number
/// in the statement, so that its index is used.
async fn select(selection: &Selection, desk: &Desk<'_>) -> Result<Vec<i64>, Fault> {
    let of_state = |&state| {
        format!(
            "(select id from {{s}}.task where state = {} and id < $1 \
             and ($3::text is null or kind = $3) order by id desc limit $2)",
            code(state)
        )
    };
    let parts: Vec<String> = selection.states.iter().map(of_state).collect();
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let sql =
        format!("select id from ({}) found order by id desc limit $2", parts.join(" union all "));
    let before = selection.before.map_or(i64::MAX, |task| task.0);
    let kind = selection.kind.as_deref().map(plain);
    let parameters: [Parameter<'_>; 3] =
        [(&before, Type::INT8), (&int8(selection.limit), Type::INT8), (&kind, Type::TEXT)];
    let rows = desk.read(&sql, &parameters).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
