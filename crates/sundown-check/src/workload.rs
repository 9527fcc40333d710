//! The objects that run pods, and what their pods are made of.

pub(crate) mod config;
pub(crate) mod duration;
pub(crate) mod environment;
pub(crate) mod hook;
pub(crate) mod orders;
pub(crate) mod probe;
pub(crate) mod selector;

use std::time::Duration;

use crate::container::{Container, StopBudget};
use crate::document::Document;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::node::Node;

use self::config::{Configs, list};
use self::environment::Environment;
use self::hook::{Hook, Length};
use self::orders::Orders;
use self::probe::Probe;
use self::selector::Labels;

/// What Kubernetes gives a pod that asks for nothing.
const USUAL_GRACE: i64 = 30;

/// A kind of object that runs pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Pod,
    Deployment,
    StatefulSet,
    DaemonSet,
    ReplicaSet,
    ReplicationController,
    Job,
    CronJob,
    /// A custom one that holds a pod template where the usual ones do.
    Custom,
}

/// Groups whose pod templates become pods as they are written.
const PLAIN_GROUPS: [&str; 3] = ["argoproj.io", "apps.kruise.io", "apps.openshift.io"];

/// Makes the grace period out of a timeout of its own.
const KNATIVE: &str = "serving.knative.dev";

/// What Knative gives a revision that asks for nothing.
const KNATIVE_TIMEOUT: i64 = 300;

impl Kind {
    /// What this document is, if it runs pods.
    pub(crate) fn of(document: &Document) -> Option<Kind> {
        match (document.group(), document.kind()) {
            ("", "Pod") => Some(Kind::Pod),
            ("", "ReplicationController") => Some(Kind::ReplicationController),
            ("apps", "Deployment") => Some(Kind::Deployment),
            ("apps", "StatefulSet") => Some(Kind::StatefulSet),
            ("apps", "DaemonSet") => Some(Kind::DaemonSet),
            ("apps", "ReplicaSet") => Some(Kind::ReplicaSet),
            ("batch", "Job") => Some(Kind::Job),
            ("batch", "CronJob") => Some(Kind::CronJob),
            (group, _) if group.contains('.') => {
                let pod = document.root.at(&["spec", "template", "spec"])?;
                (!list(pod, "containers").is_empty()).then_some(Kind::Custom)
            }
            _ => None,
        }
    }

    /// Where its pod template stands.
    pub(crate) fn template(self) -> &'static [&'static str] {
        match self {
            Kind::Pod => &[],
            Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::ReplicationController
            | Kind::Job
            | Kind::Custom => &["spec", "template"],
            Kind::CronJob => &["spec", "jobTemplate", "spec", "template"],
        }
    }

    /// Whether its pods are meant to end by themselves.
    pub(crate) fn is_job(self) -> bool {
        match self {
            Kind::Job | Kind::CronJob => true,
            Kind::Pod
            | Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::ReplicationController
            | Kind::Custom => false,
        }
    }
}

/// An object that runs pods.
#[derive(Debug)]
pub(crate) struct Workload<'d> {
    /// The object.
    pub(crate) document: &'d Document,
    /// What it is.
    pub(crate) kind: Kind,
    /// The pods' `spec`.
    pub(crate) pod: &'d Node,
    /// The way to it.
    pub(crate) field: String,
    /// The pods' labels.
    pub(crate) labels: Labels<'d>,
    /// The time they are given.
    pub(crate) grace: Grace,
    /// Containers in their order, then native sidecars in theirs.
    pub(crate) members: Vec<Member<'d>>,
    /// What annotations say.
    pub(crate) orders: Orders,
}

/// `terminationGracePeriodSeconds`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grace {
    /// The line of it, or of what should have it.
    pub(crate) line: usize,
    /// What it says, or what Kubernetes makes of nothing.
    pub(crate) seconds: i64,
}

impl Grace {
    /// The one that pods of this template get; nothing if only their maker knows.
    fn of(document: &Document, template: &Node, pod: &Node) -> Option<Grace> {
        let usual = match document.group() {
            "" | "apps" | "batch" => Some(USUAL_GRACE),
            group if PLAIN_GROUPS.contains(&group) => Some(USUAL_GRACE),
            KNATIVE => {
                let timeout = pod.get("timeoutSeconds").and_then(Node::integer);
                timeout.or(Some(KNATIVE_TIMEOUT))
            }
            _ => None,
        };
        match pod.get("terminationGracePeriodSeconds") {
            Some(node) => {
                Some(Grace { line: node.line, seconds: node.integer().unwrap_or(USUAL_GRACE) })
            }
            None => Some(Grace { line: line_of(template, "spec"), seconds: usual? }),
        }
    }
}

/// A container that a pod's end has to wait for.
#[derive(Debug)]
pub(crate) struct Member<'d> {
    /// Its definition.
    pub(crate) node: &'d Node,
    /// The way to it.
    pub(crate) field: String,
    /// When it is told to stop.
    pub(crate) role: Role,
    /// What it is made of.
    pub(crate) container: Container,
    /// Values that secrets put into it, and paths of the files they did.
    secrets: Vec<String>,
    /// Its preStop hook.
    pub(crate) hook: Option<Hook>,
    /// Its readiness probe.
    pub(crate) readiness: Option<Probe>,
    /// Its liveness probe.
    pub(crate) liveness: Option<Probe>,
    /// How it stops.
    pub(crate) stop: Stop,
    /// For how long of it it says that it is not ready and still serves.
    pub(crate) announce: Option<Duration>,
}

/// When a container is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// At once, with the other ones.
    Main,
    /// After the main ones, and after the sidecars that started later.
    Sidecar,
}

/// What is known of how a container stops.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    /// This much, from there.
    Known(Origin, StopBudget),
    /// It would not start.
    Refuses(String),
    /// So many seconds, if seconds are meant, which nobody would want.
    Doubtful(Duration),
    /// Nothing.
    Unknown,
}

/// Who knows how a container stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An annotation.
    Annotation,
    /// One that was asked, so that the program is known.
    Provider,
    /// The variable that every service built on Sundown reads.
    Sundown,
    /// The table of well-known frameworks.
    Framework,
    /// The user.
    Declared,
}

impl<'d> Workload<'d> {
    /// What this document runs, before anybody is asked how it stops.
    pub(crate) fn of(document: &'d Document) -> Option<(Workload<'d>, Vec<Finding>)> {
        let kind = Kind::of(document)?;
        let template = document.root.at(kind.template())?;
        let pod = template.get("spec")?;
        let field = kind.template().iter().chain(&["spec"]).copied().collect::<Vec<_>>().join(".");
        let grace = Grace::of(document, template, pod)?;
        let members = members(pod, &field);
        let names: Vec<&str> = members.iter().map(|m| m.container.name.as_str()).collect();
        let (orders, findings) = orders::read(document, &names);
        let labels = selector::labels(template);
        let workload = Workload { document, kind, pod, field, labels, grace, members, orders };
        Some((workload, findings))
    }

    /// The containers that are told at once.
    pub(crate) fn mains(&self) -> impl Iterator<Item = &Member<'d>> {
        self.members.iter().filter(|member| member.role == Role::Main)
    }

    /// The grace period, nothing if it is less than that.
    pub(crate) fn grace_period(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.grace.seconds).unwrap_or_default())
    }

    /// Something found in it, at a line and a field of its document.
    pub(crate) fn finding(
        &self,
        rule: Rule,
        severity: Severity,
        line: usize,
        field: impl Into<String>,
        words: Words<'_>,
    ) -> Finding {
        let place = self.document.place(line, field);
        Finding::new(rule, severity, place, self.document.title(), words)
    }
}

impl Member<'_> {
    /// Puts in what other documents say of it.
    pub(crate) fn fill(&mut self, configs: &Configs<'_>, namespace: &str, pod: &Node) {
        let environment = Environment::of(configs, namespace, self.node);
        let mounted = configs.files(namespace, pod, self.node, &environment);
        let container = &mut self.container;
        for (key, words) in [("command", &mut container.command), ("args", &mut container.args)] {
            for word in list(self.node, key).iter().filter_map(Node::text) {
                let expanded = environment.expand(word);
                container.is_command_partial |= expanded.is_none();
                words.push(expanded.unwrap_or_else(|| word.to_owned()));
            }
        }
        container.is_environment_partial = environment.is_partial;
        container.environment = environment.variables;
        container.files = mounted.files;
        container.places = mounted.places;
        self.secrets = environment.secrets;
        self.secrets.extend(mounted.secrets);
        self.secrets.retain(|secret| !secret.is_empty());
    }

    /// Whether a text repeats a value that a secret put in, or speaks of a file that one did.
    pub(crate) fn betrays(&self, text: &str) -> bool {
        self.secrets.iter().any(|secret| text.contains(secret.as_str()))
    }

    /// Lets go of what only those need who know how it stops: config maps can be large, and a file
    /// can have many containers.
    pub(crate) fn shrink(&mut self) {
        self.container.environment.clear();
        self.container.files.clear();
        self.secrets.clear();
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.container.name
    }

    /// The annotation that says this of it; one without a name has none of its own.
    pub(crate) fn annotation(&self, what: &str) -> String {
        match self.node.get("name").and_then(Node::text) {
            Some(name) => format!("sundown/{what}.{name}"),
            None => format!("sundown/{what}"),
        }
    }

    /// How long its preStop hook takes.
    pub(crate) fn prestop(&self) -> Length {
        self.hook.as_ref().map_or(Length::Known(Duration::ZERO), |hook| hook.length)
    }

    /// What is known of its stop.
    pub(crate) fn budget(&self) -> Option<&StopBudget> {
        match &self.stop {
            Stop::Known(_, budget) => Some(budget),
            Stop::Refuses(_) | Stop::Doubtful(_) | Stop::Unknown => None,
        }
    }
}

/// The line on which a map's entry of this name begins, or the map.
pub(crate) fn line_of(map: &Node, key: &str) -> usize {
    let entry = map.entries().iter().find(|entry| entry.key == key);
    entry.map_or(map.line, |entry| entry.line)
}

fn members<'d>(pod: &'d Node, field: &str) -> Vec<Member<'d>> {
    let list = |key: &'static str, role: Role| {
        let nodes = pod.get(key).map(Node::list).unwrap_or_default();
        let stays = |node: &&Node| node.get("restartPolicy").and_then(Node::text) == Some("Always");
        nodes
            .iter()
            .enumerate()
            .filter(move |(_, node)| role == Role::Main || stays(node))
            .map(move |(index, node)| (node, format!("{field}.{key}[{index}]"), role))
    };
    list("containers", Role::Main)
        .chain(list("initContainers", Role::Sidecar))
        .map(|(node, field, role)| Member {
            container: named(node, &field),
            secrets: Vec::new(),
            hook: Hook::of(node, &field),
            readiness: Probe::of(node, "readinessProbe", &field),
            liveness: Probe::of(node, "livenessProbe", &field),
            stop: Stop::Unknown,
            announce: None,
            node,
            field,
            role,
        })
        .collect()
}

/// A container before other documents have been asked. One without a name is called by its place.
fn named(node: &Node, field: &str) -> Container {
    let text = |key| node.get(key).and_then(Node::text).filter(|text| !text.is_empty());
    let place = field.rsplit_once('.').map_or(field, |(_, place)| place);
    Container {
        name: text("name").unwrap_or(place).to_owned(),
        image: text("image").unwrap_or_default().to_owned(),
        ..Container::default()
    }
}
