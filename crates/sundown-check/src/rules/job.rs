//! Whether a job whose pod is disturbed neither fails for it nor forgets its work.

use super::World;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::node::Node;
use crate::workload::{Kind, Origin, Stop, Workload, line_of};

/// A job for which a drained node is a failure of its own.
pub(super) fn without_failure_policy(world: &World<'_>) -> Vec<Finding> {
    world.workloads.iter().filter_map(of_failure).collect()
}

/// What holds the job's `spec`, and the way to it.
fn job<'d>(workload: &Workload<'d>) -> Option<(&'d Node, &'static str)> {
    let root = &workload.document.root;
    match workload.kind {
        Kind::Job => Some((root, "spec")),
        Kind::CronJob => Some((root.at(&["spec", "jobTemplate"])?, "spec.jobTemplate.spec")),
        Kind::Pod
        | Kind::Deployment
        | Kind::StatefulSet
        | Kind::DaemonSet
        | Kind::ReplicaSet
        | Kind::ReplicationController
        | Kind::Custom => None,
    }
}

fn of_failure(workload: &Workload<'_>) -> Option<Finding> {
    let (holder, field) = job(workload)?;
    let spec = holder.get("spec")?;
    // Only pods that are not restarted in place can have a policy.
    let is_never = workload.pod.get("restartPolicy").and_then(Node::text) == Some("Never");
    if !is_never || forgives(spec) {
        return None;
    }
    let is = |wanted: fn(&Stop) -> bool| workload.mains().any(|member| wanted(&member.stop));
    let tells = is(|stop| match stop {
        Stop::Known(_, budget) => budget.tells_interruption == Some(true),
        Stop::Refuses(_) | Stop::Doubtful(_) | Stop::Unknown => false,
    });
    // A program that is told how long it may take to stop is one that is interrupted.
    let may_tell = is(|stop| match stop {
        Stop::Known(origin, _) => *origin == Origin::Sundown,
        Stop::Doubtful(_) => true,
        Stop::Refuses(_) | Stop::Unknown => false,
    });
    let is_unknown = workload.mains().any(|member| member.budget().is_none());
    let is_indexed = spec.get("completionMode").and_then(Node::text) == Some("Indexed");
    let is_large = is_indexed || spec.get("completions").and_then(Node::integer) > Some(1);
    let severity = match (tells, may_tell || is_unknown && is_large) {
        (true, _) => Severity::Error,
        (false, true) => Severity::Warning,
        (false, false) => Severity::Note,
    };
    let words = Words {
        what: "nothing says that a disturbed pod is no failure".to_owned(),
        why: "a pod that a drained or reclaimed node interrupts counts against backoffLimit: the \
              job fails although nothing is wrong with it",
        mend: "add podFailurePolicy: { rules: [{ action: Ignore, onPodConditions: \
               [{ type: DisruptionTarget }] }] }"
            .to_owned(),
    };
    let (rule, line) = (Rule::JobWithoutFailurePolicy, line_of(holder, "spec"));
    Some(workload.finding(rule, severity, line, field, words))
}

/// Whether disruptions are ignored.
fn forgives(spec: &Node) -> bool {
    let rules = spec.at(&["podFailurePolicy", "rules"]).map(Node::list).unwrap_or_default();
    rules.iter().any(|rule| {
        let conditions = rule.get("onPodConditions").map(Node::list).unwrap_or_default();
        let text = |node: &Node, key| node.get(key).and_then(Node::text).map(str::to_owned);
        text(rule, "action").as_deref() == Some("Ignore")
            && conditions.iter().any(|c| text(c, "type").as_deref() == Some("DisruptionTarget"))
    })
}

/// A job whose program ends with 0 when it was interrupted.
pub(super) fn counts_as_done(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in world.workloads.iter().filter(|workload| workload.kind.is_job()) {
        for member in workload.mains() {
            let Stop::Known(Origin::Provider, budget) = &member.stop else { continue };
            if budget.tells_interruption != Some(false) {
                continue;
            }
            let words = Words {
                what: format!("{} ends with 0 when it is interrupted", member.name()),
                why: "the job takes a pod that ends with 0 for done: what was left undone is never \
                      done",
                mend: "let it end with 143 when work was handed back".to_owned(),
            };
            let (rule, field) = (Rule::JobInterruptedCountsAsDone, member.field.clone());
            let line = member.node.line;
            findings.push(workload.finding(rule, Severity::Error, line, field, words));
        }
    }
    findings
}
