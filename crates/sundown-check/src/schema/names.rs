//! Names, and who may be called what.

use super::refused::shown;
use super::{Flaw, path};
use crate::document::Document;
use crate::finding::Rule;
use crate::node::{Node, Value};

/// How a label of DNS is written.
pub(super) const LABEL: &str =
    "write at most 63 small letters, digits and `-`, a letter or digit first and last";

const SUBDOMAIN: &str =
    "write small letters, digits, `-` and `.`, a letter or digit first and last in each part";

/// Whether a text is a label of DNS.
pub(super) fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=63).contains(&text.len())
        && text.bytes().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a text names a port.
pub(super) fn is_port(text: &str) -> bool {
    is_label(text)
        && text.len() <= 15
        && !text.contains("--")
        && text.bytes().any(|byte| byte.is_ascii_lowercase())
}

fn is_subdomain(text: &str) -> bool {
    text.len() <= 253
        && text.split('.').all(|part| is_label(part) || part.len() > 63 && is_long(part))
}

/// A part of a name may be longer than a label, as long as the whole is not.
fn is_long(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !part.starts_with('-')
        && !part.ends_with('-')
}

/// Whether a text may be the value of a label.
fn is_value(text: &str) -> bool {
    let outer = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    text.len() <= 63
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        && outer(text.bytes().next())
        && outer(text.bytes().last())
}

/// What is wrong with the name of an object, its namespace and its labels. A review has none.
pub(super) fn check(document: &Document) -> Vec<Flaw> {
    if document.kind().ends_with("Review") {
        return Vec::new();
    }
    let Some(metadata) = document.root.get("metadata") else {
        return vec![nameless(document, None)];
    };
    // Another type is found where the metadata are read.
    let Value::Map(_) = metadata.value else { return Vec::new() };
    let mut flaws = Vec::new();
    match metadata.get("name") {
        None if metadata.get("generateName").is_none() => {
            flaws.push(nameless(document, Some(metadata)));
        }
        None => {}
        Some(node) => flaws.extend(name(document.kind(), node)),
    }
    if let Some(node) = metadata.get("namespace") {
        let wrong = node.text().is_some_and(|text| !is_label(text) && !text.is_empty());
        let field = "metadata.namespace".to_owned();
        let what = format!("{} is no name of a namespace", shown(node));
        flaws.extend(wrong.then(|| Flaw::wrong(node, field, what, LABEL)));
    }
    flaws.extend(labels(metadata, "metadata"));
    let template = document.root.at(&["spec", "template", "metadata"]);
    flaws.extend(template.map(|node| labels(node, "spec.template.metadata")).unwrap_or_default());
    flaws
}

fn labels(metadata: &Node, at: &str) -> Vec<Flaw> {
    let Some(labels) = metadata.get("labels") else { return Vec::new() };
    let at = path::field(at, "labels");
    let wrong = labels
        .entries()
        .iter()
        .filter(|entry| entry.node.text().is_some_and(|text| !is_value(text)));
    let mend = "write at most 63 letters, digits, `-`, `_` and `.`; longer texts are annotations";
    wrong
        .map(|entry| {
            let what = format!("{} cannot be the value of a label", shown(&entry.node));
            Flaw::wrong(&entry.node, path::field(&at, &entry.key), what, mend)
        })
        .collect()
}

fn nameless(document: &Document, metadata: Option<&Node>) -> Flaw {
    let line = metadata.unwrap_or(&document.root).line;
    let field = "metadata.name".to_owned();
    let mend = "add `name:` under `metadata:`";
    Flaw::error(Rule::MissingField, line, field, "the object has no name", mend)
}

/// What a kind demands of its names.
fn name(kind: &str, node: &Node) -> Option<Flaw> {
    let text = node.text()?;
    let (fits, mend) = match kind {
        "Namespace" | "Service" => (is_label(text), LABEL),
        "CronJob" if text.len() > 52 => {
            (false, "write at most 52 letters: its jobs are named after it")
        }
        "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" | "ClusterTrustBundle" => {
            let free =
                !text.is_empty() && text != "." && text != ".." && !text.contains(['/', '%']);
            (free, "write it without `/` and `%`")
        }
        _ => (is_subdomain(text), SUBDOMAIN),
    };
    let what = format!("{} cannot be the name of {}", shown(node), super::missing::article(kind));
    (!fits).then(|| Flaw::wrong(node, "metadata.name".to_owned(), what, mend))
}
