//! Lists of objects, which `kubectl` takes apart.

use crate::document::Document;
use crate::node::{Entry, Node, Value};

/// The objects of a list; none if it is an object itself.
pub(super) fn items(document: &Document) -> Option<Vec<Node>> {
    let (version, kind) = (document.api_version(), document.kind());
    let of = kind.strip_suffix("List")?;
    let Value::Map(entries) = &document.root.value else { return None };
    let items = entries.iter().find(|entry| entry.key == "items")?;
    let nodes = match &items.node.value {
        Value::List(nodes) => nodes.clone(),
        Value::Null => Vec::new(),
        Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Map(_) => return None,
    };
    if of.is_empty() {
        return Some(nodes);
    }
    Some(nodes.into_iter().map(|node| typed(node, version, of)).collect())
}

/// An item of a `DeploymentList` need not say that it is a Deployment.
fn typed(mut node: Node, version: &str, kind: &str) -> Node {
    let line = node.line;
    if let Value::Map(entries) = &mut node.value {
        for (key, text) in [("kind", kind), ("apiVersion", version)] {
            if !entries.iter().any(|entry| entry.key == key) {
                let node = Node { line, value: Value::Text(text.to_owned()) };
                entries.insert(0, Entry { key: key.to_owned(), line, node });
            }
        }
    }
    node
}
