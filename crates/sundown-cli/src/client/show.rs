//! Tasks for people, as tables; and for programs, as the service answered.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, stdout};

use serde_json::Value;
use sundown::{BoxError, Exit};

/// How much of an input or an error fits into a line.
const SHORT: usize = 60;

/// One task.
pub(super) fn task(task: &Value) -> Result<Exit, BoxError> {
    if !stdout().is_terminal() {
        return crate::print(&format!("{task}\n"));
    }
    let mut text = String::new();
    for (name, value) in
        task.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null())
    {
        let _ = writeln!(text, "{name:<14} {}", plain(value));
    }
    crate::print(&text)
}

/// A page of them.
pub(super) fn page(page: &Value) -> Result<Exit, BoxError> {
    if !stdout().is_terminal() {
        return crate::print(&format!("{page}\n"));
    }
    let mut text = format!("{:>8}  {:<10} {:<16} {:>8}  what\n", "id", "state", "kind", "attempts");
    for task in page["tasks"].as_array().into_iter().flatten() {
        let what = if task["error"].is_null() { &task["input"] } else { &task["error"] };
        let what: String = plain(what).chars().take(SHORT).collect();
        let _ = writeln!(
            text,
            "{:>8}  {:<10} {:<16} {:>8}  {what}",
            plain(&task["id"]),
            plain(&task["state"]),
            plain(&task["kind"]),
            plain(&task["attempt"]),
        );
    }
    if let Some(next) = page["next"].as_str() {
        let _ = writeln!(text, "there are more: --cursor {next}");
    }
    crate::print(&text)
}

/// Text as it is, anything else as JSON. What could move the cursor is left out.
pub(super) fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
