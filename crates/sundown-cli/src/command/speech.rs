//! What a program says: lines that are progress, lines that are checkpoints, and the rest, of which a
//! part is kept.

use serde_json::json;
use sundown::BoxError;
use sundown_tasks::TaskContext;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

use super::output::Keeping;

/// The longest line that is told as progress, and the longest with a checkpoint.
const LINE: usize = 2000;
/// Before what stands in such a line, a command leaves a checkpoint.
const CHECKPOINT: &str = "checkpoint:";
/// The step under which it is kept.
pub(super) const STEP: &str = "command";

/// Reads what the program writes, line by line.
pub(super) async fn hear(
    stream: impl AsyncRead + Unpin,
    keeping: &mut Keeping,
    context: &TaskContext,
    tells_lines: bool,
) -> Result<(), BoxError> {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        let piece = reader.fill_buf().await?;
        if piece.is_empty() {
            break;
        }
        let end = piece.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
        let taken = end.unwrap_or(piece.len());
        keeping.add(&piece[..taken]);
        // One byte more tells that there was more.
        let room = (LINE + 1).saturating_sub(line.len());
        line.extend_from_slice(&piece[..taken.min(room)]);
        reader.consume(taken);
        if end.is_some() {
            tell(&line, context, tells_lines).await?;
            line.clear();
        }
    }
    if !line.is_empty() {
        tell(&line, context, tells_lines).await?;
    }
    Ok(())
}

async fn tell(line: &[u8], context: &TaskContext, tells_lines: bool) -> Result<(), BoxError> {
    if line.starts_with(CHECKPOINT.as_bytes()) {
        return context.checkpoint(STEP, cursor(line)?).await.map_err(Into::into);
    }
    if tells_lines {
        let line = String::from_utf8_lossy(&line[..line.len().min(LINE)]);
        context.progress(&json!({ "line": line.trim_end() })).await?;
    }
    Ok(())
}

/// A checkpoint that was cut, or that no variable can hold, would have the next attempt go on somewhere
/// else.
fn cursor(line: &[u8]) -> Result<&str, BoxError> {
    let text = std::str::from_utf8(line).ok().filter(|text| !text.contains('\0'));
    let text = text.filter(|text| text.len() <= LINE);
    let cursor = text.and_then(|text| text.trim_end().strip_prefix(CHECKPOINT));
    let wanted = || format!("a checkpoint is a line of text of at most {LINE} bytes");
    Ok(cursor.ok_or_else(wanted)?.trim())
}

/// Reads to the end.
pub(super) async fn keep(
    stream: impl AsyncRead + Unpin,
    keeping: &mut Keeping,
) -> Result<(), BoxError> {
    let mut reader = BufReader::new(stream);
    loop {
        let piece = reader.fill_buf().await?;
        if piece.is_empty() {
            return Ok(());
        }
        keeping.add(piece);
        let taken = piece.len();
        reader.consume(taken);
    }
}
