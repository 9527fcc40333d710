//! What does not fit within a pod, or between a pod and whoever makes it.

use std::collections::{HashMap, HashSet};

use super::super::reader::Seen;
use super::super::{Flaw, path};
use super::text;
use crate::finding::Rule;
use crate::node::Node;

/// What is wrong within a pod.
pub(super) fn check(seen: &Seen<'_>, root: &Node) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    if let Some(containers) = seen.node.get("containers")
        && containers.list().is_empty()
    {
        let field = path::field(&seen.path, "containers");
        let what = "the pod has no container";
        flaws.push(Flaw::error(Rule::MissingField, containers.line, field, what, "add one"));
    }
    flaws.extend(twice(
        seen,
        &["containers", "initContainers", "ephemeralContainers"],
        "container",
    ));
    flaws.extend(twice(seen, &["volumes"], "volume"));
    flaws.extend(mounts(seen, root));
    flaws
}

/// Names that stand in lists of a pod more than once.
fn twice(seen: &Seen<'_>, lists: &[&str], noun: &str) -> Vec<Flaw> {
    let mut names = Vec::new();
    for list in lists {
        let at = path::field(&seen.path, list);
        let nodes = seen.node.get(list).map(Node::list).unwrap_or_default();
        for (index, node) in nodes.iter().enumerate() {
            let Some(name) = node.get("name") else { continue };
            let Some(called) = name.text() else { continue };
            names.push((name.line, called, name, path::field(&path::item(&at, index), "name")));
        }
    }
    names.sort_by_key(|(line, ..)| *line);
    let mut lines = HashMap::new();
    let mut flaws = Vec::new();
    for (line, called, name, field) in names {
        if let Some(first) = lines.insert(called, line) {
            let what = format!("another {noun} is called `{called}`, on line {first}");
            flaws.push(Flaw::wrong(name, field, what, "give each a name of its own"));
        }
    }
    flaws
}

/// Mounts of volumes that the pod does not have.
fn mounts(seen: &Seen<'_>, root: &Node) -> Vec<Flaw> {
    let mut names: HashSet<&str> = named(seen.node.get("volumes"));
    if seen.path == "spec.template.spec" {
        let claims = root.at(&["spec", "volumeClaimTemplates"]).map(Node::list).unwrap_or_default();
        names.extend(claims.iter().filter_map(|claim| claim.at(&["metadata", "name"])?.text()));
    }
    let mut flaws = Vec::new();
    for list in ["containers", "initContainers"] {
        let containers = seen.node.get(list).map(Node::list).unwrap_or_default();
        for (index, container) in containers.iter().enumerate() {
            let at = path::item(&path::field(&seen.path, list), index);
            let at = path::field(&at, "volumeMounts");
            let mounts = container.get("volumeMounts").map(Node::list).unwrap_or_default();
            for (index, mount) in mounts.iter().enumerate() {
                let Some(name) = mount.get("name") else { continue };
                if name.text().is_some_and(|name| !names.contains(name)) {
                    let what = format!("the pod has no volume {}", name.to_json());
                    let field = path::field(&path::item(&at, index), "name");
                    flaws.push(Flaw::wrong(name, field, what, "add it to the pod's `volumes`"));
                }
            }
        }
    }
    flaws
}

fn named(list: Option<&Node>) -> HashSet<&str> {
    let nodes = list.map(Node::list).unwrap_or_default();
    nodes.iter().filter_map(|node| text(node, "name")).collect()
}

/// Probes that may not have what they have.
pub(super) fn probes(seen: &Seen<'_>) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    for name in ["livenessProbe", "startupProbe"] {
        let Some(node) = seen.node.at(&[name, "successThreshold"]) else { continue };
        if node.integer().is_some_and(|number| number > 1) {
            let field = path::field(&path::field(&seen.path, name), "successThreshold");
            let what = format!("a {name} needs one success, not several");
            flaws.push(Flaw::wrong(node, field, what, "remove it, or write 1"));
        }
    }
    if let Some(node) = seen.node.at(&["readinessProbe", "terminationGracePeriodSeconds"]) {
        let at = path::field(&seen.path, "readinessProbe");
        let field = path::field(&at, "terminationGracePeriodSeconds");
        let what = "a readinessProbe ends no container, so it has no grace period";
        flaws.push(Flaw::wrong(node, field, what, "remove it, or move it to the livenessProbe"));
    }
    flaws
}

/// Names of ports that the container does not have.
pub(super) fn ports(seen: &Seen<'_>) -> Vec<Flaw> {
    const ASKED: [&[&str]; 5] = [
        &["livenessProbe"],
        &["readinessProbe"],
        &["startupProbe"],
        &["lifecycle", "preStop"],
        &["lifecycle", "postStart"],
    ];
    let names = named(seen.node.get("ports"));
    let mut flaws = Vec::new();
    for way in ASKED {
        for action in ["httpGet", "tcpSocket"] {
            let way: Vec<&str> = way.iter().copied().chain([action, "port"]).collect();
            let Some(node) = seen.node.at(&way) else { continue };
            // A number in quotes is found as no name.
            let is_name = |name: &&str| name.contains(|c: char| c.is_ascii_lowercase());
            if node.text().filter(is_name).is_some_and(|name| !names.contains(name)) {
                let what = format!("the container has no port {}", node.to_json());
                let field = way.iter().fold(seen.path.clone(), |at, name| path::field(&at, name));
                let flaw = Flaw::wrong(node, field, what, "name one of its `ports`, or a number");
                let why = "the kubelet finds no port of this name: what asks it always fails";
                flaws.push(flaw.because(why));
            }
        }
    }
    flaws
}

fn restart<'a>(seen: &Seen<'a>) -> Option<&'a Node> {
    seen.node.at(&["template", "spec", "restartPolicy"])
}

fn restart_field(seen: &Seen<'_>) -> String {
    let names = ["template", "spec", "restartPolicy"];
    names.iter().fold(seen.path.clone(), |at, name| path::field(&at, name))
}

/// Pods that are to run forever are always restarted.
pub(super) fn always(seen: &Seen<'_>) -> Vec<Flaw> {
    let wrong = restart(seen).filter(|node| matches!(node.text(), Some("OnFailure" | "Never")));
    let flaw = wrong.map(|node| {
        let what = "pods of this kind are always restarted";
        Flaw::wrong(node, restart_field(seen), what, "remove it, or write `Always`")
    });
    flaw.into_iter().collect()
}

/// What a job demands.
pub(super) fn job(seen: &Seen<'_>) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    match (restart(seen), seen.node.at(&["template", "spec"])) {
        (Some(node), _) if node.text() == Some("Always") => {
            let what = "the pods of a job are not restarted always";
            let mend = "write `OnFailure` or `Never`";
            flaws.push(Flaw::wrong(node, restart_field(seen), what, mend));
        }
        (None, Some(pod)) => {
            let what = "`restartPolicy` is missing, and `Always` is not allowed in a job";
            let mend = "add `restartPolicy: Never`, or `OnFailure`";
            let field = restart_field(seen);
            flaws.push(Flaw::error(Rule::MissingField, pod.line, field, what, mend));
        }
        (Some(_) | None, _) => {}
    }
    if let (Some(policy), Some(node)) = (seen.node.get("podFailurePolicy"), restart(seen))
        && node.text() == Some("OnFailure")
    {
        let field = path::field(&seen.path, "podFailurePolicy");
        let what = "`podFailurePolicy` needs pods that are never restarted";
        flaws.push(Flaw::wrong(policy, field, what, "write `restartPolicy: Never`"));
    }
    let indexed = seen.node.get("completionMode").filter(|node| node.text() == Some("Indexed"));
    if let (Some(node), None) = (indexed, seen.node.get("completions")) {
        let field = path::field(&seen.path, "completions");
        let what = "an indexed job does not say how many indexes there are";
        flaws.push(Flaw::error(Rule::MissingField, node.line, field, what, "add `completions:`"));
    }
    flaws
}
