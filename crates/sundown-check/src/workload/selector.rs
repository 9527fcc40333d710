//! Which labels a selector means.

use std::collections::BTreeMap;

use crate::node::Node;

/// The labels of a pod.
pub(crate) type Labels<'d> = BTreeMap<&'d str, &'d str>;

/// The labels under `metadata` of this object or template.
pub(crate) fn labels(object: &Node) -> Labels<'_> {
    pairs(object.at(&["metadata", "labels"]))
}

fn pairs(map: Option<&Node>) -> Labels<'_> {
    let entries = map.map(Node::entries).unwrap_or_default();
    entries.iter().filter_map(|entry| Some((entry.key.as_str(), entry.node.text()?))).collect()
}

/// Whether a `LabelSelector` means these labels; an empty one means all.
pub(crate) fn selects(selector: &Node, labels: &Labels<'_>) -> bool {
    let expressions = selector.get("matchExpressions").map(Node::list).unwrap_or_default();
    has_all(selector.get("matchLabels"), labels)
        && expressions.iter().all(|expression| holds(expression, labels))
}

/// Whether the selector of a `Service` means these labels; an empty one means none.
pub(crate) fn serves(service: &Node, labels: &Labels<'_>) -> bool {
    let selector = service.at(&["spec", "selector"]);
    selector.is_some_and(|selector| !selector.entries().is_empty()) && has_all(selector, labels)
}

fn has_all(wanted: Option<&Node>, labels: &Labels<'_>) -> bool {
    let entries = wanted.map(Node::entries).unwrap_or_default();
    entries.iter().all(|entry| {
        let value = entry.node.text();
        value.is_some() && labels.get(entry.key.as_str()).copied() == value
    })
}

fn holds(expression: &Node, labels: &Labels<'_>) -> bool {
    let text = |key| expression.get(key).and_then(Node::text).unwrap_or_default();
    let label = labels.get(text("key"));
    let values = expression.get("values").map(Node::list).unwrap_or_default();
    let is_among = label.is_some_and(|label| values.iter().any(|v| v.text() == Some(label)));
    match text("operator") {
        "In" => is_among,
        "NotIn" => !is_among,
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        _ => false,
    }
}
