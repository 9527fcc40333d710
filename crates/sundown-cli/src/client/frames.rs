//! A stream of events, read event by event.

use std::io::BufRead;

use serde_json::Value;
use serde_json::value::RawValue;

use super::connection::Connection;
use super::show::fields;

/// One event of the stream.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) name: String,
    pub(super) id: Option<u64>,
    pub(super) data: String,
}

/// The next event; none where the stream ends or breaks off.
pub(super) fn next(lines: &mut impl BufRead) -> Option<Frame> {
    let mut frame = Frame::default();
    let mut line = String::new();
    while lines.read_line(&mut line).ok()? > 0 {
        match line.trim_end_matches(['\n', '\r']).split_once(": ") {
            Some(("event", name)) => name.clone_into(&mut frame.name),
            Some(("id", seq)) => frame.id = seq.parse().ok(),
            Some(("data", data)) => frame.data.push_str(data),
            Some(_) => {}
            None if line.trim_end().is_empty() => return Some(frame),
            None => {}
        }
        line.clear();
    }
    None
}

/// How far a task is, as its last event tells, if that is progress.
pub(super) fn progress(connection: &Connection, id: &str, last_event: u64) -> Option<Value> {
    let before = last_event.checked_sub(1)?;
    let frame = next(&mut connection.recent_events(id, before).ok()?)?;
    let data: &RawValue = serde_json::from_str(&frame.data).ok()?;
    let is_progress = frame.name == "progress";
    is_progress.then(|| serde_json::from_str(fields(data).get("data")?.get()).ok())?
}

/// How much is done, of what tells so: `{"done": 3, "total": 8}`, or `{"percent": 40}`.
pub(super) fn share(told: &Value) -> Option<f64> {
    let share = match (told["done"].as_f64(), told["total"].as_f64(), told["percent"].as_f64()) {
        (Some(done), Some(total), _) if total > 0.0 => done / total,
        (_, _, Some(percent)) => percent / 100.0,
        _ => return None,
    };
    Some(share.clamp(0.0, 1.0))
}
