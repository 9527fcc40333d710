//! A file's documents as stretches of text: `kubectl` too splits at lines, before it parses.

/// The text between two lines of `---`.
pub(super) struct Chunk<'a> {
    /// The line it begins on, from 1.
    pub(super) first: usize,
    /// What it says.
    pub(super) text: &'a str,
    /// The `---` before it has something behind it on its line.
    pub(super) crowded: bool,
}

impl<'a> Chunk<'a> {
    /// Whether there is nothing but comments.
    pub(super) fn is_blank(&self) -> bool {
        !self.crowded && self.text.lines().map(str::trim).all(silent)
    }

    /// A line of it, by the number that it has in the file.
    pub(super) fn line(&self, number: usize) -> &'a str {
        let nth = number.checked_sub(self.first);
        nth.and_then(|nth| self.text.lines().nth(nth)).unwrap_or_default()
    }
}

fn silent(trimmed: &str) -> bool {
    trimmed.is_empty() || trimmed.starts_with('#')
}

/// The documents of a file, the empty ones too.
pub(super) fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let mut chunks = Vec::new();
    let (mut begin, mut first, mut crowded) = (0, 1, false);
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if let Some(rest) = line.strip_prefix("---") {
            chunks.push(Chunk { first, text: &text[begin..at], crowded });
            crowded = !silent(rest.trim());
            begin = at + line.len();
            first = index + 2;
            if crowded {
                (begin, first) = (at, index + 1);
            }
        }
        at += line.len();
    }
    chunks.push(Chunk { first, text: &text[begin..], crowded });
    chunks
}
