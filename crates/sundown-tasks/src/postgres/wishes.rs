//! What others want of a task: its end, another beginning, or that it be forgotten.

use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::fault::Fault;
use super::question::Question;
use super::row::{code, count, int4, millis, state};
use super::session::{Desk, Parameter, clock};
use super::told;
use crate::store::bells::News;
use crate::{Change, Event, Standing, TaskId};

/// What somebody wants.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    Cancel,
    Requeue,
    Discard,
}

/// A wish for a task.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) task: TaskId,
    pub(super) what: What,
}

/// If we fall silent in the middle, nobody else is to wait for us for ever.
pub(super) const BEGIN: &str = "begin; set local idle_in_transaction_session_timeout = '10s'";

impl Question for Wish {
    type Answer = Change;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Change>, Fault> {
        let mut answers = Vec::with_capacity(asked.len());
        for one in asked {
            desk.client.batch_execute(BEGIN).await?;
            let answer = one.grant(desk).await;
            let end = if answer.is_ok() { "commit" } else { "rollback" };
            // If the end of a failed transaction fails as well, the first failure is told.
            let ended = desk.client.batch_execute(end).await;
            answers.push(answer?);
            ended?;
        }
        Ok(answers)
    }

    fn tasks(&self) -> Vec<TaskId> {
        vec![self.task]
    }

    fn news(answer: &Self::Answer) -> News {
        News::Work.when(matches!(answer, Change::Now(_)))
    }
}

impl Wish {
    async fn grant(&self, desk: &Desk<'_>) -> Result<Change, Fault> {
        let rows = desk.write("look_1", &[(&self.task.0, Type::INT8)]).await?;
        let Some(row) = rows.first() else { return Ok(Change::Unknown) };
        let from = standing(row)?;
        let (event, told) = match self.what {
            What::Cancel => (Event::Cancelled, None),
            What::Requeue => (Event::Requeued, Some(told::REQUEUED)),
            What::Discard => return self.discard(desk, from).await,
        };
        let Ok(to) = from.next(event) else { return Ok(Change::Impossible(from.state)) };
        self.change(desk, to, told).await?;
        Ok(Change::Now(to.state))
    }

    async fn change(&self, desk: &Desk<'_>, to: Standing, told: Option<i16>) -> Result<(), Fault> {
        let owner = desk.owner.0.as_slice();
        let parameters: [Parameter<'_>; 9] = [
            (&owner, Type::BYTEA),
            (&desk.lane, Type::INT4),
            (&desk.events_kept, Type::INT8),
            (&self.task.0, Type::INT8),
            (&code(to.state), Type::INT2),
            (&int4(to.failures), Type::INT4),
            (&int4(to.interruptions), Type::INT4),
            (&to.is_unwanted, Type::BOOL),
            (&told, Type::INT2),
        ];
        desk.call("change_1", &parameters).await?;
        Ok(())
    }

    async fn discard(&self, desk: &Desk<'_>, from: Standing) -> Result<Change, Fault> {
        if !from.state.is_final() {
            return Ok(Change::Impossible(from.state));
        }
        let owner = desk.owner.0.as_slice();
        let parameters: [Parameter<'_>; 3] =
            [(&owner, Type::BYTEA), (&desk.lane, Type::INT4), (&self.task.0, Type::INT8)];
        desk.call("discard_1", &parameters).await?;
        Ok(Change::Now(from.state))
    }
}

/// The first six columns of a row.
pub(super) fn standing(row: &Row) -> Result<Standing, Fault> {
    let number = |column| -> Result<u32, Fault> {
        let found: i32 = row.try_get(column)?;
        count(found.into())
    };
    Ok(Standing {
        state: state(row.try_get(0)?)?,
        failures: number(1)?,
        interruptions: number(2)?,
        is_unwanted: row.try_get(3)?,
        max_attempts: number(4)?,
        max_interruptions: number(5)?,
    })
}

/// What ended long ago is to be forgotten.
#[derive(Debug)]
pub(super) struct Purge {
    pub(super) ended_before: Duration,
    pub(super) limit: usize,
}

impl Question for Purge {
    type Answer = u64;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<u64>, Fault> {
        // What the server's clock went ahead of the time that passed makes nothing older.
        let wall = clock(desk.client).await?;
        let ahead = wall - desk.since.map_or(wall, |since| since.now(wall, desk.steady));
        let mut answers = Vec::with_capacity(asked.len());
        for one in asked {
            let age = millis(one.ended_before).saturating_add(ahead);
            let limit = i32::try_from(one.limit).unwrap_or(i32::MAX);
            let parameters: [Parameter<'_>; 2] = [(&age, Type::INT8), (&limit, Type::INT4)];
            let rows = desk.write("purge_1", &parameters).await?;
            let gone: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
            answers.push(count(gone)?);
        }
        Ok(answers)
    }

    /// Nobody waits for it, and many events are slow to delete.
    fn limit(&self, patience: Duration) -> Duration {
        patience.max(Duration::from_secs(30))
    }
}
