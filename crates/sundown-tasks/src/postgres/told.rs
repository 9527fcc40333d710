//! What is told of a task: progress, checkpoints, events.

use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::fault::Fault;
use super::question::Question;
use super::row::{count, int4, int8, plain, state};
use super::session::{Desk, Parameter};
use crate::store::bells::News;
use crate::store::json::shown;
use crate::{Events, Fence, Mark, Progress, TaskEvent, TaskId, What};

pub(super) const PROGRESS: i16 = 0;
pub(super) const FAILED: i16 = 1;
pub(super) const INTERRUPTED: i16 = 2;
pub(super) const REQUEUED: i16 = 3;

/// What attempts have to tell.
#[derive(Debug)]
pub(super) struct Tidings {
    pub(super) news: Vec<Progress>,
}

impl Question for Tidings {
    type Answer = Vec<Option<u64>>;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Self::Answer>, Fault> {
        let news: Vec<&Progress> = asked.iter().flat_map(|one| &one.news).collect();
        let answers = match desk.lost {
            Some(_) => recall(desk, &news).await?,
            None => {
                let mut answers = vec![None; news.len()];
                for row in send(desk, &news).await? {
                    let at: usize = count(row.try_get::<_, i64>(0)? - 1)?;
                    answers[at] = Some(count(row.try_get(1)?)?);
                }
                answers
            }
        };
        let mut answers = answers.into_iter();
        Ok(asked.iter().map(|one| answers.by_ref().take(one.news.len()).collect()).collect())
    }

    fn rows(&self) -> usize {
        self.news.len()
    }

    fn bytes(&self) -> usize {
        let event = |one: &Progress| one.event.as_ref().map_or(40, |event| event.get().len());
        self.news.iter().map(event).sum()
    }

    fn tasks(&self) -> Vec<TaskId> {
        self.news.iter().map(|one| one.fence.task).collect()
    }

    fn joins(&self, _other: &Self) -> bool {
        true
    }

    fn may_be_redone(&self) -> bool {
        true
    }

    fn news(answer: &Self::Answer) -> News {
        News::Log.when(answer.iter().any(Option::is_some))
    }
}

async fn send(desk: &Desk<'_>, news: &[&Progress]) -> Result<Vec<Row>, Fault> {
    let ids: Vec<i64> = news.iter().map(|one| one.fence.task.0).collect();
    let attempts: Vec<i32> = news.iter().map(|one| int4(one.fence.attempt)).collect();
    let bodies: Vec<Option<&str>> =
        news.iter().map(|one| one.event.as_ref().map(|event| event.get())).collect();
    let checkpoints = || news.iter().map(|one| one.checkpoint.as_ref());
    let steps: Vec<Option<String>> =
        checkpoints().map(|checkpoint| checkpoint.map(|found| plain(&found.step))).collect();
    let cursors: Vec<Option<String>> =
        checkpoints().map(|checkpoint| checkpoint.map(|found| found.cursor.to_string())).collect();
    desk.write(
        "progress_1",
        &[
            (&desk.events_kept, Type::INT8),
            (&PROGRESS, Type::INT2),
            (&ids, Type::INT8_ARRAY),
            (&attempts, Type::INT4_ARRAY),
            (&bodies, Type::TEXT_ARRAY),
            (&steps, Type::TEXT_ARRAY),
            (&cursors, Type::TEXT_ARRAY),
        ],
    )
    .await
}

/// Where the logs of attempts end that are this process's still.
const ENDS: &str = "select id, attempt, last_event from {s}.task \
     where id = any($1) and state = 1 and owner = $2";

/// What a write answered whose answer was lost. Nobody but us tells of our attempts, and nobody here
/// has told of these since: so what they told then is the end of their logs now.
async fn recall(desk: &Desk<'_>, news: &[&Progress]) -> Result<Vec<Option<u64>>, Fault> {
    let ids: Vec<i64> = news.iter().map(|one| one.fence.task.0).collect();
    let owner = desk.owner.0.as_slice();
    let rows = desk.read(ENDS, &[(&ids, Type::INT8_ARRAY), (&owner, Type::BYTEA)]).await?;
    let mut ends = HashMap::new();
    for row in &rows {
        let attempt: i32 = row.try_get(1)?;
        let fence = Fence { task: TaskId(row.try_get(0)?), attempt: count(attempt.into())? };
        ends.insert(fence, count::<u64>(row.try_get(2)?)?);
    }
    let mut answers: Vec<_> = news
        .iter()
        .rev()
        .map(|one| {
            let end = ends.get_mut(&one.fence)?;
            let seq = *end;
            *end -= u64::from(one.event.is_some());
            Some(seq)
        })
        .collect();
    answers.reverse();
    Ok(answers)
}

/// Somebody follows a task.
#[derive(Debug)]
pub(super) struct Follow {
    pub(super) task: TaskId,
    pub(super) after: u64,
    pub(super) limit: usize,
}

/// A task and its events are read as they were at one moment.
const EVENTS: &str = "select t.first_kept, t.last_event, t.state, e.seq, \
     (extract(epoch from e.at) * 1000)::bigint, e.attempt, e.what, e.body, f.ord \
     from unnest($1::bigint[], $2::bigint[], $3::bigint[]) \
         with ordinality as f (task, after, most, ord) \
     join {s}.task t on t.id = f.task left join lateral ( \
         select * from {s}.event e where e.task = t.id and e.seq > f.after order by e.seq limit f.most \
     ) e on true \
     order by f.ord, e.seq";

/// A page may be long; so many of them share a statement.
const PAGES: usize = 32;

impl Question for Follow {
    type Answer = Option<Events>;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Option<Events>>, Fault> {
        let tasks: Vec<i64> = asked.iter().map(|one| one.task.0).collect();
        let afters: Vec<i64> =
            asked.iter().map(|one| i64::try_from(one.after).unwrap_or(i64::MAX)).collect();
        let limits: Vec<i64> = asked.iter().map(|one| int8(one.limit)).collect();
        let parameters: [Parameter<'_>; 3] =
            [(&tasks, Type::INT8_ARRAY), (&afters, Type::INT8_ARRAY), (&limits, Type::INT8_ARRAY)];
        let rows = desk.read(EVENTS, &parameters).await?;
        let mut answers: Vec<_> = asked.iter().map(|_| None).collect();
        let mut rest = rows.as_slice();
        while let Some(first) = rest.first() {
            let place: i64 = first.try_get(8)?;
            let of_this = |row: &Row| row.try_get::<_, i64>(8).is_ok_and(|ord| ord == place);
            let count = rest.iter().take_while(|row| of_this(row)).count().max(1);
            let at: usize = super::row::count(place - 1)?;
            answers[at] = events(&rest[..count])?;
            rest = &rest[count..];
        }
        Ok(answers)
    }

    fn rows(&self) -> usize {
        super::queue::ROWS / PAGES
    }

    fn joins(&self, _other: &Self) -> bool {
        true
    }
}

/// Somebody follows many tasks.
#[derive(Debug)]
pub(super) struct Marks {
    pub(super) tasks: Vec<TaskId>,
}

const MARKS: &str = "select id, last_event, state from {s}.task where id = any($1)";

impl Question for Marks {
    type Answer = Vec<Option<Mark>>;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Self::Answer>, Fault> {
        let ids: Vec<i64> = asked.iter().flat_map(|one| &one.tasks).map(|task| task.0).collect();
        let mut found = HashMap::new();
        for row in desk.read(MARKS, &[(&ids, Type::INT8_ARRAY)]).await? {
            let mark = Mark { last: count(row.try_get(1)?)?, state: state(row.try_get(2)?)? };
            found.insert(TaskId(row.try_get(0)?), mark);
        }
        let of = |task: &TaskId| found.get(task).copied();
        Ok(asked.iter().map(|one| one.tasks.iter().map(of).collect()).collect())
    }

    fn rows(&self) -> usize {
        self.tasks.len()
    }

    fn joins(&self, _other: &Self) -> bool {
        true
    }
}

fn events(rows: &[Row]) -> Result<Option<Events>, Fault> {
    let Some(first) = rows.first() else { return Ok(None) };
    let mut events = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(seq) = row.try_get::<_, Option<i64>>(3)? {
            let attempt: i32 = row.try_get(5)?;
            events.push(TaskEvent {
                seq: count(seq)?,
                at: row.try_get(4)?,
                attempt: count(attempt.into())?,
                what: what(row)?,
            });
        }
    }
    Ok(Some(Events {
        events,
        first_kept: count(first.try_get(0)?)?,
        last: count(first.try_get(1)?)?,
        state: state(first.try_get(2)?)?,
    }))
}

fn what(row: &Row) -> Result<What, Fault> {
    let text = row.try_get::<_, Option<String>>(7)?.unwrap_or_default();
    match row.try_get::<_, i16>(6)? {
        PROGRESS => Ok(What::Progress(shown(&text))),
        FAILED => Ok(What::Failed(text)),
        INTERRUPTED => Ok(What::Interrupted(text)),
        REQUEUED => Ok(What::Requeued),
        other => Err(Fault::Broken(format!("an event has the unknown kind {other}"))),
    }
}
