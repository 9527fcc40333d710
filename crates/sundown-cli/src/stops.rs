//! `sundown stops`: how the service has stopped before, from the reports that it kept.

use std::io::stdout;
use std::path::Path;
use std::time::UNIX_EPOCH;

use jiff::Zoned;
use serde_json::json;
use sundown::timeline::{seconds, terminal_columns};
use sundown::{BoxError, Exit, PastStop, Report, Verdict};

use crate::client::{fitted, still, when};
use crate::config::Loaded;

pub(crate) const HELP: &str = "\
Lists the last stops of the service, or shows one of them. They are read from the report file,
`shutdown.report_file`, and from the directory beside it; the service need not run.

Usage: sundown stops [--json] [flags]
       sundown stops show [N|last] [--svg|--html|--json] [flags]

  N, last   which one: `last` or 1 is the last stop, 2 the one before it
  --svg     prints it as a picture, to be sent to a file
  --html    prints it as a page for a browser
  --json    prints the report itself
";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    List { json: bool },
    Show { number: usize, form: Form },
}

/// How a stop is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Svg,
    Html,
    Json,
}

/// Prints what was asked for.
pub(crate) fn run(loaded: &Loaded, ask: Ask) -> Result<Exit, BoxError> {
    let path = loaded.report_file().ok_or(
        "no reports are kept: tasks are on a server, or `shutdown.report_file` is off \
         (name a file, with the same configuration as the service)",
    )?;
    let path = std::path::absolute(&path)?;
    let stops = PastStop::all(&path)
        .map_err(|error| format!("cannot read the reports of {}: {error}", path.display()))?;
    match ask {
        Ask::List { json: true } => crate::print(&format!("{:#}\n", listed(&stops))),
        Ask::List { json: false } if stops.is_empty() => {
            eprintln!("{}", nothing(&path));
            Ok(Exit::Clean)
        }
        Ask::List { json: false } => {
            crate::print(&table(&stops, &Zoned::now(), terminal_columns(&stdout())))
        }
        Ask::Show { number, form } => {
            let stop = stops.get(number - 1).ok_or_else(|| match stops.len() {
                0 => nothing(&path),
                count => format!("there is no stop {number}: {count} are kept (see sundown stops)"),
            })?;
            crate::print(&shown(&stop.report, form))
        }
    }
}

fn nothing(path: &Path) -> String {
    format!("no stop is known yet: the service keeps its reports in {}", path.display())
}

fn shown(report: &Report, form: Form) -> String {
    match form {
        Form::Svg => report.to_svg(),
        Form::Html => report.to_html(),
        Form::Json => report.to_json() + "\n",
        Form::Text => match terminal_columns(&stdout()) {
            Some(columns) => format!("{report:columns$}\n"),
            None => format!("{report}\n"),
        },
    }
}

fn listed(stops: &[PastStop]) -> serde_json::Value {
    let listed = |(index, stop): (usize, &PastStop)| {
        let report = &stop.report;
        json!({
            "number": index + 1,
            "at_unix_ms": millis(stop),
            "verdict": report.verdict.name(),
            "exit_code": report.exit_code,
            "cause": report.cause.as_ref().map(ToString::to_string),
            "elapsed_ms": u64::try_from(report.elapsed.as_millis()).unwrap_or(u64::MAX),
            "process": report.process,
        })
    };
    stops.iter().enumerate().map(listed).collect()
}

fn millis(stop: &PastStop) -> i64 {
    let since = stop.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A line for each; none is wider than the terminal.
fn table(stops: &[PastStop], now: &Zoned, columns: Option<usize>) -> String {
    let row = |number: &str, at: &str, ago: &str, took: &str, end: &str, cause: &str| {
        let line = format!("{number:>3}  {at:<19}  {ago:>9}  {took:>8}  {end:<7}  {cause}");
        fitted(line.trim_end(), columns.unwrap_or(usize::MAX)) + "\n"
    };
    let mut table = row("#", "when", "", "took", "ended", "why");
    for (index, stop) in stops.iter().enumerate() {
        let report = &stop.report;
        let (took, why) = match (&report.verdict, &report.cause) {
            (Verdict::Lost, _) => {
                ("–".to_owned(), "killed or cut off; it had started then".to_owned())
            }
            (Verdict::Refused { error }, _) => ("–".to_owned(), error.clone()),
            (_, Some(cause)) => (seconds(report.elapsed), cause.to_string()),
            (_, None) => (seconds(report.elapsed), String::new()),
        };
        let at = when::local(millis(stop), now.time_zone());
        let ago = when::ago(millis(stop), now);
        table +=
            &row(&(index + 1).to_string(), &at, &ago, &took, report.verdict.name(), &still(&why));
    }
    table
}
