//! Follows a task until it is over, across restarts of the service.

use std::env;
use std::io::{IsTerminal as _, Write as _, stdout};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sundown::timeline::terminal_columns;
use sundown::{BoxError, Exit};

use super::connection::{Connection, Failure};
use super::frames::{self, Frame, share};
use super::show::{self, Form, fields, plain, progressed, text};
use super::text::fitted;
use super::text::still;
use super::when;

/// The pause before a stream that broke off is taken up again.
const PAUSE: Duration = Duration::from_millis(500);
/// How often that is tried in vain before it gives up.
const PATIENCE: u32 = 120;
/// A stream that lived so long was not in vain, although it brought no event: the task may take its time.
const LIVED: Duration = Duration::from_secs(10);
/// How wide a bar is.
const BAR: usize = 30;

/// An event for programs.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    event: &'a str,
    data: &'a RawValue,
}

/// Follows it, and says with the exit code whether it succeeded.
pub(super) fn watch(connection: &Connection, id: &str, form: Form) -> Result<Exit, BoxError> {
    // A task that is not there is an error at once, and not something to wait for.
    let task = fields(&connection.get(&format!("/tasks/{id}"))?);
    if form == Form::Table
        && let Some(waiting) = show::waiting(&task, &when::now())
    {
        line(&format!("task {id}: {waiting}"))?;
    }
    let (mut told, mut in_vain) = (0, 0);
    loop {
        let (before, began) = (told, Instant::now());
        let followed = follow(connection, id, &mut told, form).and_then(|state| match state {
            Some(state) => over(connection, id, &state, form).map(Some),
            None => Ok(None),
        });
        let error = match followed {
            Ok(Some(exit)) => return Ok(exit),
            Ok(None) => "its stream of events brings nothing".into(),
            Err(error) => error,
        };
        in_vain = now_in_vain(in_vain, told > before, began.elapsed());
        let is_refused = matches!(error.downcast_ref(), Some(Failure::Refused(_)));
        if in_vain > PATIENCE || is_refused {
            return Err(error);
        }
        park_timeout(PAUSE);
    }
}

/// How often in a row it was tried in vain, after a try that brought an event or did not.
fn now_in_vain(before: u32, brought: bool, lived: Duration) -> u32 {
    if brought || lived >= LIVED { 0 } else { before + 1 }
}

/// Tells one stream to its end; answers the state in which the task was over, if it was.
fn follow(
    connection: &Connection,
    id: &str,
    told: &mut u64,
    form: Form,
) -> Result<Option<String>, BoxError> {
    let mut lines = connection.events(id, *told)?;
    // Where it breaks off it is taken up again.
    while let Some(frame) = frames::next(&mut lines) {
        let Ok(data) = serde_json::from_str::<&RawValue>(&frame.data) else { continue };
        if let Some(seq) = frame.id {
            *told = seq;
        }
        if frame.name == "over" {
            return Ok(text(&fields(data), "state"));
        }
        if !frame.name.is_empty() {
            tell(&frame, data, form).map_err(|error| Failure::Refused(error.to_string()))?;
        }
    }
    Ok(None)
}

fn tell(frame: &Frame, data: &RawValue, form: Form) -> Result<(), BoxError> {
    if form == Form::Json {
        let told = Told { id: frame.id, event: &frame.name, data };
        return print_line(&told);
    }
    let data = fields(data);
    let said = data.get("data").map_or(RawValue::NULL, |said| said);
    let read: Value = serde_json::from_str(said.get()).unwrap_or_default();
    match (frame.name.as_str(), share(&read)) {
        ("progress", Some(share)) if moves() => bar(share, &read),
        ("progress", _) => line(&progressed(&read)),
        ("reset", _) => line("(earlier events are forgotten)"),
        (name, _) => {
            let attempt = data.get("attempt").map(|attempt| plain(attempt)).unwrap_or_default();
            line(&format!("attempt {attempt}: {}: {}", still(name), plain(said)))
        }
    }
}

/// Whether a line can be written over: only on a terminal that knows how.
fn moves() -> bool {
    stdout().is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn print_line(told: &Told<'_>) -> Result<(), BoxError> {
    let told = serde_json::value::to_raw_value(told)?;
    crate::print(&show::line(&told)).map(drop)
}

fn bar(share: f64, said: &Value) -> Result<(), BoxError> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to BAR")]
    let full = (share * BAR as f64).round() as usize;
    let note = still(said["note"].as_str().unwrap_or_default());
    let drawn = format!(
        "[{}{}] {:>3.0} % {note}",
        "█".repeat(full),
        "·".repeat(BAR - full),
        share * 100.0,
    );
    // A line that wraps cannot be written over.
    let columns = terminal_columns(&stdout()).unwrap_or(80);
    write!(stdout(), "\r\x1b[K{}", fitted(&drawn, columns.saturating_sub(1)))?;
    Ok(stdout().flush()?)
}

fn line(text: &str) -> Result<(), BoxError> {
    let start = if moves() { "\r\x1b[K" } else { "" };
    Ok(writeln!(stdout(), "{start}{text}")?)
}

fn over(connection: &Connection, id: &str, state: &str, form: Form) -> Result<Exit, BoxError> {
    let exit = if state == "succeeded" { Exit::Clean } else { Exit::Failed };
    let task = connection.get(&format!("/tasks/{id}"))?;
    if form == Form::Json {
        print_line(&Told { id: None, event: "over", data: &task })?;
        return Ok(exit);
    }
    let task = fields(&task);
    let what = task.get(if state == "succeeded" { "output" } else { "error" });
    let what = what.map(|what| plain(what)).unwrap_or_default();
    line(&format!("task {id} {}: {what}", still(state)))?;
    Ok(exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_that_bring_nothing_come_to_an_end_and_quiet_ones_do_not() {
        let after =
            |brought, lived| (0..500).fold(0, |before, _| now_in_vain(before, brought, lived));
        assert!(after(false, Duration::from_millis(3)) > PATIENCE);
        assert_eq!(after(false, LIVED), 0);
        assert_eq!(after(true, Duration::ZERO), 0);
        assert_eq!(now_in_vain(PATIENCE, true, Duration::ZERO), 0);
    }
}
