//! The kinds there are, those that are gone, and how each is read.

use k8s_openapi::api as k8s;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Flaw;
use super::closest::closest;
use super::reader::{Reading, read};
use crate::document::Document;
use crate::finding::{Rule, Severity};
use crate::node::Node;

/// How an object of a kind is read.
pub(super) type Read = for<'a> fn(&'a Node) -> Reading<'a>;

/// What is known of an object's kind.
pub(super) enum Standing {
    /// Each field of it.
    Known(Read),
    /// That it is there.
    Shallow,
    /// That it is not there, or nothing.
    Refused(Flaw),
}

macro_rules! kinds {
    ($($version:literal $group:ident :: $module:ident { $($kind:ident)* })*) => {
        const KNOWN: &[(&str, &str, Read)] = &[$($(
            ($version, stringify!($kind), |node| read::<k8s::$group::$module::$kind>(node, "")),
        )*)*];
    };
}

kinds! {
    "v1" core::v1 {
        ConfigMap Endpoints LimitRange Namespace PersistentVolume PersistentVolumeClaim Pod PodTemplate
        ReplicationController ResourceQuota Secret Service ServiceAccount
    }
    "apps/v1" apps::v1 { DaemonSet Deployment ReplicaSet StatefulSet }
    "batch/v1" batch::v1 { CronJob Job }
    "autoscaling/v1" autoscaling::v1 { HorizontalPodAutoscaler }
    "autoscaling/v2" autoscaling::v2 { HorizontalPodAutoscaler }
    "policy/v1" policy::v1 { PodDisruptionBudget }
    "networking.k8s.io/v1" networking::v1 { Ingress IngressClass NetworkPolicy }
    "rbac.authorization.k8s.io/v1" rbac::v1 { ClusterRole ClusterRoleBinding Role RoleBinding }
    "storage.k8s.io/v1" storage::v1 { CSIDriver StorageClass VolumeAttributesClass }
    "coordination.k8s.io/v1" coordination::v1 { Lease }
    "discovery.k8s.io/v1" discovery::v1 { EndpointSlice }
    "scheduling.k8s.io/v1" scheduling::v1 { PriorityClass }
    "node.k8s.io/v1" node::v1 { RuntimeClass }
    "admissionregistration.k8s.io/v1" admissionregistration::v1 {
        MutatingWebhookConfiguration ValidatingWebhookConfiguration
    }
}

/// Kinds whose fields are not checked: they are seldom written by hand, or large.
const SHALLOW: &[(&str, &[&str])] = &[
    ("v1", &["Binding", "ComponentStatus", "Event", "Node"]),
    ("apps/v1", &["ControllerRevision"]),
    ("autoscaling/v1", &["Scale"]),
    ("policy/v1", &["Eviction"]),
    ("networking.k8s.io/v1", &["IPAddress", "ServiceCIDR"]),
    ("storage.k8s.io/v1", &["CSINode", "CSIStorageCapacity", "VolumeAttachment"]),
    (
        "admissionregistration.k8s.io/v1",
        &[
            "MutatingAdmissionPolicy",
            "MutatingAdmissionPolicyBinding",
            "ValidatingAdmissionPolicy",
            "ValidatingAdmissionPolicyBinding",
        ],
    ),
    ("apiextensions.k8s.io/v1", &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io/v1", &["APIService"]),
    ("events.k8s.io/v1", &["Event"]),
    ("flowcontrol.apiserver.k8s.io/v1", &["FlowSchema", "PriorityLevelConfiguration"]),
    (
        "certificates.k8s.io/v1",
        &["CertificateSigningRequest", "ClusterTrustBundle", "PodCertificateRequest"],
    ),
    ("storagemigration.k8s.io/v1", &["StorageVersionMigration"]),
    ("authentication.k8s.io/v1", &["TokenReview", "SelfSubjectReview"]),
    (
        "authorization.k8s.io/v1",
        &[
            "LocalSubjectAccessReview",
            "SelfSubjectAccessReview",
            "SelfSubjectRulesReview",
            "SubjectAccessReview",
        ],
    ),
    (
        "resource.k8s.io/v1",
        &[
            "DeviceClass",
            "DeviceTaintRule",
            "ResourceClaim",
            "ResourceClaimTemplate",
            "ResourceSlice",
        ],
    ),
];

/// Versions that no cluster of today serves for these kinds, and the release that dropped them.
const GONE: &[(&str, &str, &[&str])] = &[
    ("extensions/v1beta1", "1.16 (Ingress: 1.22)", &[]),
    ("apps/v1beta1", "1.16", &[]),
    ("apps/v1beta2", "1.16", &[]),
    ("batch/v2alpha1", "1.21", &[]),
    ("batch/v1beta1", "1.25", &[]),
    ("autoscaling/v2beta1", "1.25", &[]),
    ("autoscaling/v2beta2", "1.26", &[]),
    ("policy/v1beta1", "1.25", &[]),
    ("networking.k8s.io/v1beta1", "1.22", &["Ingress", "IngressClass"]),
    ("rbac.authorization.k8s.io/v1alpha1", "1.22", &[]),
    ("rbac.authorization.k8s.io/v1beta1", "1.22", &[]),
    ("scheduling.k8s.io/v1beta1", "1.22", &["PriorityClass"]),
    (
        "storage.k8s.io/v1beta1",
        "1.22",
        &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"],
    ),
    ("storage.k8s.io/v1beta1", "1.27", &["CSIStorageCapacity"]),
    ("coordination.k8s.io/v1beta1", "1.22", &["Lease"]),
    ("discovery.k8s.io/v1beta1", "1.25", &[]),
    ("events.k8s.io/v1beta1", "1.25", &[]),
    ("node.k8s.io/v1beta1", "1.25", &[]),
    ("apiextensions.k8s.io/v1beta1", "1.22", &[]),
    ("apiregistration.k8s.io/v1beta1", "1.22", &[]),
    ("certificates.k8s.io/v1beta1", "1.22", &["CertificateSigningRequest"]),
    (
        "admissionregistration.k8s.io/v1beta1",
        "1.22",
        &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
    ),
    ("flowcontrol.apiserver.k8s.io/v1beta1", "1.26", &[]),
    ("flowcontrol.apiserver.k8s.io/v1beta2", "1.29", &[]),
    ("flowcontrol.apiserver.k8s.io/v1beta3", "1.32", &[]),
];

/// Every kind with its version.
fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    let known = KNOWN.iter().map(|(version, kind, _)| (*version, *kind));
    let shallow = SHALLOW.iter();
    known.chain(shallow.flat_map(|(version, kinds)| kinds.iter().map(|kind| (*version, *kind))))
}

fn group(version: &str) -> &str {
    version.rsplit_once('/').map_or("", |(group, _)| group)
}

/// What an object must say before anything else.
pub(super) fn identity(document: &Document) -> Vec<Flaw> {
    let file = document.file.rsplit('/').next().unwrap_or_default();
    let lists_resources =
        matches!(file, "kustomization.yaml" | "kustomization.yml" | "Kustomization");
    if lists_resources && document.root.get("kind").is_none() {
        return vec![kustomization(document)];
    }
    let nothing = document.root.get("kind").is_none() && document.root.get("apiVersion").is_none();
    if nothing {
        let what = "`apiVersion` and `kind` are missing";
        let mend = "add them, or do not name the file if it is no manifest";
        let (line, field) = (document.root.line, "apiVersion".to_owned());
        let flaw = Flaw::error(Rule::MissingField, line, field, what, mend);
        return vec![flaw.because("without them nobody knows what the object is")];
    }
    let missing = |name: &&str| match document.root.get(name) {
        None => {
            let (field, what) = ((*name).to_owned(), format!("`{name}` is missing"));
            let mend = format!("add `{name}:`, or do not name the file if it is no manifest");
            let line = document.root.line;
            let flaw = Flaw::error(Rule::MissingField, line, field, what, mend);
            Some(flaw.because("without it nobody knows what the object is"))
        }
        Some(node) if node.text().is_none() => {
            let what = format!("`{name}` is no text");
            Some(Flaw::wrong(node, (*name).to_owned(), what, "write the name of one, as a text"))
        }
        Some(_) => None,
    };
    ["apiVersion", "kind"].iter().filter_map(missing).collect()
}

/// What is known of an object's kind.
pub(super) fn standing(document: &Document) -> Standing {
    let (version, kind) = (document.api_version(), document.kind());
    let known = KNOWN.iter().find(|(a, b, _)| (*a, *b) == (version, kind));
    if let Some((_, _, read)) = known {
        return Standing::Known(*read);
    }
    if all().any(|each| each == (version, kind)) {
        return Standing::Shallow;
    }
    let gone = GONE
        .iter()
        .find(|(old, _, kinds)| *old == version && (kinds.is_empty() || kinds.contains(&kind)));
    if let Some((_, since, _)) = gone {
        return Standing::Refused(gone_since(document, since));
    }
    let built_in = all().any(|(other, _)| group(other) == group(version));
    if (group(version), kind) == ("kustomize.config.k8s.io", "Kustomization") {
        return Standing::Refused(kustomization(document));
    }
    let custom = !built_in && group(version).contains('.');
    let preview = version.contains("alpha") || version.contains("beta");
    Standing::Refused(if custom || built_in && preview {
        unchecked(document, &format!("{kind} of {version}"))
    } else {
        unknown(document)
    })
}

fn at<'a>(document: &'a Document, name: &str) -> &'a Node {
    document.root.get(name).unwrap_or(&document.root)
}

/// What is no object, and says how to make some.
fn kustomization(document: &Document) -> Flaw {
    let mend = "render it first: kubectl kustomize DIR | sundown check -".to_owned();
    Flaw { mend, ..unchecked(document, "a kustomization") }
}

/// A kind of somebody else's.
fn unchecked(document: &Document, what: &str) -> Flaw {
    let line = at(document, "kind").line;
    let what = format!("{what} is not checked");
    let mend = "check it with the tools of whoever defines it";
    let flaw = Flaw::error(Rule::UnknownKind, line, "kind".to_owned(), what, mend);
    let flaw = flaw.because("its fields are not known here");
    Flaw { severity: Severity::Note, ..flaw }
}

fn gone_since(document: &Document, since: &str) -> Flaw {
    let (version, kind) = (document.api_version(), document.kind());
    let line = at(document, "apiVersion").line;
    let what = format!("{kind} of `{version}` is gone");
    let mend = match newest(kind) {
        Some(newer) => format!("write `apiVersion: {newer}`, and mind the fields that changed"),
        None if kind == "PodSecurityPolicy" => "use Pod Security Admission instead".to_owned(),
        None => "see the deprecation guide of Kubernetes for what replaced it".to_owned(),
    };
    let flaw = Flaw::error(Rule::UnknownKind, line, "apiVersion".to_owned(), what, mend);
    flaw.because(format!("Kubernetes serves it no more since {since}"))
}

/// The version to use for a kind.
fn newest(kind: &str) -> Option<&'static str> {
    all().filter(|(_, other)| *other == kind).map(|(version, _)| version).last()
}

fn unknown(document: &Document) -> Flaw {
    let (version, kind) = (document.api_version(), document.kind());
    let line = at(document, "kind").line;
    let (field, line, mend) = if let Some(version) = newest(kind) {
        let line = at(document, "apiVersion").line;
        ("apiVersion", line, format!("write `apiVersion: {version}`"))
    } else {
        let same = all().filter(|(other, _)| *other == version).map(|(_, kind)| kind);
        let near = closest(kind, same).or_else(|| closest(kind, all().map(|(_, kind)| kind)));
        let mend = near.map_or_else(
            || {
                "check `apiVersion` and `kind`; custom resources have a dot in their group"
                    .to_owned()
            },
            |near| format!("is `{near}` meant? It is of `{}`", newest(near).unwrap_or(version)),
        );
        ("kind", line, mend)
    };
    let what = format!("`{version}` has no kind `{kind}`");
    Flaw::error(Rule::UnknownKind, line, field.to_owned(), what, mend)
        .because("the API server does not know it")
}

/// Reads only the metadata of an object.
pub(super) fn metadata(root: &Node) -> Reading<'_> {
    let nothing = Reading { seen: Vec::new(), flaws: Vec::new() };
    root.get("metadata").map_or(nothing, |node| read::<ObjectMeta>(node, "metadata"))
}
