//! Whether replicas can be changed: by an autoscaler, and by a rollout.

use super::World;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::node::{Node, Value};
use crate::workload::{Kind, Workload, line_of};

/// A number of replicas that an autoscaler wants to set too.
pub(super) fn fights_replicas(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in &world.workloads {
        let Some(scaler) = world.scaler(workload) else { continue };
        let Some(spec) = workload.document.root.get("spec") else { continue };
        if spec.get("replicas").is_none() {
            continue;
        }
        let words = Words {
            what: format!("replicas are set here, and by {}", scaler.title()),
            why: "each time this is applied the replicas jump to this number, whatever the \
                      load: pods are stopped that are needed",
            mend: "leave replicas out".to_owned(),
        };
        let (rule, line) = (Rule::HpaFightsReplicas, line_of(spec, "replicas"));
        findings.push(workload.finding(rule, Severity::Error, line, "spec.replicas", words));
    }
    findings
}

/// A rollout that may neither add a pod nor take one away.
pub(super) fn stuck(world: &World<'_>) -> Vec<Finding> {
    world.workloads.iter().filter_map(of_stuck).collect()
}

fn of_stuck(workload: &Workload<'_>) -> Option<Finding> {
    let (strategy, surges_by_itself) = match workload.kind {
        Kind::Deployment => ("strategy", true),
        Kind::DaemonSet => ("updateStrategy", false),
        Kind::Pod
        | Kind::StatefulSet
        | Kind::ReplicaSet
        | Kind::ReplicationController
        | Kind::Job
        | Kind::CronJob
        | Kind::Custom => return None,
    };
    let rolling = workload.document.root.at(&["spec", strategy, "rollingUpdate"])?;
    let surges = rolling.get("maxSurge").map_or(surges_by_itself, |surge| !is_zero(surge));
    if surges || !is_zero(rolling.get("maxUnavailable")?) {
        return None;
    }
    let words = Words {
        what: "maxSurge and maxUnavailable are both 0".to_owned(),
        why: "a rollout may neither start a pod nor stop one: the API server refuses it",
        mend: "set maxSurge: 1 and maxUnavailable: 0".to_owned(),
    };
    let line = line_of(rolling, "maxUnavailable");
    let field = format!("spec.{strategy}.rollingUpdate.maxUnavailable");
    Some(workload.finding(Rule::RolloutStuck, Severity::Error, line, field, words))
}

fn is_zero(number: &Node) -> bool {
    match &number.value {
        Value::Number(number) => number.as_i64() == Some(0),
        Value::Text(text) => text == "0%" || text == "0",
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => false,
    }
}
