//! Whether disruption budgets let a node be emptied.

use std::collections::BTreeMap;

use super::{World, of_kind};
use crate::document::Document;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::node::{Node, Value};
use crate::workload::{Kind, Workload, line_of, selector};

/// So many are named; more would bury the rest of the sentence.
const MOST_NAMES: usize = 3;

/// The budgets, each with the workloads it protects, of those that a drain evicts: not daemons, and
/// no jobs.
pub(super) fn budgets<'d>(
    documents: &[&'d Document],
    workloads: &[Workload<'_>],
) -> Vec<(&'d Document, Vec<usize>)> {
    let mut evicted: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, workload) in workloads.iter().enumerate() {
        match workload.kind {
            Kind::Pod
            | Kind::Deployment
            | Kind::StatefulSet
            | Kind::ReplicaSet
            | Kind::ReplicationController
            | Kind::Custom => {
                evicted.entry(workload.document.namespace()).or_default().push(index);
            }
            Kind::DaemonSet | Kind::Job | Kind::CronJob => {}
        }
    }
    let protected = |budget: &'d Document| {
        let meant = budget.root.at(&["spec", "selector"])?;
        let near = evicted.get(budget.namespace())?.iter().copied();
        let is_meant = |&index: &usize| selector::selects(meant, &workloads[index].labels);
        Some((budget, near.filter(is_meant).collect()))
    };
    of_kind(documents, "policy", "PodDisruptionBudget").filter_map(protected).collect()
}

/// A budget that never allows a disruption.
pub(super) fn blocks_eviction(world: &World<'_>) -> Vec<Finding> {
    world.budgets.iter().filter_map(|(budget, indices)| blocked(world, budget, indices)).collect()
}

fn blocked(world: &World<'_>, budget: &Document, protected: &[usize]) -> Option<Finding> {
    let protected = || protected.iter().map(|&index| &world.workloads[index]);
    let mut names: Vec<String> =
        protected().take(MOST_NAMES).map(|workload| workload.document.title()).collect();
    if protected().count() > MOST_NAMES {
        names.push("others".to_owned());
    }
    let counts: Option<Vec<u64>> = protected().map(|workload| world.replicas(workload)).collect();
    let pods = counts.map(|counts| counts.into_iter().fold(0, u64::saturating_add));
    if names.is_empty() || pods == Some(0) {
        return None;
    }
    let spec = budget.root.get("spec")?;
    let (key, what) = match (spec.get("maxUnavailable"), spec.get("minAvailable")) {
        (Some(most), _) if of(most, pods.unwrap_or(1))? == 0 => {
            ("maxUnavailable", format!("no pod of {} may ever be evicted", names.join(", ")))
        }
        (None, Some(least)) if of(least, pods?)? >= pods? => {
            let what = format!(
                "{} of {} pods of {} must stay: none may ever be evicted",
                of(least, pods?)?,
                pods?,
                names.join(", ")
            );
            ("minAvailable", what)
        }
        (Some(_), _) | (None, Some(_) | None) => return None,
    };
    let mend = "set maxUnavailable: 1, and more than one replica where the service must stay up";
    let why = "a node with such a pod cannot be drained: its upgrade hangs until somebody deletes \
               the budget or kills the pod";
    Some(finding(budget, Rule::PdbBlocksEviction, Severity::Error, key, what, (why, mend)))
}

/// A number of pods, or a part of them, rounded up as the disruption controller does.
fn of(number: &Node, pods: u64) -> Option<u64> {
    match &number.value {
        Value::Number(number) => number.as_u64(),
        Value::Text(text) => {
            let percent: u64 = text.strip_suffix('%')?.parse().ok()?;
            Some(percent.saturating_mul(pods).div_ceil(100))
        }
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => None,
    }
}

/// Several budgets for one pod, which the eviction API refuses to choose between.
pub(super) fn overlaps(world: &World<'_>) -> Vec<Finding> {
    let mut first: BTreeMap<usize, &Document> = BTreeMap::new();
    let mut findings = Vec::new();
    for (budget, protected) in &world.budgets {
        let shared = protected.iter().find_map(|index| Some((*index, *first.get(index)?)));
        if let Some((index, earlier)) = shared {
            let what = format!(
                "{} protects pods of {} that {} protects already",
                budget.title(),
                world.workloads[index].document.title(),
                earlier.title()
            );
            let why = "the eviction API answers 500 for a pod with more than one budget: its node \
                       cannot be drained";
            let mend = "leave one budget for each pod";
            let (rule, severity) = (Rule::PdbBlocksEviction, Severity::Error);
            findings.push(finding(budget, rule, severity, "selector", what, (why, mend)));
        }
        for index in protected {
            first.entry(*index).or_insert(budget);
        }
    }
    findings
}

/// A budget that counts broken pods as pods that must not be disturbed.
pub(super) fn keeps_unhealthy(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (budget, protected) in &world.budgets {
        let policy = budget.root.at(&["spec", "unhealthyPodEvictionPolicy"]);
        let is_lenient = policy.and_then(Node::text) == Some("AlwaysAllow");
        if is_lenient || protected.is_empty() {
            continue;
        }
        let what = "pods that run but are not ready are evicted only while enough others are";
        let why = "a service that crashes everywhere holds up the drain of every node it is on";
        let mend = "set unhealthyPodEvictionPolicy: AlwaysAllow";
        let (rule, severity) = (Rule::PdbKeepsUnhealthy, Severity::Note);
        findings.push(finding(budget, rule, severity, "", what.to_owned(), (why, mend)));
    }
    findings
}

/// Something found at a key of a budget's `spec`, or at the `spec`.
fn finding(
    budget: &Document,
    rule: Rule,
    severity: Severity,
    key: &str,
    what: String,
    (why, mend): (&str, &str),
) -> Finding {
    let (line, field) = match (key, budget.root.get("spec")) {
        ("", _) | (_, None) => (line_of(&budget.root, "spec"), "spec".to_owned()),
        (key, Some(spec)) => (line_of(spec, key), format!("spec.{key}")),
    };
    let words = Words { what, why, mend: mend.to_owned() };
    Finding::new(rule, severity, budget.place(line, field), budget.title(), words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_round_up() {
        let text = |text: &str| Node { line: 1, value: Value::Text(text.to_owned()) };
        assert_eq!(of(&text("50%"), 1), Some(1));
        assert_eq!(of(&text("50%"), 3), Some(2));
        assert_eq!(of(&text("34%"), 3), Some(2));
        assert_eq!(of(&text("0%"), 3), Some(0));
        assert_eq!(of(&text("100%"), 7), Some(7));
        assert_eq!(of(&text("half"), 7), None);
        assert_eq!(of(&Node { line: 1, value: Value::Number(2.into()) }, 7), Some(2));
    }
}
