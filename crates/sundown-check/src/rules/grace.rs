//! Whether what a container needs fits the grace period.

use std::time::Duration;

use sundown::timeline::seconds;

use super::World;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::life::PodLife;
use crate::sum::Sum;
use crate::workload::{Member, Role, Workload};

const GRACE: &str = "terminationGracePeriodSeconds";
const KILLED: &str = "the kubelet kills what still runs when the grace period ends: work in flight \
                      is cut off, and the container ends with 137";

const REFUSED: &str = "the API server refuses a sleep that is longer than the grace period";
const CUT_OFF: &str = "the hook and the process share the grace period: the hook is cut off when it \
                       ends, and the process is killed 2 s after its SIGTERM";
const HUNG: &str = "a container whose probe fails is given this grace period instead of the pod's: \
                    one that is only slow is killed with work in flight";

/// A grace period of nothing.
pub(super) fn none(world: &World<'_>) -> Vec<Finding> {
    let given_none = world.workloads.iter().filter(|workload| workload.grace.seconds <= 0);
    let finding = |workload: &Workload<'_>| {
        let words = Words {
            what: format!("the grace period is {} s", workload.grace.seconds),
            why: "a deleted pod is gone from the API at once, its preStop hooks do not run, and its \
                  containers are killed after 2 s at most: nothing in flight is finished",
            mend: format!(
                "set {GRACE} to what the containers need to stop, or leave it out for 30 s"
            ),
        };
        Finding { severity: weight(workload), ..at_grace(workload, Rule::NoGrace, words) }
    };
    given_none.map(finding).collect()
}

/// Some programs have nothing to finish, and are killed at once on purpose. Who has a hook, or is known
/// to take its time, is not one of them.
fn weight(workload: &Workload<'_>) -> Severity {
    let has_to_stop = |member: &Member<'_>| member.hook.is_some() || member.budget().is_some();
    if workload.members.iter().any(has_to_stop) { Severity::Error } else { Severity::Note }
}

/// A preStop hook that leaves nothing for the process.
pub(super) fn exceeded_by_prestop(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in world.workloads.iter().filter(|workload| workload.grace.seconds > 0) {
        for member in workload.members.iter().filter(|member| is_exceeded(workload, member)) {
            let Some(hook) = &member.hook else { continue };
            let (prestop, grace) = (hook.length.least(), workload.grace_period());
            let words = Words {
                what: format!(
                    "the preStop hook of {} takes {} of {} of grace",
                    member.name(),
                    seconds(prestop),
                    seconds(grace)
                ),
                why: if hook.is_sleep && prestop > grace { REFUSED } else { CUT_OFF },
                mend: format!(
                    "set {GRACE} to the hook's time, plus the time the process needs, plus {}",
                    seconds(world.margin)
                ),
            };
            let (rule, field) = (Rule::PrestopExceedsGrace, hook.field.clone());
            findings.push(workload.finding(rule, Severity::Error, hook.line, field, words));
        }
    }
    findings
}

fn is_exceeded(workload: &Workload<'_>, member: &Member<'_>) -> bool {
    let prestop = member.prestop().least();
    !prestop.is_zero() && prestop >= workload.grace_period()
}

/// A sum that does not fit. Containers stop side by side, and sidecars after them.
pub(super) fn too_short(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in world.workloads.iter().filter(|workload| workload.grace.seconds > 0) {
        let mains: Vec<Finding> =
            workload.mains().filter_map(|main| of_main(workload, main, world.margin)).collect();
        let is_exceeded = workload.members.iter().any(|member| is_exceeded(workload, member));
        if mains.is_empty() && !is_exceeded {
            findings.extend(of_sidecars(workload, world.margin));
        }
        findings.extend(mains);
    }
    findings
}

/// A probe that gives whom it kills less time than they need.
pub(super) fn of_a_probe(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in &world.workloads {
        for member in &workload.members {
            let (Some(budget), Some(probe)) = (member.budget(), &member.liveness) else { continue };
            let Some(grace) = probe.grace else { continue };
            let (prestop, cap) = (member.prestop().least(), budget.cap);
            let sum = Sum { prestop, cap, margin: world.margin, grace };
            if sum.fits() {
                continue;
            }
            let words = Words {
                what: format!("{}, when its liveness probe fails: {sum}", member.name()),
                why: HUNG,
                mend: format!("leave {GRACE} of the probe out, or set it to {}", whole(sum.need())),
            };
            let (rule, field) = (Rule::GraceTooShort, format!("{}.{GRACE}", probe.field));
            findings.push(workload.finding(rule, Severity::Warning, probe.line, field, words));
        }
    }
    findings
}

fn of_main(workload: &Workload<'_>, member: &Member<'_>, margin: Duration) -> Option<Finding> {
    let budget = member.budget()?;
    let (prestop, grace) = (member.prestop().least(), workload.grace_period());
    let sum = Sum { prestop, cap: budget.cap, margin, grace };
    if sum.fits() || is_exceeded(workload, member) {
        return None;
    }
    let words = Words {
        what: format!("{}: {sum}", member.name()),
        why: KILLED,
        mend: format!(
            "set {GRACE} to {} or more, or let {} stop sooner ({})",
            whole(sum.need()),
            member.name(),
            budget.source
        ),
    };
    Some(at_grace(workload, Rule::GraceTooShort, words))
}

fn of_sidecars(workload: &Workload<'_>, margin: Duration) -> Option<Finding> {
    let life = PodLife::of(workload, margin);
    let grace = workload.grace_period();
    let needs = |end: Duration| end.saturating_add(margin);
    let mut sidecars = life.parts.iter().filter(|part| part.role == Role::Sidecar);
    let late = sidecars.find(|part| part.cap.is_some() && needs(part.end()) > grace)?;
    let last = life.parts.iter().map(|part| needs(part.end())).max().unwrap_or_default();
    let words = Words {
        what: format!(
            "the sidecar {} stops behind the containers: it may take until {}, and with a margin \
             of {} that is more than {} of grace",
            late.name,
            seconds(late.end()),
            seconds(margin),
            seconds(grace)
        ),
        why: "sidecars share the grace period with the containers they serve, and are killed when \
              it ends",
        mend: format!("set {GRACE} to {} or more, or let one of them stop sooner", whole(last)),
    };
    Some(at_grace(workload, Rule::GraceTooShort, words))
}

fn at_grace(workload: &Workload<'_>, rule: Rule, words: Words<'_>) -> Finding {
    let field = format!("{}.{GRACE}", workload.field);
    workload.finding(rule, Severity::Error, workload.grace.line, field, words)
}

/// In seconds, rounded up.
fn whole(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}
