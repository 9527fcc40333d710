//! Tasks as others see them.

use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::fault::Fault;
use super::question::Question;
use super::row::{checkpoint, code, count, int8, plain, state};
use super::session::{Desk, Parameter};
use crate::store::json::{shown, shown_value};
use crate::{Counts, Entry, Filter, TaskId};

const COLUMNS: &str = "select id, kind, state, priority, attempt, failures, interruptions, \
     max_attempts, is_unwanted, input, output, error, step, cursor, key, last_event, \
     (extract(epoch from created_at) * 1000)::bigint, (extract(epoch from run_at) * 1000)::bigint, \
     (extract(epoch from started_at) * 1000)::bigint, \
     (extract(epoch from ended_at) * 1000)::bigint, route from {s}.task";

/// One task is wanted.
#[derive(Debug)]
pub(super) struct Get(pub(super) TaskId);

impl Question for Get {
    type Answer = Option<Entry>;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Option<Entry>>, Fault> {
        let ids: Vec<i64> = asked.iter().map(|one| one.0.0).collect();
        let sql = format!("{COLUMNS} where id = any($1)");
        let mut found = Vec::new();
        for row in desk.read(&sql, &[(&ids, Type::INT8_ARRAY)]).await? {
            found.push(task(&row)?);
        }
        let of = |id| found.iter().find(|task| task.id == id).cloned();
        Ok(asked.iter().map(|one| of(one.0)).collect())
    }

    fn joins(&self, _other: &Self) -> bool {
        true
    }
}

/// A page of tasks is wanted.
#[derive(Debug)]
pub(super) struct List(pub(super) Filter);

impl Question for List {
    type Answer = Vec<Entry>;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Vec<Entry>>, Fault> {
        let mut answers = Vec::with_capacity(asked.len());
        for one in asked {
            answers.push(one.read(desk).await?);
        }
        Ok(answers)
    }
}

impl List {
    async fn read(&self, desk: &Desk<'_>) -> Result<Vec<Entry>, Fault> {
        let filter = &self.0;
        // The number of a state stands in the statement, so that its index is seen.
        let state = filter.state.map(|state| format!("and state = {}", code(state)));
        let kind = filter.kind.as_deref().map(plain);
        let of_kind = if kind.is_some() { "and kind = $3" } else { "and $3::text is null" };
        let before = filter.before.map_or(i64::MAX, |task| task.0);
        let bytes = int8(filter.bytes.unwrap_or(usize::MAX));
        // How long a text is, is known without reading it.
        let sql = format!(
            "{COLUMNS} where id in (select id from ( \
                 select id, sum(bytes) over (order by id desc) - bytes as before from ( \
                     select id, octet_length(input) + coalesce(octet_length(output), 0)::bigint \
                         + coalesce(octet_length(cursor), 0) as bytes \
                     from {{s}}.task where id < $1 {} {of_kind} order by id desc limit $2 \
                 ) sized \
             ) summed where before < $4) order by id desc",
            state.unwrap_or_default()
        );
        let parameters: [Parameter<'_>; 4] = [
            (&before, Type::INT8),
            (&int8(filter.limit), Type::INT8),
            (&kind, Type::TEXT),
            (&bytes, Type::INT8),
        ];
        desk.read(&sql, &parameters).await?.iter().map(task).collect()
    }
}

fn task(row: &Row) -> Result<Entry, Fault> {
    let number = |column| -> Result<u32, Fault> {
        let found: i32 = row.try_get(column)?;
        count(found.into())
    };
    let state = state(row.try_get(2)?)?;
    let output: Option<&str> = row.try_get(10)?;
    Ok(Entry {
        id: TaskId(row.try_get(0)?),
        kind: row.try_get(1)?,
        route: row.try_get(20)?,
        state,
        priority: row.try_get(3)?,
        attempt: number(4)?,
        failures: number(5)?,
        interruptions: number(6)?,
        max_attempts: number(7)?,
        is_unwanted: row.try_get(8)? && !state.is_final(),
        input: shown(row.try_get(9)?),
        output: output.map(shown),
        error: row.try_get(11)?,
        waits_for: None,
        checkpoint: checkpoint(row, 12, |cursor| Ok(shown_value(cursor)))?,
        key: row.try_get(14)?,
        last_event: count(row.try_get(15)?)?,
        created_at: row.try_get(16)?,
        run_at: row.try_get(17)?,
        started_at: row.try_get(18)?,
        ended_at: row.try_get(19)?,
    })
}

/// How many there are.
#[derive(Debug)]
pub(super) struct Count;

const COUNTS: &str = "select coalesce(sum(pending), 0)::bigint, coalesce(sum(running), 0)::bigint, \
     coalesce(sum(dead), 0)::bigint from {s}.counter";

impl Question for Count {
    type Answer = Counts;

    async fn run(asked: &[&Self], desk: &Desk<'_>) -> Result<Vec<Counts>, Fault> {
        let rows = desk.read(COUNTS, &[]).await?;
        let row = rows.first().ok_or_else(|| Fault::Broken("a sum has no row".to_owned()))?;
        let counts = Counts {
            pending: count(row.try_get(0)?)?,
            running: count(row.try_get(1)?)?,
            dead: count(row.try_get(2)?)?,
        };
        Ok(vec![counts; asked.len()])
    }

    fn joins(&self, _other: &Self) -> bool {
        true
    }
}
