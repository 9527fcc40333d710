//! Whether somebody hears a service say that it is not ready.

use sundown::timeline::seconds;

use super::World;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::workload::probe::{Asks, Probe};
use crate::workload::{Member, Workload, line_of};

const WHY: &str = "nothing withdraws the pod while it announces, unless somebody deletes it: when the \
                   node runs short or a liveness probe fails, requests come until they are refused";

/// A service that announces, with a readiness probe that does not turn to "no" by it.
pub(super) fn not_asked(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in world.workloads.iter().filter(|workload| !workload.kind.is_job()) {
        findings.extend(workload.mains().filter_map(|member| of(workload, member)));
    }
    findings
}

fn of(workload: &Workload<'_>, member: &Member<'_>) -> Option<Finding> {
    let announce = member.announce.filter(|announce| !announce.is_zero())?;
    let known = member.budget().and_then(|budget| budget.readiness.as_ref());
    let name = member.name();
    let asks = match (&member.readiness, known) {
        (None, _) => "it has no readiness probe".to_owned(),
        (Some(probe), Some(known)) => mistake(probe, member, known)?,
        (Some(Probe { asks: Asks::Tcp, .. }), None) => TCP.to_owned(),
        (Some(_), None) => return None,
    };
    let asked = match known {
        Some((path, port)) => format!("{path} on port {port}"),
        None => "what says no while it announces".to_owned(),
    };
    let words = Words {
        what: format!("{name} says for {} that it is not ready, and {asks}", seconds(announce)),
        why: WHY,
        mend: format!(
            "let its readiness probe ask {asked} (periodSeconds: 1, failureThreshold: 1)"
        ),
    };
    // What a command of the image's own asks is not seen.
    let is_exec = member.readiness.as_ref().is_some_and(|p| matches!(p.asks, Asks::Exec(_)));
    let is_certain = known.is_some() && !is_exec;
    let severity = if is_certain { Severity::Error } else { Severity::Warning };
    let (line, field) = match &member.readiness {
        Some(probe) => (probe.line, probe.field.clone()),
        None => (line_of(member.node, "name"), member.field.clone()),
    };
    Some(workload.finding(Rule::ReadinessNotAsked, severity, line, field, words))
}

const TCP: &str = "its readiness probe only asks whether a port is open, which it is until the end";

/// What is wrong with what a probe asks of a service that is known to answer at one place.
fn mistake(probe: &Probe, member: &Member<'_>, (path, port): &(String, u16)) -> Option<String> {
    match &probe.asks {
        Asks::Http(..) => {
            // A name of a port that means nothing is found by itself.
            let (asked, at) = probe.asks.place()?;
            if (asked, at) == (path, *port) {
                return None;
            }
            let liveness = member.budget().and_then(|budget| budget.liveness.as_ref());
            let lives = liveness.is_some_and(|(path, port)| (asked, at) == (path, *port));
            let until = if lives { ", which says yes until the end" } else { "" };
            Some(format!("its readiness probe asks {asked} on port {at}{until}"))
        }
        Asks::Exec(command) if command.iter().any(|word| word.contains(path.as_str())) => None,
        Asks::Exec(command) => Some(format!("its readiness probe runs `{}`", command.join(" "))),
        Asks::Grpc(..) => Some("its readiness probe asks by gRPC, which it does not speak".into()),
        Asks::Tcp => Some(TCP.to_owned()),
        Asks::Nothing => None,
    }
}
