//! The rules about stopping: each a function from all that is known to what it finds.

mod announce;
mod ceiling;
mod disruption;
mod grace;
mod job;
mod network;
mod prestop;
mod probes;
mod readiness;
mod scale;
mod shell;
mod told;
mod volumes;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::document::Document;
use crate::finding::Finding;
use crate::node::Node;
use crate::workload::{Kind, Workload};

/// All that rules can look at.
#[derive(Debug)]
pub(crate) struct World<'d> {
    /// Every object of every file.
    documents: Vec<&'d Document>,
    /// Those that run pods.
    workloads: Vec<Workload<'d>>,
    /// What must be left of a grace period.
    margin: Duration,
    /// Who sets the replicas of what.
    scalers: BTreeMap<Target<'d>, &'d Document>,
    /// The disruption budgets, each with the workloads it protects.
    budgets: Vec<(&'d Document, Vec<usize>)>,
}

/// Namespace, kind and name.
type Target<'d> = (&'d str, &'d str, &'d str);

const HPA: &str = "HorizontalPodAutoscaler";

type RuleFn = fn(&World<'_>) -> Vec<Finding>;

const RULES: [RuleFn; 25] = [
    grace::none,
    grace::exceeded_by_prestop,
    grace::too_short,
    grace::of_a_probe,
    told::unknown,
    told::doubtful,
    told::refuses,
    told::otherwise,
    announce::too_short,
    announce::missing,
    readiness::not_asked,
    probes::share_a_path,
    prestop::cannot_run,
    disruption::blocks_eviction,
    disruption::overlaps,
    disruption::keeps_unhealthy,
    scale::fights_replicas,
    scale::stuck,
    job::without_failure_policy,
    job::counts_as_done,
    ceiling::of_the_autoscaler,
    ceiling::of_spot_machines,
    shell::keeps_signals,
    network::peers_with_own_labels,
    volumes::hold_the_node,
];

/// What all rules find.
pub(crate) fn all(world: &World<'_>) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| rule(world)).collect()
}

impl<'d> World<'d> {
    /// All of it, with what its objects mean to each other.
    pub(crate) fn new(
        documents: Vec<&'d Document>,
        workloads: Vec<Workload<'d>>,
        margin: Duration,
    ) -> Self {
        // KEDA makes an autoscaler of its own from each of its objects, so those come last.
        let scalers = of_kind(&documents, "autoscaling", HPA)
            .chain(of_kind(&documents, "keda.sh", "ScaledObject"))
            .filter_map(|scaler| Some((target(scaler)?, scaler)))
            .collect();
        let budgets = disruption::budgets(&documents, &workloads);
        World { documents, workloads, margin, scalers, budgets }
    }

    /// The autoscaler of a workload.
    fn scaler(&self, workload: &Workload<'d>) -> Option<&'d Document> {
        let document = workload.document;
        self.scalers.get(&(document.namespace(), document.kind(), document.name())).copied()
    }

    /// How many pods a workload has at the least, if the files say so.
    fn replicas(&self, workload: &Workload<'d>) -> Option<u64> {
        match workload.kind {
            Kind::Pod => return Some(1),
            Kind::Deployment
            | Kind::StatefulSet
            | Kind::ReplicaSet
            | Kind::ReplicationController => {}
            Kind::Custom if workload.document.root.at(&["spec", "replicas"]).is_some() => {}
            Kind::DaemonSet | Kind::Job | Kind::CronJob | Kind::Custom => return None,
        }
        let number = match self.scaler(workload) {
            Some(scaler) if scaler.kind() == HPA => scaler.root.at(&["spec", "minReplicas"]),
            Some(_) => return None,
            None => workload.document.root.at(&["spec", "replicas"]),
        };
        u64::try_from(number.map_or(Some(1), Node::integer)?).ok()
    }
}

/// The documents of a kind, whatever the version of its group.
fn of_kind<'d>(
    documents: &[&'d Document],
    group: &str,
    kind: &str,
) -> impl Iterator<Item = &'d Document> {
    documents
        .iter()
        .copied()
        .filter(move |document| document.group() == group && document.kind() == kind)
}

/// What an autoscaler scales.
fn target(scaler: &Document) -> Option<Target<'_>> {
    let target = scaler.root.at(&["spec", "scaleTargetRef"])?;
    let text = |key| target.get(key).and_then(Node::text);
    Some((scaler.namespace(), text("kind").unwrap_or("Deployment"), text("name")?))
}
