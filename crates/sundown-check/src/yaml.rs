//! Reads files as `kubectl` does, and says where one cannot be read.

mod build;
mod json;
mod lenient;
mod list;
mod parse;
mod refusal;
mod scalar;
mod split;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::document::Document;
use crate::finding::{Finding, Place, Rule};
use crate::node::Value;
use build::Budget;
use refusal::Refusal;
use split::Chunk;

/// No manifest is larger: what the API server stores is at most 1.5 MiB.
const MOST_OF_A_DOCUMENT: usize = 4 << 20;

/// More than one deployment comes to.
const MOST_OF_A_FILE: usize = 64 << 20;

/// Beyond so many, a file is something else than a manifest.
const MOST_REFUSALS: usize = 50;

/// What a file holds, and what of it cannot be read.
///
/// What stands before and behind a broken document is read none the less.
pub(crate) fn read(file: &str, bytes: &[u8]) -> (Vec<Document>, Vec<Finding>) {
    let mut reading = Reading::new(file);
    match text(bytes) {
        Ok(text) => reading.chunks(&split::chunks(text)),
        Err(refusal) => reading.refuse(1, None, refusal),
    }
    (reading.documents, reading.findings)
}

/// The bytes as text, if they are few enough and UTF-8.
fn text(bytes: &[u8]) -> Result<&str, Refusal> {
    if bytes.len() > MOST_OF_A_FILE {
        return Err(Refusal::large_file(MOST_OF_A_FILE));
    }
    if bytes.starts_with(&[0xFE, 0xFF]) || bytes.starts_with(&[0xFF, 0xFE]) {
        return Err(Refusal::utf_16());
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let breaks = before.iter().filter(|byte| **byte == b'\n').count();
        Refusal::not_utf_8(breaks + 1, bytes[error.valid_up_to()])
    })?;
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    match text.char_indices().find(|(_, char)| forbidden(*char)) {
        Some((at, char)) => Err(Refusal::control(text[..at].matches('\n').count() + 1, char)),
        None => Ok(text),
    }
}

/// That a document is larger than any object, if it is. A list of objects is none itself.
fn too_large(text: &str, line: usize) -> Option<Refusal> {
    const LISTS: [&str; 2] = ["\"kind\":\"List\"", "\"kind\": \"List\""];
    let is_list = || {
        text.lines().any(|line| line.trim_end() == "kind: List")
            || LISTS.iter().any(|list| text.contains(list))
    };
    let is_large = text.len() > MOST_OF_A_DOCUMENT && !is_list();
    is_large.then(|| Refusal::large_document(line, text.len(), MOST_OF_A_DOCUMENT))
}

/// What no text of YAML may hold.
fn forbidden(char: char) -> bool {
    char.is_control() && !matches!(char, '\t' | '\n' | '\r' | '\u{85}')
}

/// One file, as far as it is read.
struct Reading {
    file: Arc<str>,
    budget: Budget,
    number: usize,
    documents: Vec<Document>,
    findings: Vec<Finding>,
}

impl Reading {
    fn new(file: &str) -> Self {
        let (documents, findings) = (Vec::new(), Vec::new());
        Self { file: file.into(), budget: Budget::default(), number: 0, documents, findings }
    }

    fn chunks(&mut self, chunks: &[Chunk<'_>]) {
        for chunk in chunks.iter().filter(|chunk| !chunk.is_blank()) {
            if self.findings.len() >= MOST_REFUSALS {
                let refusal = Refusal::and_so_on(chunk.first, MOST_REFUSALS);
                return self.refuse(self.number + 1, None, refusal);
            }
            let parsed = json::read(chunk, &mut self.budget)
                .unwrap_or_else(|| vec![parse::parse(chunk, &mut self.budget)]);
            parsed.into_iter().for_each(|parsed| self.root(parsed));
        }
    }

    /// Takes up what one document came to.
    fn root(&mut self, parsed: parse::Parsed) {
        let node = match parsed.root {
            Ok(Some(node)) => node,
            Ok(None) => return,
            Err(refusal) => {
                self.number += 1;
                return self.refuse(self.number, None, *refusal);
            }
        };
        self.number += 1;
        if !matches!(node.value, Value::Map(_)) {
            return self.refuse(self.number, None, Refusal::root_is_no_map(&node));
        }
        let document = Document::new(self.file.clone(), self.number, node);
        for flaw in parsed.flaws {
            self.refuse(self.number, Some(&document), flaw);
        }
        self.expand(document);
    }

    /// Keeps an object, or each of those that a list holds.
    fn expand(&mut self, document: Document) {
        let Some(items) = list::items(&document) else { return self.documents.push(document) };
        for root in items {
            if matches!(root.value, Value::Map(_)) {
                self.expand(Document::new(self.file.clone(), document.number, root));
            } else {
                let refusal = Refusal::item_is_no_map(&root);
                self.refuse(document.number, Some(&document), refusal);
            }
        }
    }

    fn refuse(&mut self, document: usize, object: Option<&Document>, refusal: Refusal) {
        let named = object.filter(|object| !object.kind().is_empty());
        self.findings.push(Finding {
            rule: Rule::Yaml,
            severity: refusal.severity,
            place: Place {
                file: self.file.to_string(),
                document,
                line: refusal.line,
                field: refusal.field,
            },
            object: named.map(Document::title).unwrap_or_default(),
            what: refusal.what,
            why: refusal.why,
            mend: refusal.mend,
        });
    }
}
