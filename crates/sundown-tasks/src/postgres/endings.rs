//! Attempts end: by themselves, or because their process is gone.

use std::collections::HashSet;
use std::time::Duration;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::fault::Fault;
use super::outcomes;
use super::question::Question;
use super::row::{count, int4, millis, plain, state};
use super::session::{Desk, Parameter};
use super::told;
use crate::store::bells::News;
use crate::{Ending, Event, Fence, Finish, Rescued, TaskId};

/// Attempts that ended.
#[derive(Debug)]
pub(super) struct Finishing {
    pub(super) endings: Vec<(Fence, Ending)>,
}

impl Question for Finishing {
    type Answer = Vec<Finish>;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Vec<Finish>>, Fault> {
        let endings: Vec<_> = asked.iter().flat_map(|one| &one.endings).collect();
        // The first end of an attempt is its end.
        let mut seen = HashSet::new();
        let firsts: Vec<usize> =
            (0..endings.len()).filter(|&at| seen.insert(endings[at].0)).collect();
        let sent: Vec<_> = firsts.iter().map(|&at| endings[at]).collect();
        decline(&sent, desk).await?;
        let mut answers = vec![Finish::Superseded; endings.len()];
        for row in Columns::of(&sent).finish(desk).await? {
            let at: usize = count(row.try_get::<_, i64>(0)? - 1)?;
            if let Some(found) = row.try_get::<_, Option<i16>>(1)? {
                answers[firsts[at]] = Finish::Now(state(found)?);
            }
        }
        let mut answers = answers.into_iter();
        Ok(asked.iter().map(|one| answers.by_ref().take(one.endings.len()).collect()).collect())
    }

    fn rows(&self) -> usize {
        self.endings.len()
    }

    fn bytes(&self) -> usize {
        self.endings.iter().map(|(_, ending)| 40 + text(ending).map_or(0, str::len)).sum()
    }

    fn tasks(&self) -> Vec<TaskId> {
        self.endings.iter().map(|(fence, _)| fence.task).collect()
    }

    fn joins(&self, _other: &Self) -> bool {
        true
    }

    fn joins_itself() -> bool {
        false
    }

    fn may_be_redone(&self) -> bool {
        true
    }

    fn news(answer: &Self::Answer) -> News {
        News::Work.when(answer.iter().any(|finish| matches!(finish, Finish::Now(_))))
    }
}

/// Says why tasks are about to be given back: a statement of its own, since the end of an attempt keeps
/// only errors that are in the event log.
async fn decline(endings: &[&(Fence, Ending)], desk: &Desk<'_>) -> Result<(), Fault> {
    let (mut ids, mut attempts, mut reasons) = (Vec::new(), Vec::new(), Vec::new());
    for (fence, ending) in endings {
        if let Ending::Declined { reason, .. } = ending {
            ids.push(fence.task.0);
            attempts.push(int4(fence.attempt));
            reasons.push(plain(reason));
        }
    }
    if ids.is_empty() {
        return Ok(());
    }
    let owner = desk.owner.0.as_slice();
    let parameters: [Parameter<'_>; 4] = [
        (&owner, Type::BYTEA),
        (&ids, Type::INT8_ARRAY),
        (&attempts, Type::INT4_ARRAY),
        (&reasons, Type::TEXT_ARRAY),
    ];
    desk.call("decline_2", &parameters).await.map(drop)
}

/// Endings as the server takes them.
struct Columns {
    outcomes: Vec<i16>,
    ids: Vec<i64>,
    attempts: Vec<i32>,
    events: Vec<i16>,
    told: Vec<Option<i16>>,
    texts: Vec<Option<String>>,
    delays: Vec<i64>,
}

impl Columns {
    fn of(endings: &[&(Fence, Ending)]) -> Self {
        let event = |ending| outcomes::place(outcomes::event(ending));
        Columns {
            outcomes: outcomes::table(),
            ids: endings.iter().map(|(fence, _)| fence.task.0).collect(),
            attempts: endings.iter().map(|(fence, _)| int4(fence.attempt)).collect(),
            events: endings.iter().map(|(_, ending)| event(ending)).collect(),
            told: endings.iter().map(|(_, ending)| told(ending)).collect(),
            texts: endings.iter().map(|(_, ending)| text(ending).map(plain)).collect(),
            delays: endings.iter().map(|(_, ending)| millis(delay(ending))).collect(),
        }
    }

    fn parameters<'a>(&'a self, desk: &'a Desk<'_>, again: &'a bool) -> [Parameter<'a>; 9] {
        [
            (again, Type::BOOL),
            (&desk.events_kept, Type::INT8),
            (&self.outcomes, Type::INT2_ARRAY),
            (&self.ids, Type::INT8_ARRAY),
            (&self.attempts, Type::INT4_ARRAY),
            (&self.events, Type::INT2_ARRAY),
            (&self.told, Type::INT2_ARRAY),
            (&self.texts, Type::TEXT_ARRAY),
            (&self.delays, Type::INT8_ARRAY),
        ]
    }

    async fn finish(&self, desk: &Desk<'_>) -> Result<Vec<Row>, Fault> {
        desk.write("finish_1", &self.parameters(desk, &desk.lost.is_some())).await
    }
}

/// Ends attempts that belong to a write that is done already; done twice, it is done once.
pub(super) async fn end_after(desk: &Desk<'_>, endings: &[(Fence, Ending)]) -> Result<(), Fault> {
    let columns = Columns::of(&endings.iter().collect::<Vec<_>>());
    let owner = desk.owner.0.as_slice();
    let mut all: Vec<Parameter<'_>> =
        vec![(&owner, Type::BYTEA), (&desk.lane, Type::INT4), (&owner, Type::BYTEA)];
    all.extend(columns.parameters(desk, &true));
    desk.call("end_1", &all).await.map(drop)
}

/// What is told of it to those who follow the task.
fn told(ending: &Ending) -> Option<i16> {
    match ending {
        Ending::Failed { .. } | Ending::FailedForGood { .. } => Some(told::FAILED),
        Ending::Interrupted { .. } => Some(told::INTERRUPTED),
        Ending::Succeeded(_) | Ending::Returned | Ending::Declined { .. } | Ending::Stopped => None,
    }
}

/// What it leaves behind.
fn text(ending: &Ending) -> Option<&str> {
    match ending {
        Ending::Succeeded(output) => Some(output.get()),
        Ending::Failed { error, .. } | Ending::FailedForGood { error } => Some(error),
        Ending::Interrupted { reason } | Ending::Declined { reason, .. } => Some(reason),
        Ending::Returned | Ending::Stopped => None,
    }
}

fn delay(ending: &Ending) -> Duration {
    match ending {
        Ending::Failed { retry_in: pause, .. } | Ending::Declined { again_in: pause, .. } => *pause,
        Ending::Succeeded(_)
        | Ending::FailedForGood { .. }
        | Ending::Interrupted { .. }
        | Ending::Returned
        | Ending::Stopped => Duration::ZERO,
    }
}

/// Tasks whose leases ran out.
#[derive(Debug)]
pub(super) struct Rescue {
    pub(super) limit: usize,
}

impl Question for Rescue {
    type Answer = Vec<Rescued>;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Vec<Rescued>>, Fault> {
        let reason = "its lease ran out: its process is gone, frozen or cut off";
        let table = outcomes::table();
        let event = outcomes::place(Event::Interrupted);
        let mut answers = Vec::with_capacity(asked.len());
        for one in asked {
            let limit = i32::try_from(one.limit).unwrap_or(i32::MAX);
            let parameters: [Parameter<'_>; 6] = [
                (&desk.events_kept, Type::INT8),
                (&table, Type::INT2_ARRAY),
                (&event, Type::INT2),
                (&told::INTERRUPTED, Type::INT2),
                (&reason, Type::TEXT),
                (&limit, Type::INT4),
            ];
            let rows = desk.write("rescue_1", &parameters).await?;
            answers.push(rows.iter().map(rescued).collect::<Result<_, _>>()?);
        }
        Ok(answers)
    }

    fn news(answer: &Self::Answer) -> News {
        News::Work.when(!answer.is_empty())
    }
}

fn rescued(row: &Row) -> Result<Rescued, Fault> {
    let attempt: i32 = row.try_get(1)?;
    let fence = Fence { task: TaskId(row.try_get(0)?), attempt: count(attempt.into())? };
    Ok(Rescued { fence, state: state(row.try_get(2)?)? })
}
