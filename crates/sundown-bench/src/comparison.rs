//! A comparison: the rows of one area, and the two ways to print them.

use std::io::{self, Write as _};

use serde::Serialize;

use crate::{Row, table};

/// The rows of one area, from one run.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    area: String,
    rows: Vec<Row>,
}

impl Comparison {
    /// A comparison without rows.
    pub fn new(area: impl Into<String>) -> Self {
        Comparison { area: area.into(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Everything in one line of JSON: `{"area":…,"rows":[{"name":…,"ours":…,…},…]}`.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).expect("strings and finite numbers always are JSON")
    }

    /// The table for people, in Markdown, and a line that names the missed targets.
    pub fn to_table(&self) -> String {
        let mut text = table::of(&self.rows);
        let judged = self.rows.iter().filter(|row| row.target.is_some()).count();
        let missed = self.rows.iter().filter(|row| !row.meets);
        let missed: Vec<_> =
            missed.map(|row| format!("{} (beside {})", row.name, row.peer)).collect();
        text += &format!("\n{}: {} of {judged} targets met", self.area, judged - missed.len());
        if !missed.is_empty() {
            text += &format!("; missed: {}", missed.join("; "));
        }
        text + "\n"
    }

    /// Prints the table or, with `json`, exactly the one line.
    pub fn print(&self, json: bool) {
        let text = if json { self.to_line() + "\n" } else { self.to_table() };
        // A reader that went away is told nothing.
        let _ = io::stdout().write_all(text.as_bytes());
    }
}

impl Extend<Row> for Comparison {
    fn extend<I: IntoIterator<Item = Row>>(&mut self, rows: I) {
        self.rows.extend(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Target;

    fn comparison() -> Comparison {
        let mut comparison = Comparison::new("core");
        comparison.extend([
            Row::new("poll", "ns", 1.0, "AtomicBool", 1.0).target(Target::AtMost(2.0)),
            Row::new("spawn", "ns", 3.0, "tokio", 2.0).target(Target::AtMost(1.25)),
            Row::new("wake", "ns", 9.0, "tokio", 2.0),
        ]);
        comparison
    }

    #[test]
    fn json_is_one_line_with_area_and_rows() {
        let line = comparison().to_line();
        assert!(line.starts_with(r#"{"area":"core","rows":[{"name":"poll","ours":1.0,"#), "{line}");
        assert!(line.contains(r#""target":null,"meets":true"#), "{line}");
        assert!(!line.contains('\n'));
    }

    #[test]
    fn a_missed_target_is_named_and_context_is_not_counted() {
        let table = comparison().to_table();
        assert!(
            table.ends_with("\ncore: 1 of 2 targets met; missed: spawn (beside tokio)\n"),
            "{table}"
        );
    }
}
