//! Attempts end: by themselves, or because their process is gone.

use std::time::Duration;

use rusqlite::{Result, params};
use serde_json::value::RawValue;

use super::owner::{self, Other};
use super::row::{self, code};
use super::transaction::Transaction;
use super::{claim, clock, told};
use crate::store::bells::News;
use crate::{Ending, Event, Fence, Finish, Rescued, Standing, State, TaskId};

pub(super) const SUCCEED: &str = "UPDATE OR FAIL task SET state = ?4, output = ?5, ended_at = ?6, \
     owner = NULL, lease_until = NULL, error = NULL \
     WHERE id = ?1 AND attempt = ?2 AND owner = ?3 AND state = 1";
pub(super) const SETTLE: &str = "UPDATE OR FAIL task SET state = ?2, ready = ?3, failures = ?4, interruptions = ?5, \
     unwanted = ?6, run_at = ?7, ended_at = ?8, error = coalesce(?9, error), owner = NULL, \
     lease_until = NULL WHERE id = ?1";
pub(super) const SETTLE_ENDED: &str = "UPDATE OR FAIL task SET state = ?2, ready = 0, failures = ?3, \
     interruptions = ?4, unwanted = ?5, ended_at = ?6, error = coalesce(?7, error), \
     owner = NULL, lease_until = NULL WHERE id = ?1";
pub(super) const OVERDUE: &str = "SELECT id, attempt FROM task \
     WHERE owner = ?1 AND state = 1 AND lease_until <= ?2 LIMIT ?3";

/// Ends attempts.
pub(super) fn finish(
    tx: &mut Transaction<'_, '_>,
    endings: &[(Fence, Ending)],
) -> Result<Vec<Finish>> {
    endings.iter().map(|(fence, ending)| end(tx, *fence, ending)).collect()
}

fn end(tx: &mut Transaction<'_, '_>, fence: Fence, ending: &Ending) -> Result<Finish> {
    let now = Duration::ZERO;
    let cut = match ending {
        Ending::Succeeded(output) => return succeed(tx, fence, output),
        Ending::Failed { error, retry_in } => {
            let told = Some((told::FAILED, error.as_str()));
            Cut { event: Event::Failed, told, error: Some(error), again_in: *retry_in }
        }
        Ending::FailedForGood { error } => {
            let told = Some((told::FAILED, error.as_str()));
            Cut { event: Event::FailedForGood, told, error: Some(error), again_in: now }
        }
        Ending::Interrupted { reason } => {
            let told = Some((told::INTERRUPTED, reason.as_str()));
            Cut { event: Event::Interrupted, told, error: Some(reason), again_in: now }
        }
        Ending::Returned => Cut { event: Event::Returned, told: None, error: None, again_in: now },
        Ending::Declined { reason, again_in } => {
            let error = Some(reason.as_str());
            Cut { event: Event::Returned, told: None, error, again_in: *again_in }
        }
        Ending::Stopped => Cut { event: Event::Stopped, told: None, error: None, again_in: now },
    };
    let Some(held) = claim::own(tx, fence)? else { return Ok(Finish::Superseded) };
    let to = cut.apply(tx, fence, held.standing)?;
    Ok(to.map_or(Finish::Superseded, Finish::Now))
}

/// The usual end, in one step.
fn succeed(tx: &mut Transaction<'_, '_>, fence: Fence, output: &RawValue) -> Result<Finish> {
    let to = row::after(State::Running, Event::Succeeded);
    let owner = tx.owner.number;
    let values = params![fence.task.0, fence.attempt, owner, code(to), output.get(), tx.now];
    if tx.sql.execute(SUCCEED, values)? == 0 {
        return Ok(Finish::Superseded);
    }
    tx.count(Some(State::Running), Some(to));
    tx.is_news(News::Work);
    Ok(Finish::Now(to))
}

/// Any other end of an attempt.
struct Cut<'a> {
    event: Event,
    told: Option<(i64, &'a str)>,
    error: Option<&'a str>,
    again_in: Duration,
}

impl Cut<'_> {
    /// Does to the task what the table says. Answers where it stands now.
    fn apply(
        &self,
        tx: &mut Transaction<'_, '_>,
        fence: Fence,
        from: Standing,
    ) -> Result<Option<State>> {
        let Ok(to) = from.next(self.event) else { return Ok(None) };
        settle(tx, fence.task, (from, to), self.error, self.again_in)?;
        if let Some((what, text)) = self.told {
            told::append(tx, fence, what, text)?;
        }
        Ok(Some(to.state))
    }
}

/// Writes where a task stands that nobody has claimed any more.
pub(super) fn settle(
    tx: &mut Transaction<'_, '_>,
    task: TaskId,
    (from, to): (Standing, Standing),
    error: Option<&str>,
    again_in: Duration,
) -> Result<()> {
    let (state, id) = (code(to.state), task.0);
    let (failures, interruptions, unwanted) = (to.failures, to.interruptions, to.is_unwanted);
    if to.state.is_final() {
        let ended = tx.now;
        let values = params![id, state, failures, interruptions, unwanted, ended, error];
        tx.sql.execute(SETTLE_ENDED, values)?;
    } else {
        let run_at = tx.now.saturating_add(clock::millis(again_in));
        let is_ready = run_at <= tx.now;
        let none = None::<i64>;
        tx.sql.execute(
            SETTLE,
            params![id, state, is_ready, failures, interruptions, unwanted, run_at, none, error],
        )?;
    }
    tx.count(Some(from.state), Some(to.state));
    tx.is_news(News::Work);
    Ok(())
}

/// What is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// What those had claimed that are proven to be gone.
    OfDead,
    /// That, and what is overdue.
    OfDeadAndOverdue,
}

/// Takes back what processes had claimed that are gone, or frozen for longer than their leases.
pub(super) fn rescue(
    tx: &mut Transaction<'_, '_>,
    limit: usize,
    whose: Whose,
) -> Result<Vec<Rescued>> {
    let mut rescued = Vec::new();
    for other in owner::everybody(tx.sql)? {
        let room = limit - rescued.len();
        if room == 0 {
            break;
        }
        let Some(grave) = tx.owner.proof(&other) else {
            if whose == Whose::OfDead {
                continue;
            }
            let reason = "its lease ran out: its process was frozen or cut off";
            rescued.extend(take_back(tx, &other, tx.since_boot, room, reason)?);
            continue;
        };
        let taken = take_back(tx, &other, i64::MAX, room, "its process is gone")?;
        if taken.len() < room {
            owner::strike_out(tx, &other, grave)?;
        }
        rescued.extend(taken);
    }
    Ok(rescued)
}

fn take_back(
    tx: &mut Transaction<'_, '_>,
    other: &Other,
    until: i64,
    limit: usize,
    reason: &str,
) -> Result<Vec<Rescued>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let fences = tx.sql.rows(OVERDUE, [other.number, until, limit], |row| {
        Ok(Fence { task: TaskId(row.get(0)?), attempt: row.get(1)? })
    })?;
    let told = Some((told::INTERRUPTED, reason));
    let cut =
        Cut { event: Event::Interrupted, told, error: Some(reason), again_in: Duration::ZERO };
    let mut rescued = Vec::with_capacity(fences.len());
    for fence in fences {
        let Some(held) = row::held(tx.sql, fence.task)? else { continue };
        if let Some(state) = cut.apply(tx, fence, held.standing)? {
            rescued.push(Rescued { fence, state });
        }
    }
    Ok(rescued)
}
