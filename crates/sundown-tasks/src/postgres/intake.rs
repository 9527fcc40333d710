//! Tasks come in.

use std::collections::HashMap;

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::fault::Fault;
use super::question::Question;
use super::row::{int4, plain};
use super::session::Desk;
use crate::store::bells::News;
use crate::store::json::is_same;
use crate::{Enqueued, NewTask, TaskId, UnixMillis};

/// The last moment that can be told to PostgreSQL and printed by everybody: the year 9999.
const LAST: UnixMillis = 253_402_300_799_000;

/// Tasks that are to be taken in, and how many may wait.
#[derive(Debug)]
pub(super) struct Enqueue {
    pub(super) tasks: Vec<NewTask>,
    pub(super) limit: u64,
}

impl Question for Enqueue {
    type Answer = Vec<Enqueued>;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Vec<Enqueued>>, Fault> {
        let tasks: Vec<&NewTask> = asked.iter().flat_map(|one| &one.tasks).collect();
        let (first, places) = distinct(&tasks);
        let limit = asked.first().map_or(0, |one| i64::try_from(one.limit).unwrap_or(i64::MAX));
        let rows = send(desk, &first, limit).await?;
        let rows = rows.iter().map(Kept::of).collect::<Result<Vec<_>, _>>()?;
        let mut answers =
            tasks.iter().zip(&places).map(|(&task, &place)| rows[place].tells(task, first[place]));
        Ok(asked.iter().map(|one| answers.by_ref().take(one.tasks.len()).collect()).collect())
    }

    fn rows(&self) -> usize {
        self.tasks.len()
    }

    fn bytes(&self) -> usize {
        self.tasks.iter().map(|task| 100 + task.input.get().len()).sum()
    }

    fn joins(&self, other: &Self) -> bool {
        self.limit == other.limit
    }

    fn may_be_redone(&self) -> bool {
        self.tasks.iter().all(|task| task.key.is_some())
    }

    fn news(answer: &Self::Answer) -> News {
        News::Work.when(answer.iter().any(|one| matches!(one, Enqueued::New(_))))
    }
}

/// The tasks without those whose key was there already, and for each where it, or its key, is.
fn distinct<'a>(tasks: &[&'a NewTask]) -> (Vec<&'a NewTask>, Vec<usize>) {
    let mut first: Vec<&NewTask> = Vec::with_capacity(tasks.len());
    let mut keys = HashMap::new();
    let mut places = Vec::with_capacity(tasks.len());
    for task in tasks {
        let next = first.len();
        let place = task.key.as_deref().map_or(next, |key| *keys.entry(key).or_insert(next));
        if place == next {
            first.push(task);
        }
        places.push(place);
    }
    (first, places)
}

async fn send(desk: &Desk<'_>, tasks: &[&NewTask], limit: i64) -> Result<Vec<Row>, Fault> {
    let kinds: Vec<String> = tasks.iter().map(|task| plain(&task.kind)).collect();
    let inputs: Vec<&str> = tasks.iter().map(|task| task.input.get()).collect();
    let keys: Vec<Option<String>> =
        tasks.iter().map(|task| task.key.as_deref().map(plain)).collect();
    let priorities: Vec<i16> = tasks.iter().map(|task| task.priority).collect();
    let run_ats: Vec<Option<i64>> =
        tasks.iter().map(|task| task.run_at.map(|at| at.clamp(0, LAST))).collect();
    let max_attempts: Vec<i32> = tasks.iter().map(|task| int4(task.max_attempts)).collect();
    let max_interruptions: Vec<i32> =
        tasks.iter().map(|task| int4(task.max_interruptions)).collect();
    let routes: Vec<String> = tasks.iter().map(|task| plain(&task.route)).collect();
    desk.write(
        "enqueue_2",
        &[
            (&limit, Type::INT8),
            (&kinds, Type::TEXT_ARRAY),
            (&inputs, Type::TEXT_ARRAY),
            (&keys, Type::TEXT_ARRAY),
            (&priorities, Type::INT2_ARRAY),
            (&run_ats, Type::INT8_ARRAY),
            (&max_attempts, Type::INT4_ARRAY),
            (&max_interruptions, Type::INT4_ARRAY),
            (&routes, Type::TEXT_ARRAY),
        ],
    )
    .await
}

/// What the server made of a task.
enum Kept {
    New(TaskId),
    Known { id: TaskId, kind: String, input: String },
    Full,
}

impl Kept {
    fn of(row: &Row) -> Result<Self, Fault> {
        let id: Option<i64> = row.try_get(2)?;
        let Some(id) = id.map(TaskId) else { return Ok(Kept::Full) };
        let kind: Option<String> = row.try_get(3)?;
        let input: Option<String> = row.try_get(4)?;
        match (kind, input) {
            (Some(kind), Some(input)) => Ok(Kept::Known { id, kind, input }),
            (_, _) => Ok(Kept::New(id)),
        }
    }

    /// What that means for a task; `first` is the first of its key, and may be itself.
    fn tells(&self, task: &NewTask, first: &NewTask) -> Enqueued {
        match self {
            Kept::Full => Enqueued::Full,
            &Kept::New(id) if std::ptr::eq(task, first) => Enqueued::New(id),
            &Kept::New(id) => {
                let is_same =
                    first.kind == task.kind && is_same(first.input.get(), task.input.get());
                if is_same { Enqueued::Known(id) } else { Enqueued::KeyTaken(id) }
            }
            Kept::Known { id, kind, input } => {
                let is_same = *kind == plain(&task.kind) && is_same(input, task.input.get());
                if is_same { Enqueued::Known(*id) } else { Enqueued::KeyTaken(*id) }
            }
        }
    }
}
