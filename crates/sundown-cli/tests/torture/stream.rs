//! Server-sent events, as a client reads them.

use serde::{Deserialize, Serialize};

/// One event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
pub(crate) fn whole(body: &[u8]) -> Option<Vec<Heard>> {
    let mut reader = Reader::default();
    reader.add(body);
    let mut events: Vec<Heard> = std::iter::from_fn(|| reader.next()).collect();
    let last = events.pop()?;
    let is_whole = last.name == "over" && events.iter().all(|event| event.id.is_some());
    is_whole.then_some(events)
}
