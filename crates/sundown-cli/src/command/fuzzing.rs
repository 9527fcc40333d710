//! The words of the shim as the fuzz targets call them.

use super::word::Word;

/// A line of the shim, read and written again, with the process group that it names.
pub fn shim_line(line: &str) -> Option<(String, Option<i32>)> {
    let word = Word::parse(line)?;
    let group = match &word {
        Word::Begun(group) => Some(group.as_raw_nonzero().get()),
        Word::TooLate | Word::Failed(_) | Word::Ended(_) => None,
    };
    Some((word.line(), group))
}
