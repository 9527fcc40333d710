//! Fields that must be there: what a type writes although it never read it.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::reader::Seen;
use super::refused::identity;
use super::{Flaw, path};
use crate::finding::Rule;
use crate::node::{Entry, Node, Value};

/// Compares what was read with what the type writes of it.
pub(super) fn check(
    written: &Json,
    root: &Node,
    at: &str,
    seen: &[Seen<'_>],
    left_out: &HashSet<usize>,
) -> Vec<Flaw> {
    let kinds = seen.iter().map(|seen| (identity(seen.node), seen.kind)).collect();
    let mut comparison = Comparison { kinds, left_out, flaws: Vec::new() };
    comparison.value(written, root, at);
    comparison.flaws
}

struct Comparison<'log> {
    kinds: HashMap<usize, &'static str>,
    left_out: &'log HashSet<usize>,
    flaws: Vec<Flaw>,
}

impl Comparison<'_> {
    fn value(&mut self, written: &Json, node: &Node, at: &str) {
        match (written, &node.value) {
            (Json::Object(fields), Value::Map(entries)) => {
                let kind = self.kinds.get(&identity(node)).copied();
                let named: HashMap<_, _> =
                    entries.iter().map(|entry| (entry.key.as_str(), entry)).collect();
                // What an object within another is, its field says already.
                let object = fields.contains_key("metadata");
                for (name, written) in fields {
                    if object && matches!(name.as_str(), "apiVersion" | "kind") {
                        continue;
                    }
                    let entry = named.get(name.as_str()).copied();
                    self.field(kind, name, written, (node, entry), at);
                }
            }
            (Json::Array(written), Value::List(nodes)) => {
                let nodes = nodes.iter().enumerate();
                let taken = nodes.filter(|(_, node)| !self.left_out.contains(&identity(node)));
                let pairs: Vec<_> = written.iter().zip(taken).collect();
                for (written, (index, node)) in pairs {
                    self.value(written, node, &path::item(at, index));
                }
            }
            _ => {}
        }
    }

    fn field(
        &mut self,
        kind: Option<&'static str>,
        name: &str,
        written: &Json,
        (node, entry): (&Node, Option<&Entry>),
        at: &str,
    ) {
        // The cluster writes the status; a name is asked for elsewhere, with its alternative.
        if at.is_empty() && matches!(name, "status" | "metadata") && entry.is_none() {
            return;
        }
        if at.is_empty() && name == "status" {
            return;
        }
        let field = path::field(at, name);
        let line = match entry {
            Some(entry) if self.left_out.contains(&identity(&entry.node)) => return,
            Some(entry) if entry.node.value != Value::Null => {
                return self.value(written, &entry.node, &field);
            }
            Some(entry) => entry.line,
            None => node.line,
        };
        let Some(kind) = kind else { return };
        if at.is_empty() && name == "metadata" {
            return;
        }
        let what = format!("`{name}` is missing");
        let flaw = Flaw::error(Rule::MissingField, line, field, what, format!("add `{name}:`"));
        let why = format!("the API server refuses the object: {} must have it", article(kind));
        self.flaws.push(flaw.because(why));
    }
}

/// `a Container`, `an EnvVar`.
pub(super) fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['A', 'E', 'I', 'O']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}
