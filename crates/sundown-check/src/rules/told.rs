//! What is known of containers: nothing, a refusal, or something else than the manifest says.

use std::time::Duration;

use sundown::timeline::seconds;

use super::World;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::known::CAP_VARIABLE;
use crate::workload::{Member, Stop, Workload};

/// Containers whose sum cannot be made.
pub(super) fn unknown(world: &World<'_>) -> Vec<Finding> {
    world.workloads.iter().filter_map(of_unknown).collect()
}

fn of_unknown(workload: &Workload<'_>) -> Option<Finding> {
    let mut gaps = Vec::new();
    let mut annotations = Vec::new();
    for member in &workload.members {
        let name = member.name();
        if matches!(member.stop, Stop::Unknown) {
            gaps.push(format!("how long {name} takes to stop"));
            annotations.push(format!("{}: \"30s\"", member.annotation("stop-timeout")));
        }
        if member.hook.is_some() && member.prestop().known().is_none() {
            gaps.push(format!("how long the preStop hook of {name} takes"));
            annotations.push(format!("{}: \"5s\"", member.annotation("prestop")));
        }
    }
    if gaps.is_empty() {
        return None;
    }
    let words = Words {
        what: format!("it is not known {}", gaps.join(", nor ")),
        why: "whether the grace period is enough cannot be said",
        mend: format!("annotate the pod template with what is true: {}", annotations.join(", ")),
    };
    let (line, field) = (workload.grace.line, workload.field.clone());
    Some(workload.finding(Rule::StopTimeUnknown, Severity::Note, line, field, words))
}

/// Containers that are told a time of which it is not clear what it means.
pub(super) fn doubtful(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in &world.workloads {
        for member in &workload.members {
            let Stop::Doubtful(time) = member.stop else { continue };
            let name = member.name();
            let words = Words {
                what: format!(
                    "{CAP_VARIABLE} of {name} would be {} if it were seconds: does {name} take it \
                     for milliseconds?",
                    seconds(time)
                ),
                why: "services built on Sundown take it for seconds; others have a variable of the \
                      same name, and the sum cannot be made of a guess",
                mend: format!(
                    "annotate the pod template with what is true: {}: \"30s\"",
                    member.annotation("stop-timeout")
                ),
            };
            let (rule, field) = (Rule::StopTimeUnknown, member.field.clone());
            let line = member.node.line;
            findings.push(workload.finding(rule, Severity::Warning, line, field, words));
        }
    }
    findings
}

/// Services that would not start.
pub(super) fn refuses(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in &world.workloads {
        for member in &workload.members {
            let Stop::Refuses(refusal) = &member.stop else { continue };
            let words = Words {
                what: format!("{} would not start: {refusal}", member.name()),
                why: "the rollout stands still with a pod that crashes again and again",
                mend: "correct its configuration".to_owned(),
            };
            findings.push(error_at(workload, member, Rule::ServiceRefuses, words));
        }
    }
    findings
}

/// Services that were told other times than the manifest gives them.
pub(super) fn otherwise(world: &World<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for workload in &world.workloads {
        for member in &workload.members {
            let Some(budget) = member.budget() else { continue };
            let grace = Some(workload.grace_period());
            let said = [
                ("grace period", budget.told_grace, grace),
                ("preStop hook", budget.told_prestop, member.prestop().known()),
            ];
            for (what, told, has) in said {
                let (Some(told), Some(has)) = (told, has) else { continue };
                if told != has {
                    findings.push(of_other(workload, member, what, told, has));
                }
            }
        }
    }
    findings
}

fn of_other(
    workload: &Workload<'_>,
    member: &Member<'_>,
    what: &str,
    told: Duration,
    has: Duration,
) -> Finding {
    let words = Words {
        what: format!(
            "{} was told that its {what} is {}, and it is {}",
            member.name(),
            seconds(told),
            seconds(has)
        ),
        why: "the sum it makes when it starts is about another pod",
        mend: format!("tell it {}, or change the {what}", seconds(has)),
    };
    error_at(workload, member, Rule::ToldOtherwise, words)
}

fn error_at(workload: &Workload<'_>, member: &Member<'_>, rule: Rule, words: Words<'_>) -> Finding {
    let field = member.field.clone();
    workload.finding(rule, Severity::Error, member.node.line, field, words)
}
