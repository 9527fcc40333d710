//! Tasks for people, as tables; and for programs, as the service answered.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal as _, stdout};

use serde_json::value::RawValue;
use sundown::{BoxError, Exit};

/// How much of an input or an error fits into a line.
const SHORT: usize = 60;

/// What is in an object, each value as it came: a number keeps its digits.
pub(super) type Fields = BTreeMap<String, Box<RawValue>>;

pub(super) fn fields(object: &RawValue) -> Fields {
    serde_json::from_str(object.get()).unwrap_or_default()
}

/// A field that is text.
pub(super) fn text(fields: &Fields, name: &str) -> Option<String> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}

/// In one line, as it came: JSON has line breaks only where it could have blanks.
pub(super) fn line(answer: &RawValue) -> String {
    format!("{}\n", answer.get().replace(['\n', '\r'], " "))
}

/// One task.
pub(super) fn task(task: &RawValue) -> Result<Exit, BoxError> {
    if !stdout().is_terminal() {
        return crate::print(&line(task));
    }
    let mut text = String::new();
    for (name, value) in fields(task).iter().filter(|(_, value)| value.get() != "null") {
        let _ = writeln!(text, "{name:<14} {}", plain(value));
    }
    crate::print(&text)
}

/// A page of them.
pub(super) fn page(page: &RawValue) -> Result<Exit, BoxError> {
    if !stdout().is_terminal() {
        return crate::print(&line(page));
    }
    let page = fields(page);
    let tasks: Vec<Fields> = page
        .get("tasks")
        .and_then(|tasks| serde_json::from_str(tasks.get()).ok())
        .unwrap_or_default();
    let mut table =
        format!("{:>8}  {:<10} {:<16} {:>8}  what\n", "id", "state", "kind", "attempts");
    for task in tasks {
        let field = |name: &str| task.get(name).map(|value| plain(value)).unwrap_or_default();
        let told = ["waits_for", "error"].into_iter().find(|name| text(&task, name).is_some());
        let what = field(told.unwrap_or("input"));
        let what: String = what.chars().take(SHORT).collect();
        let _ = writeln!(
            table,
            "{:>8}  {:<10} {:<16} {:>8}  {what}",
            field("id"),
            field("state"),
            field("kind"),
            field("attempt"),
        );
    }
    if let Some(next) = text(&page, "next") {
        let _ = writeln!(table, "there are more: --cursor {next}");
    }
    crate::print(&table)
}

/// Text as it is, anything else as JSON. What could move the cursor is left out.
pub(super) fn plain(value: &RawValue) -> String {
    let text: Option<String> = serde_json::from_str(value.get()).ok();
    still(&text.unwrap_or_else(|| value.get().to_owned()))
}

/// Without what could move the cursor.
pub(super) fn still(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
