//! Whether the world has time to look away before a container stops serving.

use std::collections::BTreeMap;

use sundown::timeline::seconds;

use super::{World, of_kind};
use crate::document::Document;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::workload::{Workload, selector};

/// The workloads that serve until they are told to stop.
fn services<'w, 'd>(world: &'w World<'d>) -> impl Iterator<Item = &'w Workload<'d>> {
    world.workloads.iter().filter(|workload| !workload.kind.is_job())
}

/// An announce phase that ends before probes have noticed it.
pub(super) fn too_short(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in services(world) {
        for member in workload.mains() {
            let (Some(announce), Some(probe)) = (member.announce, &member.readiness) else {
                continue;
            };
            if announce.is_zero() || probe.withdraw() <= announce {
                continue;
            }
            let words = Words {
                what: format!(
                    "{} says for {} that it is not ready, and its readiness probe needs up to {} \
                     to notice: every {} × {} failures + {} timeout + 1 s until the network knows",
                    member.name(),
                    seconds(announce),
                    seconds(probe.withdraw()),
                    seconds(probe.period),
                    probe.failures,
                    seconds(probe.timeout),
                ),
                why: "after that it refuses requests that still come. A preStop hook does not help \
                      where nobody deletes the pod: when the node runs short, shuts down, or a \
                      liveness probe fails, only readiness withdraws it, and during the hook it is \
                      still ready",
                mend: "ask more often (periodSeconds: 1, failureThreshold: 1), or announce longer"
                    .to_owned(),
            };
            let (rule, field) = (Rule::AnnounceTooShort, probe.field.clone());
            findings.push(workload.finding(rule, Severity::Error, probe.line, field, words));
        }
    }
    findings
}

/// No announce phase and no hook, behind a service.
pub(super) fn missing(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut served: BTreeMap<&str, Vec<&Document>> = BTreeMap::new();
    for service in of_kind(&world.documents, "", "Service") {
        served.entry(service.namespace()).or_default().push(service);
    }
    for workload in services(world) {
        let mut near = served.get(workload.document.namespace()).into_iter().flatten();
        let is_served = near.any(|service| selector::serves(&service.root, &workload.labels));
        for member in workload.mains().filter(|member| is_served && member.hook.is_none()) {
            if member.announce.is_none_or(|announce| !announce.is_zero()) {
                continue;
            }
            let words = Words {
                what: format!(
                    "{} stops serving as soon as it is told to, and has no preStop hook",
                    member.name()
                ),
                why: "SIGTERM comes before the network has heard of it: requests that are on \
                      their way are refused",
                mend: "let it announce for some seconds, or add a preStop sleep".to_owned(),
            };
            let (rule, field) = (Rule::NoAnnounce, member.field.clone());
            let line = member.node.line;
            findings.push(workload.finding(rule, Severity::Warning, line, field, words));
        }
    }
    findings
}
