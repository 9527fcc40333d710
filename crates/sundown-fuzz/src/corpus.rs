//! The inputs that are kept: for each target one text file with an input on each line, escaped as Rust
//! escapes bytes, so that a person can read a change and add a line.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

/// The most bytes that one corpus takes.
const LARGEST: usize = 180_000;

/// The file with the corpus of a target.
pub fn file(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(format!("{target}.txt"))
}

/// The inputs in a file.
///
/// # Errors
///
/// A file that cannot be read, or a line with an escape that there is not.
pub fn read(file: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.starts_with('#'));
    lines
        .map(|(line, number)| {
            unescaped(line).with_context(|| format!("{}:{number}", file.display()))
        })
        .collect()
}

/// Writes the inputs that are found in the files of a folder, the short ones first, as many as fit.
/// Comments of the corpus that was there stay, with the inputs below them up to the next empty line:
/// they were written by hand.
///
/// # Errors
///
/// Files that cannot be read or written.
pub fn write(file: &Path, folder: &Path) -> anyhow::Result<usize> {
    let there = fs::read_to_string(file).unwrap_or_default();
    let by_hand: String =
        there.split_inclusive("\n\n").filter(|part| part.starts_with('#')).collect::<String>();
    let mut found = BTreeSet::new();
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let input = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        found.insert((input.len(), escaped(&input)));
    }
    let known: BTreeSet<&str> = by_hand.lines().collect();
    let (mut text, mut count) = (by_hand.clone(), 0);
    for (_, line) in found.iter().filter(|(_, line)| !known.contains(&**line)) {
        if text.len() + line.len() < LARGEST {
            text = text + line + "\n";
            count += 1;
        }
    }
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    Ok(count)
}

/// One line that holds these bytes. A line of a corpus that begins with `#` is a comment.
fn escaped(input: &[u8]) -> String {
    let line = input.escape_ascii().to_string();
    match line.strip_prefix('#') {
        Some(rest) => format!("\\x23{rest}"),
        None if line.is_empty() => "\\e".to_owned(),
        None => line,
    }
}

fn unescaped(line: &str) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(line.len());
    let mut rest = line.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => bytes.push(b'\n'),
            Some(b'r') => bytes.push(b'\r'),
            Some(b't') => bytes.push(b'\t'),
            // Nothing: the empty input is a line, too.
            Some(b'e') => {}
            Some(quoted @ (b'\\' | b'"' | b'\'')) => bytes.push(quoted),
            Some(b'x') => {
                let digits = [rest.next().unwrap_or_default(), rest.next().unwrap_or_default()];
                let digits = std::str::from_utf8(&digits).context("an escape that is cut")?;
                bytes.push(u8::from_str_radix(digits, 16).context("an escape that is no byte")?);
            }
            other => bail!("`\\{}` is no escape", other.unwrap_or_default().escape_ascii()),
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_the_file() {
        let all: Vec<u8> = (0..=255).collect();
        for input in [all.as_slice(), b"", b"# no comment", b"\\n", b"a\r\nb"] {
            let line = escaped(input);
            assert!(!line.starts_with('#') && !line.contains('\n') && !line.is_empty(), "{line}");
            assert_eq!(unescaped(&line).unwrap(), input, "{line}");
        }
        for broken in ["\\q", "\\x1", "\\xgg", "\\"] {
            assert!(unescaped(broken).is_err(), "{broken}");
        }
    }
}
