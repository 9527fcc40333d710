//! Texts that Go's parser reads and ours does not, rewritten without another meaning.
//!
//! Within brackets and quotes the indentation means nothing to Go; YAML 1.2 asks for it all the same.

use saphyr_parser::ScanError;

/// Deeper than any line of an object.
const DEEP: usize = 200;
/// More lines are no single value within brackets or quotes.
const MOST_LINES: usize = 10_000;

/// The text in another form, if the complaint is one that `kubectl` would not have.
///
/// Lines keep their numbers.
pub(super) fn relax(text: &str, error: &ScanError) -> Option<String> {
    let (info, marker) = (error.info(), error.marker());
    let index = marker.line().checked_sub(1)?;
    if info.contains("':' must be followed by") {
        return Some(text.replace(":\t", ": ")).filter(|relaxed| relaxed != text);
    }
    if info.contains("quoted scalar") && info.contains("indentation") {
        let last = closing(text, index, marker.col())?;
        return indent(text, index + 1, last);
    }
    if info.contains("indentation") || info.contains("tab") {
        let lines: Vec<&str> = text.lines().collect();
        // A complaint may come a line early, at the value before.
        let first = (index..=index + 1).find(|index| goes_on(&lines, *index))?;
        let last = (first..lines.len()).take_while(|index| goes_on(&lines, *index)).last()?;
        return indent(text, first, last);
    }
    None
}

/// Whether a line stands within brackets, as far as it and the one before it show.
fn goes_on(lines: &[&str], index: usize) -> bool {
    let Some(line) = lines.get(index).map(|line| line.trim()) else { return false };
    let before = lines[..index].iter().rev().map(|line| line.trim()).find(|line| !line.is_empty());
    let open = before.is_some_and(|before| before.ends_with(['{', '[', ',']));
    open || line.starts_with(['}', ']'])
}

/// The line on which a quoted scalar ends.
fn closing(text: &str, line: usize, column: usize) -> Option<usize> {
    let mut lines = text.lines().enumerate().skip(line);
    let (_, first) = lines.next()?;
    let mut chars = first.chars().skip(column);
    let quote = chars.next().filter(|char| matches!(char, '"' | '\''))?;
    let rest: String = chars.collect();
    let mut escaped = false;
    for (index, part) in std::iter::once((line, rest.as_str())).chain(lines) {
        for char in part.chars() {
            match char {
                _ if escaped => escaped = false,
                '\\' if quote == '"' => escaped = true,
                // Two single quotes are one: the second opens again, on the same line.
                char if char == quote => return Some(last_of(text, index, quote)),
                _ => {}
            }
        }
        escaped = false;
    }
    None
}

/// A scalar in single quotes may go on behind `''`: up to the last line that could belong to it.
fn last_of(text: &str, index: usize, quote: char) -> usize {
    let doubled = |line: &str| quote == '\'' && line.contains("''");
    let mut lines = text.lines().enumerate().skip(index);
    lines.find(|(_, line)| !doubled(line)).map_or(index, |(index, _)| index)
}

/// Indents some lines deeper than all others.
fn indent(text: &str, first: usize, last: usize) -> Option<String> {
    if last.saturating_sub(first) > MOST_LINES {
        return None;
    }
    let mut relaxed = String::with_capacity(text.len());
    let mut changed = false;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let content = line.trim_start_matches([' ', '\t']);
        let narrow = line.len() - content.len() < DEEP && !content.trim().is_empty();
        if (first..=last).contains(&index) && narrow {
            relaxed.extend(std::iter::repeat_n(' ', DEEP));
            relaxed.push_str(content);
            changed = true;
        } else {
            relaxed.push_str(line);
        }
    }
    changed.then_some(relaxed)
}
