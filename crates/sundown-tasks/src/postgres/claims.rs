//! Attempts begin, and their leases are prolonged.

use std::cmp::Reverse;
use std::iter;
use std::time::Duration;

use serde_json::value::RawValue;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::endings::end_after;
use super::fault::Fault;
use super::question::Question;
use super::row::{checkpoint, count, int4, millis, plain};
use super::session::{Desk, Parameter};
use crate::{Claim, Ending, Fence, Lease, TaskId, Wanted};

/// Tasks are wanted.
#[derive(Debug)]
pub(super) struct Claiming {
    pub(super) kinds: Vec<Wanted>,
    pub(super) limit: usize,
    pub(super) lease: Duration,
}

/// What was claimed by a write whose answer was lost.
const CLAIMED: &str = "select id, attempt, priority, kind, input, step, cursor, failures, \
     interruptions, max_attempts from {s}.task \
     where state = 1 and owner = $1 and claimed_in = $2";

impl Question for Claiming {
    type Answer = Vec<Claim>;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Vec<Claim>>, Fault> {
        let mut answers = Vec::with_capacity(asked.len());
        for one in asked {
            answers.push(one.claim(desk).await?);
        }
        Ok(answers)
    }

    fn may_be_redone(&self) -> bool {
        true
    }
}

impl Claiming {
    async fn claim(&self, desk: &Desk<'_>) -> Result<Vec<Claim>, Fault> {
        let rows = match desk.lost {
            Some(lost) => {
                let owner = desk.owner.0.as_slice();
                let mark = mark(desk.lane, lost);
                desk.read(CLAIMED, &[(&owner, Type::BYTEA), (&mark, Type::INT8)]).await?
            }
            None => self.send(desk).await?,
        };
        let (mut claims, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in &rows {
            let fence = fence(row)?;
            match self.claimed(row, fence) {
                Ok(claim) => claims.push((row.try_get::<_, i16>(2)?, claim)),
                Err(fault) => unreadable.push((fence, for_good(&fault))),
            }
        }
        // They would be in the way of all others, again and again.
        if !unreadable.is_empty() {
            end_after(desk, &unreadable).await?;
        }
        claims.sort_by_key(|(priority, claim)| (Reverse(*priority), claim.fence.task));
        Ok(claims.into_iter().map(|(_, claim)| claim).collect())
    }

    fn claimed(&self, row: &Row, fence: Fence) -> Result<Claim, Fault> {
        let number = |column| -> Result<u32, Fault> {
            let found: i32 = row.try_get(column)?;
            count(found.into())
        };
        let json = |what: &str, error| Fault::Broken(format!("its {what} is no JSON: {error}"));
        let input = RawValue::from_string(row.try_get(4)?);
        Ok(Claim {
            fence,
            kind: self.wanted_as(row.try_get(3)?),
            input: input.map_err(|error| json("input", error))?,
            checkpoint: checkpoint(row, 5, |cursor| {
                serde_json::from_str(&cursor).map_err(|error| json("checkpoint", error))
            })?,
            failures: number(7)?,
            interruptions: number(8)?,
            max_attempts: number(9)?,
        })
    }

    /// The kind by the name by which it was asked for, which the server may not be able to hold.
    fn wanted_as(&self, kind: &str) -> String {
        let is_kind = |wanted: &&Wanted| plain(&wanted.kind) == kind;
        self.kinds.iter().find(is_kind).map_or(kind, |wanted| &wanted.kind).to_owned()
    }

    async fn send(&self, desk: &Desk<'_>) -> Result<Vec<Row>, Fault> {
        let count = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        let (mut kinds, mut routes, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for wanted in &self.kinds {
            for route in iter::once("").chain(wanted.routes.iter().map(String::as_str)) {
                kinds.push(plain(&wanted.kind));
                routes.push(plain(route));
                counts.push(count(wanted.count));
            }
        }
        desk.write(
            "claim_2",
            &[
                (&mark(desk.lane, desk.batch), Type::INT8),
                (&desk.is_first, Type::BOOL),
                (&kinds, Type::TEXT_ARRAY),
                (&routes, Type::TEXT_ARRAY),
                (&counts, Type::INT4_ARRAY),
                (&count(self.limit), Type::INT4),
                (&millis(self.lease), Type::INT8),
            ],
        )
        .await
    }
}

/// A write of a connection, in one number.
fn mark(lane: i32, batch: i64) -> i64 {
    i64::from(lane) << 48 | batch
}

fn fence(row: &Row) -> Result<Fence, Fault> {
    let attempt: i32 = row.try_get(1)?;
    Ok(Fence { task: TaskId(row.try_get(0)?), attempt: count(attempt.into())? })
}

fn for_good(fault: &Fault) -> Ending {
    Ending::FailedForGood { error: format!("what is kept of it cannot be read: {fault}") }
}

/// A server that is busy may take so long to prolong a lease.
const RENEWAL: Duration = Duration::from_millis(250);

/// Attempts that go on.
#[derive(Debug)]
pub(super) struct Renew {
    pub(super) attempts: Vec<Fence>,
    pub(super) lease: Duration,
}

impl Question for Renew {
    type Answer = Vec<Lease>;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Vec<Lease>>, Fault> {
        let (mut ids, mut attempts, mut leases) = (Vec::new(), Vec::new(), Vec::new());
        for one in asked {
            for fence in &one.attempts {
                ids.push(fence.task.0);
                attempts.push(int4(fence.attempt));
                leases.push(millis(one.lease));
            }
        }
        let owner = desk.owner.0.as_slice();
        let parameters: [Parameter<'_>; 4] = [
            (&owner, Type::BYTEA),
            (&ids, Type::INT8_ARRAY),
            (&attempts, Type::INT4_ARRAY),
            (&leases, Type::INT8_ARRAY),
        ];
        let mut answers = vec![Lease::Lost; ids.len()];
        for row in desk.call("renew_1", &parameters).await? {
            let at: usize = count(row.try_get::<_, i64>(0)? - 1)?;
            let is_unwanted: bool = row.try_get(1)?;
            answers[at] = if is_unwanted { Lease::Unwanted } else { Lease::Held };
        }
        let mut answers = answers.into_iter();
        Ok(asked.iter().map(|one| answers.by_ref().take(one.attempts.len()).collect()).collect())
    }

    fn rows(&self) -> usize {
        self.attempts.len()
    }

    /// There is time for another try, and for a third, while the lease lasts.
    fn limit(&self, patience: Duration) -> Duration {
        patience.min(self.lease / 4).max(RENEWAL)
    }

    fn joins(&self, _other: &Self) -> bool {
        true
    }
}
