//! Values that a type takes, but the API server does not.

use super::closest::closest;
use super::names;
use super::reader::Seen;
use super::refused::shown;
use super::{Flaw, path};
use crate::node::{Node, Value};

/// What a field may hold.
enum Allowed {
    OneOf(&'static [&'static str]),
    AtLeast(i64),
    Between(i64, i64),
    /// A port by number, or by the name a container gave it.
    Port,
    /// The same, or nothing: then it is the port of the service.
    Target,
    /// Pods, or a percentage of them.
    Share,
    Label,
    PortName,
    Schedule,
}

use Allowed::{AtLeast, Between, Label, OneOf, Port, PortName, Schedule, Share, Target};

const PORT: Allowed = Between(1, 65_535);
const PORT_OR_NONE: Allowed = Between(0, 65_535);
const PROTOCOL: Allowed = OneOf(&["TCP", "UDP", "SCTP"]);
const NONE_DOWN: Allowed = AtLeast(0);
const SELECTS: Allowed = OneOf(&["In", "NotIn", "Exists", "DoesNotExist"]);

/// Which fields of which types may not hold everything that fits the type.
const TABLE: &[(&str, &[(&str, Allowed)])] = &[
    ("DeploymentStrategy", &[("type", OneOf(&["Recreate", "RollingUpdate"]))]),
    ("StatefulSetUpdateStrategy", &[("type", OneOf(&["RollingUpdate", "OnDelete"]))]),
    ("DaemonSetUpdateStrategy", &[("type", OneOf(&["RollingUpdate", "OnDelete"]))]),
    ("RollingUpdateDeployment", &[("maxSurge", Share), ("maxUnavailable", Share)]),
    ("RollingUpdateDaemonSet", &[("maxSurge", Share), ("maxUnavailable", Share)]),
    ("RollingUpdateStatefulSetStrategy", &[("maxUnavailable", Share), ("partition", NONE_DOWN)]),
    (
        "DeploymentSpec",
        &[
            ("replicas", NONE_DOWN),
            ("minReadySeconds", NONE_DOWN),
            ("revisionHistoryLimit", NONE_DOWN),
            ("progressDeadlineSeconds", NONE_DOWN),
        ],
    ),
    ("ReplicaSetSpec", &[("replicas", NONE_DOWN), ("minReadySeconds", NONE_DOWN)]),
    ("DaemonSetSpec", &[("minReadySeconds", NONE_DOWN), ("revisionHistoryLimit", NONE_DOWN)]),
    (
        "StatefulSetSpec",
        &[
            ("replicas", NONE_DOWN),
            ("minReadySeconds", NONE_DOWN),
            ("revisionHistoryLimit", NONE_DOWN),
            ("podManagementPolicy", OneOf(&["OrderedReady", "Parallel"])),
        ],
    ),
    (
        "PodSpec",
        &[
            ("restartPolicy", OneOf(&["Always", "OnFailure", "Never"])),
            ("dnsPolicy", OneOf(&["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"])),
            ("terminationGracePeriodSeconds", NONE_DOWN),
            ("activeDeadlineSeconds", AtLeast(1)),
            ("preemptionPolicy", OneOf(&["PreemptLowerPriority", "Never"])),
        ],
    ),
    ("Container", CONTAINER),
    ("EphemeralContainer", CONTAINER),
    (
        "ContainerPort",
        &[
            ("containerPort", PORT),
            ("hostPort", PORT_OR_NONE),
            ("protocol", PROTOCOL),
            ("name", PortName),
        ],
    ),
    (
        "Probe",
        &[
            ("initialDelaySeconds", NONE_DOWN),
            ("timeoutSeconds", NONE_DOWN),
            ("periodSeconds", NONE_DOWN),
            ("successThreshold", NONE_DOWN),
            ("failureThreshold", NONE_DOWN),
            ("terminationGracePeriodSeconds", AtLeast(1)),
        ],
    ),
    ("HTTPGetAction", &[("scheme", OneOf(&["HTTP", "HTTPS"])), ("port", Port)]),
    ("TCPSocketAction", &[("port", Port)]),
    ("GRPCAction", &[("port", PORT)]),
    ("SleepAction", &[("seconds", NONE_DOWN)]),
    ("Volume", &[("name", Label)]),
    (
        "TopologySpreadConstraint",
        &[
            ("whenUnsatisfiable", OneOf(&["DoNotSchedule", "ScheduleAnyway"])),
            ("maxSkew", AtLeast(1)),
        ],
    ),
    ("Toleration", &[("effect", OneOf(&["", "NoSchedule", "PreferNoSchedule", "NoExecute"]))]),
    ("SeccompProfile", &[("type", OneOf(&["RuntimeDefault", "Unconfined", "Localhost"]))]),
    ("LabelSelectorRequirement", &[("operator", SELECTS)]),
    (
        "NodeSelectorRequirement",
        &[("operator", OneOf(&["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]))],
    ),
    (
        "ServiceSpec",
        &[
            ("type", OneOf(&["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"])),
            ("sessionAffinity", OneOf(&["None", "ClientIP"])),
            ("externalTrafficPolicy", OneOf(&["Cluster", "Local"])),
            ("internalTrafficPolicy", OneOf(&["Cluster", "Local"])),
            ("ipFamilyPolicy", OneOf(&["SingleStack", "PreferDualStack", "RequireDualStack"])),
        ],
    ),
    (
        "ServicePort",
        &[
            ("port", PORT),
            ("targetPort", Target),
            ("nodePort", PORT_OR_NONE),
            ("protocol", PROTOCOL),
            ("name", Label),
        ],
    ),
    ("NetworkPolicyPort", &[("protocol", PROTOCOL), ("port", Port), ("endPort", PORT)]),
    ("HTTPIngressPath", &[("pathType", OneOf(&["Exact", "Prefix", "ImplementationSpecific"]))]),
    (
        "PodDisruptionBudgetSpec",
        &[
            ("unhealthyPodEvictionPolicy", OneOf(&["IfHealthyBudget", "AlwaysAllow"])),
            ("minAvailable", Share),
            ("maxUnavailable", Share),
        ],
    ),
    (
        "CronJobSpec",
        &[
            ("concurrencyPolicy", OneOf(&["Allow", "Forbid", "Replace"])),
            ("schedule", Schedule),
            ("startingDeadlineSeconds", NONE_DOWN),
            ("successfulJobsHistoryLimit", NONE_DOWN),
            ("failedJobsHistoryLimit", NONE_DOWN),
        ],
    ),
    (
        "JobSpec",
        &[
            ("completionMode", OneOf(&["NonIndexed", "Indexed"])),
            ("podReplacementPolicy", OneOf(&["TerminatingOrFailed", "Failed"])),
            ("backoffLimit", NONE_DOWN),
            ("backoffLimitPerIndex", NONE_DOWN),
            ("maxFailedIndexes", NONE_DOWN),
            ("completions", NONE_DOWN),
            ("parallelism", NONE_DOWN),
            ("activeDeadlineSeconds", NONE_DOWN),
            ("ttlSecondsAfterFinished", NONE_DOWN),
        ],
    ),
    ("PodFailurePolicyRule", &[("action", OneOf(&["FailJob", "FailIndex", "Ignore", "Count"]))]),
    ("PodFailurePolicyOnExitCodesRequirement", &[("operator", OneOf(&["In", "NotIn"]))]),
    ("HorizontalPodAutoscalerSpec", &[("minReplicas", NONE_DOWN), ("maxReplicas", AtLeast(1))]),
    (
        "MetricSpec",
        &[("type", OneOf(&["Resource", "ContainerResource", "Pods", "Object", "External"]))],
    ),
    ("MetricTarget", &[("type", OneOf(&["Utilization", "Value", "AverageValue"]))]),
    ("HPAScalingRules", &[("selectPolicy", OneOf(&["Max", "Min", "Disabled"]))]),
    (
        "HPAScalingPolicy",
        &[
            ("type", OneOf(&["Pods", "Percent"])),
            ("value", AtLeast(1)),
            ("periodSeconds", Between(1, 1800)),
        ],
    ),
    ("Subject", &[("kind", OneOf(&["User", "Group", "ServiceAccount"]))]),
    ("RoleRef", &[("kind", OneOf(&["Role", "ClusterRole"]))]),
];

const CONTAINER: &[(&str, Allowed)] = &[
    ("name", Label),
    ("imagePullPolicy", OneOf(&["Always", "IfNotPresent", "Never"])),
    ("terminationMessagePolicy", OneOf(&["File", "FallbackToLogsOnError"])),
    ("restartPolicy", OneOf(&["Always", "OnFailure", "Never"])),
];

/// Each field of an object whose value is not allowed.
pub(super) fn check(seen: &Seen<'_>) -> Vec<Flaw> {
    let Some((_, fields)) = TABLE.iter().find(|(kind, _)| *kind == seen.kind) else {
        return Vec::new();
    };
    let mut flaws = Vec::new();
    for (name, allowed) in *fields {
        let Some(node) = seen.node.get(name) else { continue };
        if let Some((what, mend)) = fault(node, allowed) {
            flaws.push(Flaw::wrong(node, path::field(&seen.path, name), what, mend));
        }
    }
    flaws
}

/// What is wrong with a value, and the mend. What is of another type was found before.
fn fault(node: &Node, allowed: &Allowed) -> Option<(String, String)> {
    let shown = shown(node);
    let (what, mend) = match (allowed, &node.value) {
        (OneOf(values), Value::Text(text)) if !values.contains(&text.as_str()) => {
            let mend = closest(text, values.iter().copied())
                .map_or_else(|| one_of(values), |near| format!("is `{near}` meant?"));
            (format!("{shown} is none of those allowed"), mend)
        }
        (AtLeast(least), Value::Number(_)) => {
            node.integer().filter(|number| number < least)?;
            (format!("{shown} is too small"), format!("write at least {least}"))
        }
        (Between(least, most), Value::Number(_)) => {
            node.integer().filter(|number| number < least || number > most)?;
            (format!("{shown} is out of range"), format!("write one from {least} to {most}"))
        }
        (Port, Value::Number(_)) => return fault(node, &PORT),
        (Target, Value::Number(_)) => return fault(node, &PORT_OR_NONE),
        (Target, Value::Text(text)) if text.is_empty() => return None,
        (Port | PortName | Target, Value::Text(text)) if !names::is_port(text) => {
            let mend = "write at most 15 small letters, digits and `-`, with a letter among them; a \
                        number goes without quotes";
            (format!("{shown} is no name of a port"), mend.to_owned())
        }
        (Share, Value::Number(_)) => return fault(node, &NONE_DOWN),
        (Share, Value::Text(text)) if !is_percentage(text) => {
            let mend = match text.parse::<u32>() {
                Ok(number) => format!("write it without quotes: {number}"),
                Err(_) => "write a whole number, or one with `%`".to_owned(),
            };
            (format!("{shown} is neither a number nor a percentage"), mend)
        }
        (Label, Value::Text(text)) if !names::is_label(text) => {
            (format!("{shown} is no name"), names::LABEL.to_owned())
        }
        (Schedule, Value::Text(text)) if !is_schedule(text) => {
            let mend = "write five fields (`0 3 * * *`), or one of @hourly, @daily, @weekly, …";
            (format!("{shown} is no schedule"), mend.to_owned())
        }
        _ => return None,
    };
    Some((what, mend))
}

fn one_of(values: &[&str]) -> String {
    let values: Vec<_> = values.iter().filter(|value| !value.is_empty()).copied().collect();
    format!("write one of {}", values.join(", "))
}

fn is_percentage(text: &str) -> bool {
    let digits = text.strip_suffix('%').unwrap_or_default();
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_schedule(text: &str) -> bool {
    match text.trim().strip_prefix('@') {
        Some(name) => {
            let names = ["yearly", "annually", "monthly", "weekly", "daily", "midnight", "hourly"];
            names.contains(&name) || name.starts_with("every ")
        }
        None => text.split_whitespace().count() == 5,
    }
}

/// Whether a value is an amount as Kubernetes writes it: `2`, `0.5`, `500m`, `64Mi`, `1e3`.
pub(super) fn is_quantity(node: &Node) -> bool {
    let text = match &node.value {
        Value::Number(_) => return true,
        Value::Text(text) => text.as_str(),
        Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => return false,
    };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = unsigned.find(|char: char| !char.is_ascii_digit() && char != '.');
    let (number, suffix) = unsigned.split_at(digits.unwrap_or(unsigned.len()));
    let points = number.matches('.').count();
    if points > 1 || number.len() == points {
        return false;
    }
    let exponent = suffix.strip_prefix(['e', 'E']).map(|digits| digits.parse::<i32>().is_ok());
    let known =
        ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    known.contains(&suffix) || exponent == Some(true)
}
