//! Follows a task until it is over, across restarts of the service.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stdout};
use std::thread::park_timeout;
use std::time::Duration;

use serde_json::{Value, json};
use sundown::{BoxError, Exit};

use super::connection::{Connection, Refused};
use super::show::plain;

/// The pause before a stream that broke off is taken up again.
const PAUSE: Duration = Duration::from_millis(500);
/// How often that is tried in vain before it gives up.
const PATIENCE: u32 = 120;
/// How wide a bar is.
const BAR: usize = 30;

/// One event of the stream.
#[derive(Debug, Default)]
struct Frame {
    name: String,
    id: Option<u64>,
    data: String,
}

/// Follows it, and says with the exit code whether it succeeded.
pub(super) fn watch(connection: &Connection, id: &str) -> Result<Exit, BoxError> {
    // A task that is not there is an error at once, and not something to wait for.
    connection.get(&format!("/tasks/{id}"))?;
    let (mut told, mut in_vain) = (0, 0);
    loop {
        let before = told;
        let followed = follow(connection, id, &mut told).and_then(|state| match state {
            Some(state) => over(connection, id, &state).map(Some),
            None => Ok(None),
        });
        match followed {
            Ok(Some(exit)) => return Ok(exit),
            Ok(None) => in_vain = 0,
            Err(error) if in_vain > PATIENCE || error.is::<Refused>() => return Err(error),
            Err(_) => in_vain = if told > before { 0 } else { in_vain + 1 },
        }
        park_timeout(PAUSE);
    }
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
                let data: Value = serde_json::from_str(&frame.data).unwrap_or_default();
                if let Some(seq) = frame.id {
                    *told = seq;
                }
                if frame.name == "over" {
                    return Ok(Some(plain(&data["state"])));
                }
                if !frame.name.is_empty() {
                    tell(&frame, &data).map_err(|error| Refused(error.to_string()))?;
                }
            }
            None => {}
        }
    }
    Ok(None)
}

fn tell(frame: &Frame, data: &Value) -> Result<(), BoxError> {
    if !stdout().is_terminal() {
        let line = json!({ "id": frame.id, "event": frame.name, "data": data });
        crate::print(&format!("{line}\n"))?;
        return Ok(());
    }
    let said = &data["data"];
    match (frame.name.as_str(), share(said)) {
        ("progress", Some(share)) => bar(share, said),
        ("progress", None) => line(&plain(said.get("line").unwrap_or(said))),
        ("reset", _) => line("(earlier events are forgotten)"),
        (name, _) => line(&format!("attempt {}: {name}: {}", data["attempt"], plain(said))),
    }
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
        plain(&note.into()),
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
        crate::print(&format!("{}\n", json!({ "event": "over", "data": task })))?;
        return Ok(exit);
    }
    let what = if state == "succeeded" { &task["output"] } else { &task["error"] };
    line(&format!("task {id} {state}: {}", plain(what)))?;
    Ok(exit)
}
