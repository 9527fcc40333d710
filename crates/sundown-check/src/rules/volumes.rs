//! Volumes that keep a node from being emptied.

use super::World;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::node::{Node, Value};
use crate::workload::{Kind, Workload};

const LOCAL_VOLUMES: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

/// Volumes that are lost with the pod, of which nobody says that they may be.
pub(super) fn hold_the_node(world: &World<'_>) -> Vec<Finding> {
    world.workloads.iter().filter_map(of_workload).collect()
}

fn of_workload(workload: &Workload<'_>) -> Option<Finding> {
    // A drain leaves daemons alone.
    if workload.kind == Kind::DaemonSet {
        return None;
    }
    let template = workload.document.root.at(workload.kind.template())?;
    let annotation = |name| {
        let annotations = template.at(&["metadata", "annotations"])?;
        annotations.get(name).and_then(Node::text)
    };
    if annotation("cluster-autoscaler.kubernetes.io/safe-to-evict").is_some() {
        return None;
    }
    let named: Vec<&str> =
        annotation(LOCAL_VOLUMES).unwrap_or_default().split(',').map(str::trim).collect();
    let volumes = workload.pod.get("volumes")?;
    let name = |volume: &Node| volume.get("name").and_then(Node::text).map(str::to_owned);
    let local: Vec<String> = volumes
        .list()
        .iter()
        .filter(|volume| is_local(volume))
        .filter_map(name)
        .filter(|name| !named.contains(&name.as_str()))
        .collect();
    if local.is_empty() {
        return None;
    }
    let all = named.into_iter().filter(|name| !name.is_empty());
    let all: Vec<&str> = all.chain(local.iter().map(String::as_str)).collect();
    let words = Words {
        what: format!("an emptyDir is deleted with its pod: {}", local.join(", ")),
        why: "the cluster autoscaler never empties a node with such a pod, and `kubectl drain` \
              refuses to without --delete-emptydir-data",
        mend: format!(
            "if nothing in them is missed, annotate the pod template: {LOCAL_VOLUMES}: \"{}\"",
            all.join(",")
        ),
    };
    let field = format!("{}.volumes", workload.field);
    let (rule, line) = (Rule::LocalVolumesHoldTheNode, volumes.line);
    Some(workload.finding(rule, Severity::Note, line, field, words))
}

/// Whether the autoscaler takes what a volume holds for data: memory it does not.
fn is_local(volume: &Node) -> bool {
    let is_memory = |it: &Node| it.get("medium").and_then(Node::text) == Some("Memory");
    let is_there = |it: &Node| it.value != Value::Null;
    volume.get("emptyDir").is_some_and(|it| is_there(it) && !is_memory(it))
}
