//! Builds nodes out of what a parser meets, within bounds of size and depth.

use std::collections::HashMap;

use super::refusal::Refusal;
use crate::node::{Entry, Node, Value};

/// Levels of nesting; the deepest fields of Kubernetes are at about 20.
const DEEPEST: usize = 100;

/// More faults of one document help nobody.
const MOST_FLAWS: usize = 20;

/// What a value weighs apart from its text.
const NODE: usize = 64;

/// What may still be spent on a file, whatever is in it.
pub(super) struct Budget {
    /// How much its aliases may come to, written out: what is written without them is no more than the
    /// file itself.
    pub(super) aliases: usize,
    /// How many bytes may be read again, in a form that our parser takes.
    rewriting: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { aliases: 64 << 20, rewriting: 16 << 20 }
    }
}

impl Budget {
    fn spend(&mut self, weight: usize, line: usize) -> Result<(), Box<Refusal>> {
        let left = self.aliases.checked_sub(weight);
        self.aliases = left.ok_or_else(|| Box::new(Refusal::too_much(line)))?;
        Ok(())
    }

    /// Pays for a text that is read again; nothing if there is too little left.
    pub(super) fn rewrite(&mut self, bytes: usize) -> Option<()> {
        self.rewriting = self.rewriting.checked_sub(bytes)?;
        Some(())
    }
}

/// A finished value, and what it takes.
#[derive(Clone)]
struct Built {
    node: Node,
    weight: usize,
    height: usize,
}

/// A name that waits for its value.
struct Key {
    text: String,
    line: usize,
    merge: bool,
}

/// How an entry came into its map, with its index.
enum Origin {
    Written(usize),
    Merged(usize),
}

enum Inside {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, names: HashMap<String, Origin>, key: Option<Key> },
}

/// A list or map that is not yet closed.
struct Frame {
    line: usize,
    anchor: usize,
    weight: usize,
    height: usize,
    inside: Inside,
}

/// A document as far as it was met.
pub(super) struct Builder<'a> {
    budget: &'a mut Budget,
    open: Vec<Frame>,
    anchors: HashMap<usize, Built>,
    root: Option<Node>,
    flaws: Vec<Refusal>,
}

type Step = Result<(), Box<Refusal>>;

impl<'a> Builder<'a> {
    pub(super) fn new(budget: &'a mut Budget) -> Self {
        let (open, anchors, flaws) = (Vec::new(), HashMap::new(), Vec::new());
        Self { budget, open, anchors, root: None, flaws }
    }

    /// The document, and what is wrong with it although it can be read.
    pub(super) fn finish(self) -> (Option<Node>, Vec<Refusal>) {
        let mut flaws = self.flaws;
        flaws.truncate(MOST_FLAWS);
        (self.root, flaws)
    }

    pub(super) fn open_list(&mut self, line: usize, anchor: usize) -> Step {
        self.open(line, anchor, Inside::List(Vec::new()))
    }

    pub(super) fn open_map(&mut self, line: usize, anchor: usize) -> Step {
        let (entries, names) = (Vec::new(), HashMap::new());
        self.open(line, anchor, Inside::Map { entries, names, key: None })
    }

    fn open(&mut self, line: usize, anchor: usize, inside: Inside) -> Step {
        if self.wants_key() {
            return Err(Box::new(Refusal::key_is_collection(line)));
        }
        if self.open.len() >= DEEPEST {
            return Err(Box::new(Refusal::too_deep(line, DEEPEST)));
        }
        self.open.push(Frame { line, anchor, weight: NODE, height: 0, inside });
        Ok(())
    }

    /// Whether the next value is the name of an entry.
    pub(super) fn wants_key(&self) -> bool {
        match self.open.last().map(|frame| &frame.inside) {
            Some(Inside::Map { key, .. }) => key.is_none(),
            Some(Inside::List(_)) | None => false,
        }
    }

    /// The line of the `|` or `>` of a block that begins on this one.
    pub(super) fn header(&self, line: usize, first: usize) -> usize {
        match self.open.last().map(|frame| &frame.inside) {
            Some(Inside::Map { key: Some(key), .. }) => key.line,
            Some(Inside::Map { key: None, .. } | Inside::List(_)) | None => (line - 1).max(first),
        }
    }

    /// The end of the innermost list or map.
    pub(super) fn close(&mut self) -> Step {
        let Some(Frame { line, anchor, weight, height, inside }) = self.open.pop() else {
            return Ok(());
        };
        let value = match inside {
            Inside::List(nodes) => Value::List(nodes),
            Inside::Map { entries, .. } => Value::Map(entries),
        };
        self.put(Built { node: Node { line, value }, weight, height: height + 1 }, anchor)
    }

    /// A scalar as it was written, and what it means.
    pub(super) fn scalar(
        &mut self,
        line: usize,
        anchor: usize,
        written: &str,
        merge: bool,
        value: Value,
    ) -> Step {
        let weight = NODE + written.len();
        self.put_or_name(
            written,
            merge,
            Built { node: Node { line, value }, weight, height: 0 },
            anchor,
        )
    }

    /// Another appearance of a value that has an anchor.
    pub(super) fn alias(&mut self, line: usize, anchor: usize) -> Step {
        let Some(built) = self.anchors.get(&anchor) else {
            return Err(Box::new(Refusal::cycle(line)));
        };
        if self.open.len() + built.height > DEEPEST {
            return Err(Box::new(Refusal::too_deep(line, DEEPEST)));
        }
        self.budget.spend(built.weight, line)?;
        let built = built.clone();
        let written = built.node.text().unwrap_or_default().to_owned();
        self.put_or_name(&written, false, built, 0)
    }

    fn put_or_name(&mut self, written: &str, merge: bool, built: Built, anchor: usize) -> Step {
        if !self.wants_key() {
            return self.put(built, anchor);
        }
        let line = built.node.line;
        let value = &built.node.value;
        let same = match value {
            Value::Text(text) => text == written,
            Value::Bool(yes) => yes.to_string() == written,
            Value::Number(number) => number.to_string() == written,
            Value::Null => false,
            Value::List(_) | Value::Map(_) => {
                return Err(Box::new(Refusal::key_is_collection(line)));
            }
        };
        if !same {
            self.flaws.push(Refusal::key_is_no_text(line, written, value));
        }
        let key = Key { text: written.to_owned(), line, merge };
        if anchor > 0 {
            self.anchors.insert(anchor, built);
        }
        if let Some(Frame { inside: Inside::Map { key: waiting, .. }, weight, .. }) =
            self.open.last_mut()
        {
            *weight += NODE + key.text.len();
            *waiting = Some(key);
        }
        Ok(())
    }

    /// A finished value goes where it belongs.
    fn put(&mut self, built: Built, anchor: usize) -> Step {
        if anchor > 0 {
            self.budget.spend(built.weight, built.node.line)?;
            self.anchors.insert(anchor, built.clone());
        }
        let Some(frame) = self.open.last_mut() else {
            self.root = Some(built.node);
            return Ok(());
        };
        frame.weight += built.weight;
        frame.height = frame.height.max(built.height);
        match &mut frame.inside {
            Inside::List(nodes) => nodes.push(built.node),
            Inside::Map { entries, names, key } => {
                let Some(key) = key.take() else { return Ok(()) };
                if key.merge {
                    return merge(entries, names, &mut self.flaws, &key, built.node);
                }
                let flaw = write(entries, names, key, built.node);
                self.flaws.extend(flaw);
            }
        }
        Ok(())
    }
}

/// Puts a written entry into its map; of two, the last counts.
fn write(
    entries: &mut Vec<Entry>,
    names: &mut HashMap<String, Origin>,
    key: Key,
    node: Node,
) -> Option<Refusal> {
    let entry = Entry { key: key.text, line: key.line, node };
    match names.get(&entry.key) {
        None => {
            names.insert(entry.key.clone(), Origin::Written(entries.len()));
            entries.push(entry);
            None
        }
        Some(Origin::Merged(index)) => {
            let index = *index;
            names.insert(entry.key.clone(), Origin::Written(index));
            entries[index] = entry;
            None
        }
        Some(Origin::Written(index)) => {
            let first = std::mem::replace(&mut entries[*index], entry);
            Some(Refusal::duplicate(&first.key, key.line, first.line))
        }
    }
}

/// Puts the entries of a map, or of several, into another; the first of several counts.
fn merge(
    entries: &mut Vec<Entry>,
    names: &mut HashMap<String, Origin>,
    flaws: &mut Vec<Refusal>,
    key: &Key,
    node: Node,
) -> Step {
    let maps = match node.value {
        Value::Map(_) => vec![node],
        Value::List(nodes) => nodes,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => {
            return Err(Box::new(Refusal::merge_of_no_map(key.line)));
        }
    };
    for map in maps.into_iter().rev() {
        let Value::Map(merged) = map.value else {
            return Err(Box::new(Refusal::merge_of_no_map(key.line)));
        };
        for entry in merged {
            match names.get(&entry.key) {
                None => {
                    names.insert(entry.key.clone(), Origin::Merged(entries.len()));
                    entries.push(entry);
                }
                Some(Origin::Merged(index)) => entries[*index] = entry,
                Some(Origin::Written(index)) => {
                    let first = std::mem::replace(&mut entries[*index], entry);
                    flaws.push(Refusal::merged_over(&first.key, key.line, first.line));
                }
            }
        }
    }
    Ok(())
}
