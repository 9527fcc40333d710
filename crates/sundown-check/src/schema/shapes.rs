//! Objects whose fields do not fit each other.

mod pods;
mod selectors;

use super::reader::Seen;
use super::{Flaw, path};
use crate::finding::Rule;
use crate::node::{Node, Value};

/// What is wrong between the fields of an object.
pub(super) fn check(seen: &Seen<'_>, root: &Node) -> Vec<Flaw> {
    match seen.kind {
        "LifecycleHandler" => action(seen, "hook").into_iter().collect(),
        "Probe" => action(seen, "probe").into_iter().collect(),
        "EnvVar" => either(seen, "value", "valueFrom").into_iter().collect(),
        "EnvVarSource" => action(seen, "source").into_iter().collect(),
        "PodDisruptionBudgetSpec" => {
            either(seen, "minAvailable", "maxUnavailable").into_iter().collect()
        }
        "DeploymentStrategy" => recreate(seen).into_iter().collect(),
        "ServiceSpec" => nameless_ports(seen),
        "DeploymentSpec" | "ReplicaSetSpec" | "StatefulSetSpec" | "DaemonSetSpec" => {
            let mut flaws = selectors::check(seen);
            flaws.extend(pods::always(seen));
            flaws
        }
        "JobSpec" => pods::job(seen),
        "PodSpec" => pods::check(seen, root),
        "Container" => {
            let mut flaws = pods::probes(seen);
            flaws.extend(pods::ports(seen));
            flaws
        }
        _ => Vec::new(),
    }
}

/// A text of an object, if it has one there.
fn text<'a>(node: &'a Node, name: &str) -> Option<&'a str> {
    node.get(name).and_then(Node::text)
}

/// Exactly one of the fields that say what is done.
fn action(seen: &Seen<'_>, noun: &str) -> Option<Flaw> {
    let actions: Vec<_> =
        seen.fields.iter().filter(|name| is_action(noun, name)).copied().collect();
    let given: Vec<_> = seen
        .node
        .entries()
        .iter()
        .filter(|entry| actions.contains(&entry.key.as_str()) && entry.node.value != Value::Null)
        .collect();
    let all = actions.join(", ");
    match given[..] {
        [] if seen.node.entries().iter().any(|entry| closely(&entry.key, &actions)) => None,
        [] => {
            let what = format!("the {noun} says not what to do");
            let mend = format!("give it one of {all}");
            Some(Flaw::error(Rule::MissingField, seen.node.line, seen.path.clone(), what, mend))
        }
        [_] => None,
        [first, second, ..] => {
            let what = format!("the {noun} has both `{}` and `{}`", first.key, second.key);
            let field = path::field(&seen.path, &second.key);
            let line = second.line;
            Some(Flaw::error(Rule::WrongValue, line, field, what, "keep one of them"))
        }
    }
}

fn is_action(noun: &str, name: &str) -> bool {
    noun == "source" || matches!(name, "exec" | "httpGet" | "tcpSocket" | "grpc" | "sleep")
}

/// An action that is only misspelt is found as an unknown field.
fn closely(key: &str, actions: &[&str]) -> bool {
    !actions.contains(&key) && super::closest::closest(key, actions.iter().copied()).is_some()
}

/// At most one of two fields.
fn either(seen: &Seen<'_>, one: &str, other: &str) -> Option<Flaw> {
    let (first, second) = (seen.node.get(one)?, seen.node.get(other)?);
    if first.text() == Some("") {
        return None;
    }
    let what = format!("`{one}` and `{other}` stand together");
    Some(Flaw::wrong(second, path::field(&seen.path, other), what, "keep one of them"))
}

fn recreate(seen: &Seen<'_>) -> Option<Flaw> {
    let rolling = seen.node.get("rollingUpdate")?;
    (text(seen.node, "type") == Some("Recreate")).then(|| {
        let what = "`rollingUpdate` stands beside `type: Recreate`";
        let mend = "remove `rollingUpdate`, or write `type: RollingUpdate`";
        Flaw::wrong(rolling, path::field(&seen.path, "rollingUpdate"), what, mend)
    })
}

/// Of several ports each has a name.
fn nameless_ports(seen: &Seen<'_>) -> Vec<Flaw> {
    let ports = seen.node.get("ports").map(Node::list).unwrap_or_default();
    if ports.len() < 2 {
        return Vec::new();
    }
    let at = path::field(&seen.path, "ports");
    let nameless = ports.iter().enumerate().filter(|(_, port)| port.get("name").is_none());
    nameless
        .map(|(index, port)| {
            let field = path::field(&path::item(&at, index), "name");
            let what = "the port has no name, although there are several";
            Flaw::error(Rule::MissingField, port.line, field, what, "add `name:`")
        })
        .collect()
}
