//! Whether liveness and readiness ask different questions.

use super::World;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::workload::Member;
use crate::workload::probe::{Asks, Probe};

const FLIPS: &str = "what turns to \"not ready\" while it drains turns to \"not alive\" with it: a \
                     container that is told to stop without its pod being deleted is killed for \
                     draining";
const MAY_FLIP: &str = "that is right only if the answer stays well while the container drains";

/// One answer for both, or the wrong one for liveness: it turns to "no" while a container drains.
pub(super) fn share_a_path(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in &world.workloads {
        for member in &workload.members {
            let Some(liveness) = &member.liveness else { continue };
            let Some((what, flips)) = mistake(member, liveness) else { continue };
            let words = Words {
                what: format!("{what} of {}", member.name()),
                why: if flips { FLIPS } else { MAY_FLIP },
                mend: "ask another path for liveness, one that stays well until the end".to_owned(),
            };
            let severity = if flips { Severity::Error } else { Severity::Note };
            let (rule, field) = (Rule::ProbesShareAPath, liveness.field.clone());
            findings.push(workload.finding(rule, severity, liveness.line, field, words));
        }
    }
    findings
}

/// What liveness asks that it should not, and whether that is known to turn to "no".
fn mistake(member: &Member<'_>, liveness: &Probe) -> Option<(String, bool)> {
    let known = member.budget().map(|budget| (&budget.readiness, &budget.liveness));
    let is = |endpoint: &Option<(String, u16)>| {
        let known = endpoint.as_ref().map(|(path, port)| (path.as_str(), *port));
        known.is_some() && known == liveness.asks.place()
    };
    if known.is_some_and(|(_, lives)| is(lives)) {
        // That readiness asks it, too, is the mistake of readiness.
        return None;
    }
    let asked = match &liveness.asks {
        Asks::Http(path, port) => format!("{path} on port {port}"),
        Asks::Exec(command) => format!("`{}`", command.join(" ")),
        Asks::Grpc(service, port) => format!("gRPC `{service}` on port {port}"),
        Asks::Tcp | Asks::Nothing => return None,
    };
    if member.readiness.as_ref().is_some_and(|readiness| readiness.asks == liveness.asks) {
        return Some((format!("{asked} is asked by both probes"), flips(member)));
    }
    let says_ready = known.is_some_and(|(ready, _)| is(ready)) && flips(member);
    says_ready.then(|| (format!("the liveness probe asks {asked}, which is the readiness"), true))
}

/// Whether readiness is known to end before the container does.
fn flips(member: &Member<'_>) -> bool {
    member.announce.is_some_and(|announce| !announce.is_zero())
}
