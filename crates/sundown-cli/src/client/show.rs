//! Tasks for people, as tables; and for programs, as the service answered.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, stdout};

use jiff::Zoned;
use serde_json::Value;
use serde_json::value::RawValue;
use sundown::timeline::terminal_columns;
use sundown::{BoxError, Exit};

use super::connection::Connection;
use super::frames::{progress, share};
use super::text::still;
use super::text::{fitted, still_json};
use super::when;

/// How wide a table is where there is no terminal that says it.
const COLUMNS: usize = 120;
/// Below this there is no room to say how long each took.
const NARROW: usize = 80;
/// How much room the name of a kind gets in a table, and what is left for the last column at least.
const LONGEST_KIND: usize = 20;
const LEAST_KIND: usize = 8;
const LEAST_NOTE: usize = 10;
/// How many tasks of a table are asked for their progress: each is a request.
const ASKED: usize = 10;

/// What is in an object, each value as it came: a number keeps its digits.
pub(super) type Fields = BTreeMap<String, Box<RawValue>>;

/// How answers are written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    Table,
    Json,
}

pub(super) fn fields(object: &RawValue) -> Fields {
    serde_json::from_str(object.get()).unwrap_or_default()
}

/// A field that is text.
pub(super) fn text(fields: &Fields, name: &str) -> Option<String> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}

/// A field that is a whole number.
fn number(fields: &Fields, name: &str) -> Option<i64> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}

/// In one line, as it came: JSON has line breaks only where it could have blanks. Where a terminal would
/// obey what is in it, that is written in another way that means the same.
pub(super) fn line(answer: &RawValue) -> String {
    if stdout().is_terminal() {
        return format!("{}\n", still_json(answer.get()));
    }
    format!("{}\n", answer.get().replace(['\n', '\r'], " "))
}

/// One task.
pub(super) fn task(connection: &Connection, task: &RawValue, form: Form) -> Result<Exit, BoxError> {
    match form {
        Form::Json => crate::print(&line(task)),
        Form::Table => {
            let task = fields(task);
            let told = told(connection, &task);
            crate::print(&described(&task, told.as_ref(), &when::now()))
        }
    }
}

/// A page of them.
pub(super) fn page(connection: &Connection, page: &RawValue, form: Form) -> Result<Exit, BoxError> {
    if form == Form::Json {
        return crate::print(&line(page));
    }
    let page = fields(page);
    let tasks: Vec<Fields> = page
        .get("tasks")
        .and_then(|tasks| serde_json::from_str(tasks.get()).ok())
        .unwrap_or_default();
    let mut asked = 0;
    let rows = tasks.into_iter().map(|task| {
        let told = if asked < ASKED { told(connection, &task) } else { None };
        asked += usize::from(text(&task, "state").is_some_and(|state| state == "running"));
        (task, told)
    });
    let rows: Vec<(Fields, Option<Value>)> = rows.collect();
    let columns = terminal_columns(&stdout()).unwrap_or(COLUMNS);
    let mut table = table(&rows, columns, &when::now());
    if let Some(next) = text(&page, "next") {
        let _ = writeln!(table, "there are more: --cursor {}", still(&next));
    }
    crate::print(&table)
}

/// How far a task is that runs, as it told last.
fn told(connection: &Connection, task: &Fields) -> Option<Value> {
    text(task, "state").filter(|state| state == "running")?;
    let last = u64::try_from(number(task, "last_event")?).ok()?;
    progress(connection, &text(task, "id")?, last)
}

fn table(rows: &[(Fields, Option<Value>)], columns: usize, now: &Zoned) -> String {
    let longest = |name: &str| {
        let lengths = rows.iter().map(|(task, _)| plain_field(task, name).chars().count());
        lengths.max().unwrap_or(0).max(name.len())
    };
    let id = longest("id");
    let has_took = columns >= NARROW;
    // What the state, the age, how long it took, the tries and the space between them need.
    let fixed = id + 9 + 9 + 5 + 5 * 2 + if has_took { 6 + 2 } else { 0 };
    let free = columns.saturating_sub(fixed).max(LEAST_KIND + LEAST_NOTE);
    let kind = longest("kind").min(LONGEST_KIND).min(free - LEAST_NOTE);
    let row = |[number, state, name, age, took, tries, note]: [&str; 7]| {
        let (name, note) = (fitted(name, kind), fitted(note, free - kind));
        let took = if has_took { format!("  {took:>6}") } else { String::new() };
        let line = format!("{number:>id$}  {state:<9}  {name:<kind$}  {age:>9}{took}  {tries:>5}");
        format!("{line}  {note}").trim_end().to_owned() + "\n"
    };
    let mut table = row(["id", "state", "kind", "age", "took", "tries", "what"]);
    for (task, told) in rows {
        let age = number(task, "created_at").map(|at| when::ago(at, now)).unwrap_or_default();
        table += &row([
            &plain_field(task, "id"),
            &plain_field(task, "state"),
            &plain_field(task, "kind"),
            &age,
            &took(task, now).unwrap_or_default(),
            &plain_field(task, "attempt"),
            &note(task, told.as_ref(), now),
        ]);
    }
    table
}

/// How long the last attempt took, or takes.
fn took(task: &Fields, now: &Zoned) -> Option<String> {
    let began = number(task, "started_at")?;
    let is_running = text(task, "state").is_some_and(|state| state == "running");
    let ended =
        if is_running { now.timestamp().as_millisecond() } else { number(task, "ended_at")? };
    Some(when::short(when::until(began, ended)))
}

/// What there is to say of a task in the rest of a line.
fn note(task: &Fields, told: Option<&Value>, now: &Zoned) -> String {
    let error = || Some(still(&text(task, "error")?));
    let input = || task.get("input").map(|input| plain(input));
    let told = || told.map(progressed);
    waiting(task, now).or_else(told).or_else(error).or_else(input).unwrap_or_default()
}

/// What a pending task waits for, if not just for its turn.
pub(super) fn waiting(task: &Fields, now: &Zoned) -> Option<String> {
    text(task, "state").filter(|state| state == "pending")?;
    let now = now.timestamp().as_millisecond();
    if let Some(due) = number(task, "run_at").filter(|due| *due > now) {
        return Some(format!("due in {}", when::about(when::until(now, due))));
    }
    Some(format!("waits: {}", still(&text(task, "waits_for")?)))
}

/// Progress in few words: `57 % (57 of 100) note`.
pub(super) fn progressed(told: &Value) -> String {
    let Some(share) = share(told) else {
        let line = told["line"].as_str().map(str::to_owned);
        return still(&line.unwrap_or_else(|| told.to_string()));
    };
    let counts = match (told["done"].as_u64(), told["total"].as_u64()) {
        (Some(done), Some(total)) => format!(" ({done} of {total})"),
        _ => String::new(),
    };
    let note = told["note"].as_str().map(|note| format!(" {}", still(note))).unwrap_or_default();
    format!("{:.0} %{counts}{note}", share * 100.0)
}

/// All there is to say of a task, a line for each.
fn described(task: &Fields, told: Option<&Value>, now: &Zoned) -> String {
    let mut lines = String::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            let _ = writeln!(lines, "{name:<11} {value}");
        }
    };
    let at = |name: &str| {
        let at = number(task, name)?;
        Some(format!("{} ({})", when::local(at, now.time_zone()), when::ago(at, now)))
    };
    let value =
        |name: &str| task.get(name).filter(|value| value.get() != "null").map(|value| plain(value));
    let is_unwanted = value("is_unwanted").is_some_and(|is_unwanted| is_unwanted == "true");
    let unwanted = if is_unwanted { ", told to stop" } else { "" };
    add("task", value("id"));
    add("kind", value("kind"));
    add("state", value("state").map(|state| format!("{state}{unwanted}")));
    add("waiting", waiting(task, now).map(|why| why.trim_start_matches("waits: ").to_owned()));
    add("progress", told.map(progressed));
    add("submitted", at("created_at"));
    add("started", at("started_at"));
    add("ended", at("ended_at"));
    add("took", took(task, now));
    add("attempts", attempts(task));
    add("priority", value("priority").filter(|priority| priority != "0"));
    add("key", value("key"));
    add("input", value("input"));
    add("output", value("output"));
    add("error", value("error"));
    add("checkpoint", value("checkpoint"));
    lines
}

/// How often it was tried: `2 begun, 1 of 5 failed, 1 interrupted`.
fn attempts(task: &Fields) -> Option<String> {
    let (begun, failed) = (number(task, "attempt")?, number(task, "failures")?);
    let most = plain_field(task, "max_attempts");
    let interrupted = match number(task, "interruptions") {
        Some(count @ 1..) => format!(", {count} interrupted"),
        Some(_) | None => String::new(),
    };
    Some(format!("{begun} begun, {failed} of {most} failed{interrupted}"))
}

fn plain_field(task: &Fields, name: &str) -> String {
    task.get(name).map(|value| plain(value)).unwrap_or_default()
}

/// Text as it is, anything else as JSON, safe for a terminal.
pub(super) fn plain(value: &RawValue) -> String {
    let text: Option<String> = serde_json::from_str(value.get()).ok();
    still(&text.unwrap_or_else(|| value.get().to_owned()))
}
