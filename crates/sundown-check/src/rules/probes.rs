//! Whether liveness and readiness ask different questions.

use super::World;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::workload::Member;
use crate::workload::probe::Asks;

const FLIPS: &str = "what turns to \"not ready\" while it drains turns to \"not alive\" with it: a \
                     container that is told to stop without its pod being deleted is killed for \
                     draining";
const MAY_FLIP: &str = "that is right only if the answer stays well while the container drains";

/// One answer for both: it turns to "no" while a container drains.
pub(super) fn share_a_path(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in &world.workloads {
        for member in &workload.members {
            let (Some(liveness), Some(readiness)) = (&member.liveness, &member.readiness) else {
                continue;
            };
            let asked = match &liveness.asks {
                Asks::Http(path, port) => format!("{path} on port {port}"),
                Asks::Exec(command) => format!("`{}`", command.join(" ")),
                Asks::Grpc(service, port) => format!("gRPC `{service}` on port {port}"),
                Asks::Tcp | Asks::Nothing => continue,
            };
            if liveness.asks != readiness.asks {
                continue;
            }
            let words = Words {
                what: format!("both probes of {} ask {asked}", member.name()),
                why: if flips(member) { FLIPS } else { MAY_FLIP },
                mend: "ask another path for liveness, one that stays well until the end".to_owned(),
            };
            let severity = if flips(member) { Severity::Error } else { Severity::Note };
            let (rule, field) = (Rule::ProbesShareAPath, liveness.field.clone());
            findings.push(workload.finding(rule, severity, liveness.line, field, words));
        }
    }
    findings
}

/// Whether readiness is known to end before the container does.
fn flips(member: &Member<'_>) -> bool {
    member.announce.is_some_and(|announce| !announce.is_zero())
}
