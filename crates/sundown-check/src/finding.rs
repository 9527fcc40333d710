//! What was found: where, what, why it matters, and the mend.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing that is wrong, or worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Which rule found it.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// Where it stands.
    #[serde(flatten)]
    pub place: Place,
    /// Whose it is: `Deployment shop/web`. Empty if no object could be read.
    pub object: String,
    /// What is there.
    pub what: String,
    /// What comes of it.
    pub why: String,
    /// What to do.
    pub mend: String,
}

/// A field of a document of a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file's name, as it was given.
    pub file: String,
    /// Which of the file's documents, from 1.
    pub document: usize,
    /// The line in the file, from 1.
    pub line: usize,
    /// The way to the field from the document's root: `spec.template.spec.containers[0].lifecycle`.
    pub field: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It will fail in production: the check fails.
    Error,
    /// It may fail: the check fails only where it is strict.
    Warning,
    /// Nothing is wrong, but something could not be checked, or is worth knowing.
    Note,
}

/// What is looked for. Its name is what stands in reports, and in the annotation that ignores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Rule {
    /// The file is no YAML, or one that nobody should write: too large, duplicate keys, a cycle.
    Yaml,
    /// No such kind in its API group; or a kind that the checker does not know.
    UnknownKind,
    /// An object that stands there already, here or in another file.
    TwiceTheSame,
    /// A field that its object does not have, so that the API server drops or refuses it.
    UnknownField,
    /// A field that must be there and is not.
    MissingField,
    /// A value of another type, or one that is not allowed.
    WrongValue,
    /// preStop + cap + margin do not fit the grace period.
    GraceTooShort,
    /// A grace period of nothing kills at once.
    NoGrace,
    /// The preStop hook alone takes the whole grace period.
    PrestopExceedsGrace,
    /// The preStop hook cannot run: a command of an image that has none.
    PrestopCannotRun,
    /// How long a container takes to stop is not known, so its sum cannot be made.
    StopTimeUnknown,
    /// Its configuration would not let the service start.
    ServiceRefuses,
    /// The grace period the service is told is not the one it has.
    ToldOtherwise,
    /// The service says goodbye for a shorter time than probes need to notice.
    AnnounceTooShort,
    /// No probe hears the service say that it is not ready.
    ReadinessNotAsked,
    /// Nothing holds the pod back while the network looks away.
    NoAnnounce,
    /// Liveness and readiness ask the same, so that a pod that drains is killed for it.
    ProbesShareAPath,
    /// A disruption budget that allows no disruption.
    PdbBlocksEviction,
    /// A disruption budget that lets broken pods hold up a node.
    PdbKeepsUnhealthy,
    /// An autoscaler's target that fixes the replicas itself.
    HpaFightsReplicas,
    /// A job whose disrupted pods count as failures.
    JobWithoutFailurePolicy,
    /// A job whose interrupted pods count as done.
    JobInterruptedCountsAsDone,
    /// A grace period beyond what spot machines or the autoscaler give.
    GraceOverCeiling,
    /// A rollout that cannot proceed.
    RolloutStuck,
    /// A shell as the first process, which keeps signals to itself.
    ShellKeepsSignals,
    /// A peer of a network policy that must carry the labels of the pods the policy protects.
    PolicyPeerHasOwnLabels,
    /// Volumes for which a node is not emptied.
    LocalVolumesHoldTheNode,
    /// An annotation of the checker's own that says nothing it understands.
    Annotation,
}

/// What a finding says, in its three parts.
#[derive(Debug)]
pub(crate) struct Words<'w> {
    pub(crate) what: String,
    pub(crate) why: &'w str,
    pub(crate) mend: String,
}

impl Finding {
    /// One of an object.
    pub(crate) fn new(
        rule: Rule,
        severity: Severity,
        place: Place,
        object: String,
        words: Words<'_>,
    ) -> Self {
        let Words { what, why, mend } = words;
        Finding { rule, severity, place, object, what, why: why.to_owned(), mend }
    }
}

impl Rule {
    /// The one of this name.
    pub(crate) fn named(name: &str) -> Option<Rule> {
        serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_called_what_reports_call_them() {
        assert_eq!(Rule::PdbBlocksEviction.to_string(), "pdb-blocks-eviction");
        assert_eq!(Rule::named("pdb-blocks-eviction"), Some(Rule::PdbBlocksEviction));
        assert_eq!(Rule::named("PdbBlocksEviction"), None);
        assert_eq!(Severity::Warning.to_string(), "warning");
    }

    #[test]
    fn the_documentation_lists_every_rule() {
        let page = include_str!("../../../docs/check.md");
        let rules: Vec<&str> = page
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once(" |"))
            .flat_map(|(names, _)| names.trim_end_matches('`').split("`, `"))
            .collect();
        // Asked for a rule that there is not, serde names those that there are.
        let known = serde_json::from_str::<Rule>("\"?\"").unwrap_err().to_string();
        let known: Vec<&str> = known.split('`').skip(3).step_by(2).collect();
        assert!(known.len() > 20, "{known:?}");
        for rule in known {
            assert!(rules.contains(&rule), "docs/check.md leaves out {rule}");
        }
    }
}
