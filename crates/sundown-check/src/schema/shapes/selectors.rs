//! Whether a selector finds the pods of its own template.

use std::collections::HashMap;

use super::super::reader::Seen;
use super::super::{Flaw, path};
use super::text;
use crate::node::{Node, Value};

/// What is wrong with a workload's selector.
pub(super) fn check(seen: &Seen<'_>) -> Vec<Flaw> {
    let Some(selector) = seen.node.get("selector") else { return Vec::new() };
    let Value::Map(_) = selector.value else { return Vec::new() };
    let at = path::field(&seen.path, "selector");
    let wanted = selector.get("matchLabels").map(Node::entries).unwrap_or_default();
    let rules = selector.get("matchExpressions").map(Node::list).unwrap_or_default();
    if wanted.is_empty() && rules.is_empty() {
        let what = "the selector is empty";
        let mend = "write `matchLabels:` with labels of the template";
        return vec![Flaw::wrong(selector, at, what, mend)];
    }
    let Some(template) = seen.node.get("template") else { return Vec::new() };
    let labels = template.at(&["metadata", "labels"]).map(Node::entries).unwrap_or_default();
    let labels = labels.iter().map(|entry| Some((entry.key.as_str(), entry.node.text()?)));
    let labels: HashMap<_, _> = labels.flatten().collect();
    let label = |key: &str| labels.get(key).copied();
    let mend = "write the same labels in `selector` and in `template.metadata.labels`";
    let mut flaws = Vec::new();
    for entry in wanted {
        let Some(value) = entry.node.text() else { continue };
        if label(&entry.key) != Some(value) {
            let what = format!("the pods of the template have no label `{}: {value}`", entry.key);
            let field = path::field(&path::field(&at, "matchLabels"), &entry.key);
            flaws.push(Flaw::wrong(&entry.node, field, what, mend));
        }
    }
    for (index, rule) in rules.iter().enumerate() {
        if !holds(rule, label) {
            let what = "the labels of the template do not fulfil the expression";
            let field = path::item(&path::field(&at, "matchExpressions"), index);
            flaws.push(Flaw::wrong(rule, field, what, mend));
        }
    }
    flaws
}

fn holds<'a>(rule: &Node, label: impl Fn(&str) -> Option<&'a str>) -> bool {
    let value = text(rule, "key").and_then(label);
    let values = rule.get("values").map(Node::list).unwrap_or_default();
    let among = |value: &str| values.iter().any(|node| node.text() == Some(value));
    match text(rule, "operator") {
        Some("In") => value.is_some_and(among),
        Some("NotIn") => !value.is_some_and(among),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        // Another operator is found as a wrong value.
        Some(_) | None => true,
    }
}
