//! Changes of many tasks at once, by state and kind.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json};
use serde::Deserialize;
use serde_json::json;
use sundown_tasks::{Operation, Selection, State, TaskService};

use super::answer::{nonsense, store_failed};
use super::ask::{Utf8, named_state, whole};

/// The most tasks that one request changes: they share a transaction, and others wait for it.
const MOST: usize = 1000;
/// The most that one request counts.
const MOST_COUNTED: usize = 100_000;

/// Which tasks, and whether they are only counted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bulk {
    state: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default, deserialize_with = "whole")]
    limit: Option<usize>,
    cursor: Option<String>,
}

pub(super) async fn cancel(
    tasks: Data<TaskService>,
    _: Utf8,
    Json(of): Json<Bulk>,
) -> HttpResponse {
    change(&tasks, Operation::Cancel, of).await
}

pub(super) async fn requeue(
    tasks: Data<TaskService>,
    _: Utf8,
    Json(of): Json<Bulk>,
) -> HttpResponse {
    change(&tasks, Operation::Requeue, of).await
}

pub(super) async fn discard(
    tasks: Data<TaskService>,
    _: Utf8,
    Json(of): Json<Bulk>,
) -> HttpResponse {
    change(&tasks, Operation::Discard, of).await
}

async fn change(tasks: &TaskService, operation: Operation, of: Bulk) -> HttpResponse {
    let is_counted = of.dry_run;
    let selection = match of.into_selection(operation) {
        Ok(selection) => selection,
        Err(why) => return nonsense(&why),
    };
    let selected = if is_counted {
        tasks.count_all(selection).await
    } else {
        tasks.change_all(operation, selection).await
    };
    match selected {
        Ok(done) => HttpResponse::Ok().json(json!({ "count": done.count, "next": done.next })),
        Err(error) => store_failed(&error),
    }
}

impl Bulk {
    fn into_selection(self, operation: Operation) -> Result<Selection, String> {
        if self.state.is_none() && self.kind.is_none() {
            return Err("which tasks? (give `state` or `kind`, or both)".to_owned());
        }
        if self.kind.as_ref().is_some_and(|kind| kind.contains('\0')) {
            return Err("no kind has a zero byte in its name".to_owned());
        }
        let states = match self.state {
            None => operation.states(),
            Some(name) => vec![allowed(operation, &name)?],
        };
        let before = self.cursor.map(|cursor| {
            cursor.parse().map_err(|_| {
                format!("`{cursor}` is no cursor (send the `next` of the answer before)")
            })
        });
        let limit = match self.limit {
            Some(_) | None if self.dry_run => MOST_COUNTED,
            None => MOST,
            Some(limit) if (1..=MOST).contains(&limit) => limit,
            Some(limit) => return Err(format!("`limit` is 1 to {MOST}, not {limit}")),
        };
        Ok(Selection { states, kind: self.kind, before: before.transpose()?, limit })
    }
}

fn allowed(operation: Operation, name: &str) -> Result<State, String> {
    let state = named_state(name)?;
    if operation.takes(state) {
        return Ok(state);
    }
    let what = match operation {
        Operation::Cancel => "cancelled",
        Operation::Requeue => "requeued",
        Operation::Discard => "discarded",
    };
    let names: Vec<&str> = operation.states().into_iter().map(State::name).collect();
    let names = names.join(", ");
    Err(format!("a task that is {name} cannot be {what} (one that is {names} can)"))
}
