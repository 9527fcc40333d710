//! Grace periods beyond what the machines below give.

use std::time::Duration;

use sundown::timeline::seconds;

use super::World;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::node::{Node, Value};
use crate::workload::Workload;

/// How long the cluster autoscaler waits for the pods of a node, unless it is told otherwise.
const AUTOSCALER: Duration = Duration::from_secs(600);
/// The longest notice of a machine that is taken back.
const SPOT: Duration = Duration::from_secs(120);

/// Labels and taints of machines that can be taken back, and their value.
const SPOT_LABELS: [(&str, &str); 6] = [
    ("cloud.google.com/gke-spot", "true"),
    ("cloud.google.com/gke-preemptible", "true"),
    ("cloud.google.com/gke-provisioning", "spot"),
    ("eks.amazonaws.com/capacityType", "SPOT"),
    ("karpenter.sh/capacity-type", "spot"),
    ("kubernetes.azure.com/scalesetpriority", "spot"),
];

/// A grace period that the autoscaler does not wait for.
pub(super) fn of_the_autoscaler(world: &World<'_>) -> Vec<Finding> {
    let why = "the cluster autoscaler waits 600 s for the pods of a node, and then removes the \
               node with them (unless its --max-graceful-termination-sec says otherwise)";
    let finding = |workload: &Workload<'_>| {
        // Where machines are taken back sooner than the autoscaler does it, that is what counts.
        let is_waited_for = stays(workload) || wants_spot(workload.pod);
        let is_too_long = workload.grace_period() > AUTOSCALER && !is_waited_for;
        is_too_long.then(|| warning(workload, "the autoscaler waits", AUTOSCALER, why))
    };
    world.workloads.iter().filter_map(finding).collect()
}

/// Whether the autoscaler leaves its nodes alone.
fn stays(workload: &Workload<'_>) -> bool {
    const EVICT: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    let template = workload.document.root.at(workload.kind.template());
    let says = template.and_then(|template| template.at(&["metadata", "annotations", EVICT]));
    says.and_then(Node::text) == Some("false")
}

/// A grace period longer than the notice of the machines it asks for.
pub(super) fn of_spot_machines(world: &World<'_>) -> Vec<Finding> {
    let why = "a machine that is taken back is gone after at most 120 s, with some providers after \
               30 s, whatever the grace period";
    let finding = |workload: &Workload<'_>| {
        let grace = workload.grace_period();
        let is_too_long = grace > SPOT && wants_spot(workload.pod);
        is_too_long.then(|| warning(workload, "spot machines give", SPOT, why))
    };
    world.workloads.iter().filter_map(finding).collect()
}

fn warning(workload: &Workload<'_>, who: &str, ceiling: Duration, why: &str) -> Finding {
    let words = Words {
        what: format!(
            "the grace period is {}, and {who} {}",
            seconds(workload.grace_period()),
            seconds(ceiling)
        ),
        why,
        mend: "let the work be handed back sooner, so that less grace is enough".to_owned(),
    };
    let field = format!("{}.terminationGracePeriodSeconds", workload.field);
    let line = workload.grace.line;
    workload.finding(Rule::GraceOverCeiling, Severity::Warning, line, field, words)
}

/// Whether a pod asks for machines that can be taken back, or puts up with them.
fn wants_spot(pod: &Node) -> bool {
    let of = |key: &str| pod.get(key);
    let selects = of("nodeSelector").map(Node::entries).unwrap_or_default();
    let tolerates = of("tolerations").map(Node::list).unwrap_or_default();
    let affinity = pod.at(&["affinity", "nodeAffinity"]);
    let required = affinity.and_then(|affinity| {
        affinity.at(&["requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"])
    });
    let preferred = affinity
        .and_then(|affinity| affinity.get("preferredDuringSchedulingIgnoredDuringExecution"));
    let required = required.map(Node::list).unwrap_or_default().iter();
    let preferred = preferred.map(Node::list).unwrap_or_default().iter();
    let mut terms = required.chain(preferred.filter_map(|term| term.get("preference")));
    selects.iter().any(|entry| is_spot(&entry.key, &plain(&entry.node)))
        || tolerates.iter().any(|toleration| {
            let text = |key| toleration.get(key).map(plain).unwrap_or_default();
            match text("operator").as_str() {
                "Exists" => is_spot_key(&text("key")),
                _ => is_spot(&text("key"), &text("value")),
            }
        })
        || terms.any(term_is_spot)
}

fn term_is_spot(term: &Node) -> bool {
    let expressions = term.get("matchExpressions").map(Node::list).unwrap_or_default();
    expressions.iter().any(|expression| {
        let key = expression.get("key").map(plain).unwrap_or_default();
        let values = expression.get("values").map(Node::list).unwrap_or_default();
        match expression.get("operator").and_then(Node::text) {
            Some("In") => values.iter().any(|value| is_spot(&key, &plain(value))),
            // The label is only there on such machines, where its value is nothing but "true".
            Some("Exists") => SPOT_LABELS.contains(&(key.as_str(), "true")),
            _ => false,
        }
    })
}

fn is_spot(key: &str, value: &str) -> bool {
    SPOT_LABELS.contains(&(key, value))
}

fn is_spot_key(key: &str) -> bool {
    SPOT_LABELS.iter().any(|(label, _)| *label == key)
}

fn plain(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => text.clone(),
        Value::Bool(yes) => yes.to_string(),
        Value::Null | Value::Number(_) | Value::List(_) | Value::Map(_) => String::new(),
    }
}
