//! What annotations tell the checker: how long a container takes to stop, and what to let pass.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::document::Document;
use crate::finding::{Finding, Rule, Severity, Words};
use crate::node::{Entry, Node};
use crate::workload::{Kind, duration};

/// What they all begin with.
const PREFIX: &str = "sundown/";

/// What was said about the containers of a pod.
#[derive(Debug, Clone, Default)]
pub(crate) struct Orders {
    /// At most so long after SIGTERM it is gone.
    pub(crate) stop: Said,
    /// For so long it announces.
    pub(crate) announce: Said,
    /// So long its hook takes, if nobody sees it.
    pub(crate) prestop: Said,
}

/// A time for the pod, and times for some of its containers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Said {
    /// For whoever has none of its own.
    pub(crate) pod: Option<Duration>,
    containers: BTreeMap<String, Duration>,
}

impl Said {
    /// What was said of this one by name.
    pub(crate) fn of(&self, container: &str) -> Option<Duration> {
        self.containers.get(container).copied()
    }

    /// What was said of this one, by name or of the pod.
    pub(crate) fn of_any(&self, container: &str) -> Option<Duration> {
        self.of(container).or(self.pod)
    }
}

/// The checker's own annotations of an object, outermost first, each with the way to it.
fn annotations(document: &Document) -> Vec<(String, &Entry)> {
    let mut places = vec![(&document.root, String::new())];
    if let Some(kind) = Kind::of(document) {
        let jobs = document.root.at(&["spec", "jobTemplate"]).filter(|_| kind == Kind::CronJob);
        places.extend(jobs.map(|jobs| (jobs, "spec.jobTemplate.".to_owned())));
        if !kind.template().is_empty() {
            let template = document.root.at(kind.template());
            let field = format!("{}.", kind.template().join("."));
            places.extend(template.map(|template| (template, field)));
        }
    }
    places.into_iter().flat_map(|(place, field)| ours(place, &field)).collect()
}

fn ours<'n>(place: &'n Node, field: &str) -> Vec<(String, &'n Entry)> {
    let all = place.at(&["metadata", "annotations"]).map(Node::entries).unwrap_or_default();
    let ours = all.iter().filter(|entry| entry.key.starts_with(PREFIX));
    ours.map(|entry| (format!("{field}metadata.annotations[{}]", entry.key), entry)).collect()
}

/// What is let pass in this object.
pub(crate) fn ignored(document: &Document) -> BTreeSet<Rule> {
    let texts = annotations(document).into_iter().filter(|(_, e)| e.key == "sundown/ignore");
    let names = texts.filter_map(|(_, entry)| entry.node.text());
    names.flat_map(|names| names.split(',')).filter_map(|name| Rule::named(name.trim())).collect()
}

/// What is said about the containers of an object, and what of it cannot be understood.
pub(crate) fn read(document: &Document, containers: &[&str]) -> (Orders, Vec<Finding>) {
    let mut orders = Orders::default();
    let mut findings = Vec::new();
    for (field, entry) in annotations(document) {
        if let Err((severity, what, mend)) = orders.take(entry, containers) {
            let why = "the checker does not do what the annotation means it to do";
            findings.push(Finding::new(
                Rule::Annotation,
                severity,
                document.place(entry.line, field),
                document.title(),
                Words { what, why, mend },
            ));
        }
    }
    (orders, findings)
}

type Complaint = (Severity, String, String);

impl Orders {
    fn take(&mut self, entry: &Entry, containers: &[&str]) -> Result<(), Complaint> {
        let text = entry.node.text().unwrap_or_default();
        let name = &entry.key[PREFIX.len()..];
        if name == "ignore" {
            return known_rules(text);
        }
        let (order, container) = match name.split_once('.') {
            Some((order, container)) => (order, Some(container)),
            None => (name, None),
        };
        let said = match order {
            "stop-timeout" => &mut self.stop,
            "announce" => &mut self.announce,
            "prestop" => &mut self.prestop,
            _ => {
                let what = format!("`{}` is no annotation of the checker", entry.key);
                let mend = "use sundown/stop-timeout, sundown/announce, sundown/prestop (each also \
                            with .CONTAINER behind it), or sundown/ignore";
                return Err((Severity::Warning, what, mend.to_owned()));
            }
        };
        let Some(time) = duration::parse(text) else {
            let what = format!("`{}: {text}` is no duration", entry.key);
            return Err((Severity::Error, what, "write it like \"30s\" or \"1m30s\"".to_owned()));
        };
        match container {
            None => said.pod = Some(time),
            Some(container) if containers.contains(&container) => {
                said.containers.insert(container.to_owned(), time);
            }
            Some(container) => {
                let what = format!("`{}`: the pod has no container `{container}`", entry.key);
                let mend = format!("name one of its containers: {}", containers.join(", "));
                return Err((Severity::Error, what, mend));
            }
        }
        Ok(())
    }
}

fn known_rules(names: &str) -> Result<(), Complaint> {
    let unknown: Vec<&str> =
        names.split(',').map(str::trim).filter(|name| Rule::named(name).is_none()).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let what = format!("`sundown/ignore` names no rule with `{}`", unknown.join(", "));
    let mend = "write the rule's name as reports have it, several with commas between them";
    Err((Severity::Warning, what, mend.to_owned()))
}
