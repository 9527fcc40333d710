//! Tasks changed by a filter: counted, asked about, and then changed page by page.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stderr, stdin};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sundown::{BoxError, Exit};

use super::connection::{Connection, Failure};
use super::show::Form;

/// Which tasks, and what is to become of them.
#[derive(Debug, PartialEq)]
pub(super) struct Bulk {
    pub(super) operation: Operation,
    pub(super) state: Option<String>,
    pub(super) kind: Option<String>,
    /// Nobody is asked.
    pub(super) is_sure: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Operation {
    Requeue,
    Cancel,
    Discard,
}

impl Operation {
    /// As on the command line, and in the path.
    pub(super) fn name(self) -> &'static str {
        match self {
            Operation::Requeue => "requeue",
            Operation::Cancel => "cancel",
            Operation::Discard => "discard",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Operation::Requeue => "requeued",
            Operation::Cancel => "cancelled, or told to stop",
            Operation::Discard => "discarded",
        }
    }
}

/// A request for one page.
#[derive(Serialize)]
struct Page<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    dry_run: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
}

/// What became of it.
#[derive(Deserialize)]
struct Counted {
    count: u64,
    next: Option<String>,
}

impl Bulk {
    /// Does it; without a terminal to ask on, only where it was said that nobody need be asked.
    pub(super) fn run(&self, connection: &Connection, form: Form) -> Result<Exit, BoxError> {
        if !self.is_sure {
            if !stdin().is_terminal() || !stderr().is_terminal() {
                return Err(format!(
                    "{} by --state or --kind asks first, and there is no terminal to ask on \
                     (say --yes)",
                    self.operation.name()
                )
                .into());
            }
            let count = self.count(connection)?;
            if count == 0 {
                return self.tell(form, 0);
            }
            if !self.ask(count)? {
                return Err("nothing was changed".into());
            }
        }
        let mut changed = 0;
        let mut cursor = None;
        loop {
            let page = self.page(connection, false, cursor).map_err(|error| {
                let before = match changed {
                    0 => String::new(),
                    _ => format!(" ({changed} tasks were {} before that)", self.operation.done()),
                };
                format!("{error}{before}")
            })?;
            changed += page.count;
            cursor = page.next;
            if cursor.is_none() {
                return self.tell(form, changed);
            }
        }
    }

    /// How many there are; the service may count in several steps.
    fn count(&self, connection: &Connection) -> Result<u64, Failure> {
        let (mut count, mut cursor) = (0, None);
        loop {
            let page = self.page(connection, true, cursor)?;
            count += page.count;
            cursor = page.next;
            if cursor.is_none() {
                return Ok(count);
            }
        }
    }

    fn page(
        &self,
        connection: &Connection,
        dry_run: bool,
        cursor: Option<String>,
    ) -> Result<Counted, Failure> {
        let (state, kind) = (self.state.as_deref(), self.kind.as_deref());
        let page = Page { state, kind, dry_run, cursor };
        let answer = connection.post(&format!("/tasks/{}", self.operation.name()), &page)?;
        serde_json::from_str(answer.get())
            .map_err(|error| Failure::Refused(format!("the service gives no count: {error}")))
    }

    fn ask(&self, count: u64) -> Result<bool, BoxError> {
        let tasks = if count == 1 { "task" } else { "tasks" };
        let name = self.operation.name();
        write!(stderr(), "{name} {count} {tasks}{}? [y/N] ", self.filter())?;
        let mut answer = String::new();
        stdin().lock().read_line(&mut answer)?;
        Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
    }

    fn filter(&self) -> String {
        let part = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!(" of {name} {value}")).unwrap_or_default()
        };
        super::text::still(&(part("state", &self.state) + &part("kind", &self.kind)))
    }

    fn tell(&self, form: Form, count: u64) -> Result<Exit, BoxError> {
        match form {
            Form::Json => crate::print(&format!("{}\n", json!({ "count": count }))),
            Form::Table => {
                let tasks = if count == 1 { "task" } else { "tasks" };
                crate::print(&format!("{count} {tasks} {}\n", self.operation.done()))
            }
        }
    }
}
