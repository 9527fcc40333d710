//! Server-sent events, as a client reads them.

use serde_json::Value;
use std::time::Duration;

use crate::judge::Told;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heard {
    pub(crate) id: Option<u64>,
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Bytes that arrive in pieces. What is not closed by an empty line was never said.
#[derive(Debug, Default)]
pub(crate) struct Reader(Vec<u8>);

impl Reader {
    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }

    pub(crate) fn next(&mut self) -> Option<Heard> {
        loop {
            let end = self.0.windows(2).position(|two| two == b"\n\n")?;
            let block: Vec<u8> = self.0.drain(..end + 2).collect();
            if let Some(heard) = heard(&String::from_utf8_lossy(&block)) {
                return Some(heard);
            }
        }
    }
}

/// A block without data is a comment, or says when to come back.
fn heard(block: &str) -> Option<Heard> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
    Some(Heard {
        id: field("id: ").and_then(|id| id.parse().ok()),
        name: field("event: ").unwrap_or_default().to_owned(),
        data: field("data: ")?.to_owned(),
    })
}

/// The whole stream of a task that is over.
pub(crate) fn told(body: &[u8]) -> Option<Vec<Told>> {
    let mut reader = Reader::default();
    reader.add(body);
    let mut events = Vec::new();
    while let Some(heard) = reader.next() {
        let Some(seq) = heard.id else { return (heard.name == "over").then_some(events) };
        let data: Value = serde_json::from_str(&heard.data).ok()?;
        events.push(Told {
            seq,
            name: heard.name,
            at: Duration::from_millis(data["at"].as_u64()?),
            attempt: u32::try_from(data["attempt"].as_u64()?).ok()?,
            data: data["data"].clone(),
        });
    }
    None
}
