//! Follows a task until it is over, across restarts of the service.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stdout};
use std::thread::park_timeout;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sundown::{BoxError, Exit};

use super::connection::{Connection, Failure};
use super::show::{self, fields, plain, still, text};

/// The pause before a stream that broke off is taken up again.
const PAUSE: Duration = Duration::from_millis(500);
/// How often that is tried in vain before it gives up.
const PATIENCE: u32 = 120;
/// A stream that lived so long was not in vain, although it brought no event: the task may take its time.
const LIVED: Duration = Duration::from_secs(10);
/// How wide a bar is.
const BAR: usize = 30;

/// One event of the stream.
#[derive(Debug, Default)]
struct Frame {
    name: String,
    id: Option<u64>,
    data: String,
}

/// An event for programs.
#[derive(Serialize)]
struct Told<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    event: &'a str,
    data: &'a RawValue,
}

/// Follows it, and says with the exit code whether it succeeded.
pub(super) fn watch(connection: &Connection, id: &str) -> Result<Exit, BoxError> {
    // A task that is not there is an error at once, and not something to wait for.
    connection.get(&format!("/tasks/{id}"))?;
    let (mut told, mut in_vain) = (0, 0);
    loop {
        let (before, began) = (told, Instant::now());
        let followed = follow(connection, id, &mut told).and_then(|state| match state {
            Some(state) => over(connection, id, &state).map(Some),
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
fn follow(connection: &Connection, id: &str, told: &mut u64) -> Result<Option<String>, BoxError> {
    let mut frame = Frame::default();
    for line in connection.events(id, *told)?.lines() {
        // It broke off, and is taken up again.
        let Ok(line) = line else { break };
        match line.split_once(": ") {
            Some(("event", name)) => name.clone_into(&mut frame.name),
            Some(("id", seq)) => frame.id = seq.parse().ok(),
            Some(("data", data)) => frame.data.push_str(data),
            Some(_) => {}
            None if line.is_empty() => {
                let frame = std::mem::take(&mut frame);
                let Ok(data) = serde_json::from_str::<&RawValue>(&frame.data) else { continue };
                if let Some(seq) = frame.id {
                    *told = seq;
                }
                if frame.name == "over" {
                    return Ok(text(&fields(data), "state"));
                }
                if !frame.name.is_empty() {
                    tell(&frame, data).map_err(|error| Failure::Refused(error.to_string()))?;
                }
            }
            None => {}
        }
    }
    Ok(None)
}

fn tell(frame: &Frame, data: &RawValue) -> Result<(), BoxError> {
    if !stdout().is_terminal() {
        let told = Told { id: frame.id, event: &frame.name, data };
        return print_line(&told);
    }
    let data = fields(data);
    let said = data.get("data").map_or(RawValue::NULL, |said| said);
    let read: Value = serde_json::from_str(said.get()).unwrap_or_default();
    match (frame.name.as_str(), share(&read)) {
        ("progress", Some(share)) => bar(share, &read),
        ("progress", None) => match read["line"].as_str() {
            Some(text) => line(&still(text)),
            None => line(&plain(said)),
        },
        ("reset", _) => line("(earlier events are forgotten)"),
        (name, _) => {
            let attempt = data.get("attempt").map(|attempt| plain(attempt)).unwrap_or_default();
            line(&format!("attempt {attempt}: {}: {}", still(name), plain(said)))
        }
    }
}

fn print_line(told: &Told<'_>) -> Result<(), BoxError> {
    let told = serde_json::value::to_raw_value(told)?;
    crate::print(&show::line(&told)).map(drop)
}

/// How much is done, of what tells so: `{"done": 3, "total": 8}`, or `{"percent": 40}`.
fn share(said: &Value) -> Option<f64> {
    let share = match (said["done"].as_f64(), said["total"].as_f64(), said["percent"].as_f64()) {
        (Some(done), Some(total), _) if total > 0.0 => done / total,
        (_, _, Some(percent)) => percent / 100.0,
        _ => return None,
    };
    Some(share.clamp(0.0, 1.0))
}

fn bar(share: f64, said: &Value) -> Result<(), BoxError> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to BAR")]
    let full = (share * BAR as f64).round() as usize;
    let note = said["note"].as_str().unwrap_or_default();
    write!(
        stdout(),
        "\r\x1b[K[{}{}] {:>3.0} % {}",
        "█".repeat(full),
        "·".repeat(BAR - full),
        share * 100.0,
        still(note),
    )?;
    Ok(stdout().flush()?)
}

fn line(text: &str) -> Result<(), BoxError> {
    Ok(writeln!(stdout(), "\r\x1b[K{text}")?)
}

fn over(connection: &Connection, id: &str, state: &str) -> Result<Exit, BoxError> {
    let exit = if state == "succeeded" { Exit::Clean } else { Exit::Failed };
    let task = connection.get(&format!("/tasks/{id}"))?;
    if !stdout().is_terminal() {
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
