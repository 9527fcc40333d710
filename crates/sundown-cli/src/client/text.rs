//! Text from elsewhere, made safe for a terminal.

use std::fmt::Write as _;

/// In one line, and without what could take the terminal over: line breaks and tabs become blanks, other
/// control characters are written out, and so is what reorders text.
pub(crate) fn still(text: &str) -> String {
    let mut still = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' | '\t' => still.push(' '),
            c if c.is_control() || is_reordering(c) => {
                let _ = write!(still, "{}", c.escape_unicode());
            }
            c => still.push(c),
        }
    }
    still
}

/// JSON for a terminal that says the same: all it may hold of such characters is in strings, or a break
/// between two values.
pub(super) fn still_json(json: &str) -> String {
    let mut still = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\n' | '\r' | '\t' => still.push(' '),
            c if c.is_control() || is_reordering(c) => {
                let _ = write!(still, "\\u{:04x}", u32::from(c));
            }
            c => still.push(c),
        }
    }
    still
}

fn is_reordering(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// What fits into so many columns; that something is missing is shown.
pub(crate) fn fitted(text: &str, columns: usize) -> String {
    if text.chars().count() <= columns {
        return text.to_owned();
    }
    let kept: String = text.chars().take(columns.saturating_sub(1)).collect();
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(still("a\x1b[2J\u{9b}b\nc\u{202e}"), r"a\u{1b}[2J\u{9b}b c\u{202e}");
        let json = "{\"a\":\n\"\u{9b}2J\u{7f}\"}";
        assert_eq!(still_json(json), r#"{"a": "\u009b2J\u007f"}"#);
        assert_eq!(fitted("abcdef", 4), "abc…");
        assert_eq!(fitted("abcd", 4), "abcd");
    }
}
