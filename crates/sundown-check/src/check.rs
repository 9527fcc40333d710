//! Files in, report out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::container::{Container, Knows, StopBudget};
use crate::document::Document;
use crate::finding::{Finding, Place, Rule, Severity, Words};
use crate::known;
use crate::life::PodLife;
use crate::report::{Looked, Report};
use crate::rules::{self, World};
use crate::schema;
use crate::sum::MARGIN;
use crate::workload::config::Configs;
use crate::workload::hook::Length;
use crate::workload::{Member, Origin, Role, Stop, Workload, orders};
use crate::yaml;

/// Manifests to look at, and what is known besides them.
///
/// How long a container takes to stop is asked in this order; the first answer counts:
///
/// 1. annotations of the pod template, else of the object: `sundown/stop-timeout.CONTAINER: 30s`, and
///    `sundown/stop-timeout: 30s` if the pod has one container;
/// 2. whoever [`knows`](Self::knows) the program;
/// 3. its environment: `GRACEFUL_SHUTDOWN_TIMEOUT`, which every service built on Sundown reads;
/// 4. what its arguments, variables and config maps tell Spring Boot, gunicorn, uvicorn, .NET,
///    Quarkus, Traefik, and the proxies of Istio and Linkerd;
/// 5. `sundown/stop-timeout: 30s` in a pod of several containers, for those nobody knew;
/// 6. what the user declares: [`stop_timeout`](Self::stop_timeout).
///
/// `sundown/announce[.CONTAINER]` says for how long it says that it is not ready before it stops
/// serving, `sundown/prestop[.CONTAINER]` how long a hook takes that runs a program of its own, and
/// `sundown/ignore: RULE, RULE` lets pass what is meant to be so.
pub struct Check<'a> {
    files: usize,
    /// Files in which there is nothing, not even a fault.
    empty: Vec<String>,
    documents: Vec<Document>,
    /// Where objects are applied that name no namespace.
    release: Arc<str>,
    findings: Vec<Finding>,
    margin: Duration,
    declared: Vec<(Option<String>, Duration)>,
    knows: Vec<Box<Knows<'a>>>,
    is_strict: bool,
}

impl<'a> Check<'a> {
    /// Nothing to look at, with the usual [`MARGIN`].
    pub fn new() -> Self {
        Check {
            files: 0,
            empty: Vec::new(),
            documents: Vec::new(),
            release: "default".into(),
            findings: Vec::new(),
            margin: MARGIN,
            declared: Vec::new(),
            knows: Vec::new(),
            is_strict: false,
        }
    }

    /// Adds a file, by the name that findings call it. What one file says counts for all.
    pub fn file(mut self, name: impl Into<String>, bytes: &[u8]) -> Self {
        let name = name.into();
        let (documents, findings) = yaml::read(&name, bytes);
        if documents.is_empty() && findings.is_empty() {
            self.empty.push(name);
        }
        self.findings.extend(findings);
        self.findings.extend(documents.iter().flat_map(schema::check));
        let at_home = |document| Document { release: self.release.clone(), ..document };
        self.documents.extend(documents.into_iter().map(at_home));
        self.files += 1;
        self
    }

    /// The namespace to which objects are applied that name none; `default` unless told.
    pub fn namespace(mut self, name: &str) -> Self {
        self.release = name.into();
        for document in &mut self.documents {
            document.release = self.release.clone();
        }
        self
    }

    /// Each object once. One that is there already counts as it was there.
    fn once(&self) -> (Vec<&Document>, Vec<Finding>) {
        let mut known: BTreeMap<[String; 4], Place> = BTreeMap::new();
        let (mut documents, mut findings) = (Vec::new(), Vec::new());
        for document in &self.documents {
            let place = document.place(document.root.line, "metadata.name");
            if let Some(identity) = document.identity() {
                if let Some(first) = known.get(&identity) {
                    findings.push(twice(document, place, first));
                    continue;
                }
                known.insert(identity, place);
            }
            documents.push(document);
        }
        (documents, findings)
    }

    /// What must be left of a grace period.
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// The stop time of a container that nothing else is known of; `None` means all of them but
    /// native sidecars, which stop when the others have.
    pub fn stop_timeout(mut self, container: Option<&str>, cap: Duration) -> Self {
        self.declared.push((container.map(str::to_owned), cap));
        self
    }

    /// Somebody who knows how some containers stop, or why they would not start. The first one who
    /// knows is believed.
    pub fn knows(
        mut self,
        knows: impl Fn(&Container) -> Option<Result<StopBudget, String>> + 'a,
    ) -> Self {
        self.knows.push(Box::new(knows));
        self
    }

    /// Whether a warning fails the check too.
    pub fn strict(mut self, strict: bool) -> Self {
        self.is_strict = strict;
        self
    }

    /// Looks.
    pub fn run(&self) -> Report {
        let (documents, twice) = self.once();
        let objects = documents.len();
        let configs = Configs::of(&documents);
        let mut findings = self.findings.clone();
        findings.extend(twice);
        let mut workloads = Vec::new();
        for document in &documents {
            if let Some((mut workload, found)) = Workload::of(document) {
                self.resolve(&mut workload, &configs);
                workloads.push(workload);
                findings.extend(found);
            }
        }
        let pods = workloads.iter().map(|workload| PodLife::of(workload, self.margin)).collect();
        let world = World::new(documents, workloads, self.margin);
        findings.extend(rules::all(&world));
        self.drop_ignored(&mut findings);
        let empty = self.empty.clone();
        Report::new(findings, pods, self.is_strict, Looked { objects, files: self.files, empty })
    }

    fn drop_ignored(&self, findings: &mut Vec<Finding>) {
        let all = self.documents.iter().map(|document| (document, orders::ignored(document)));
        let ignored: BTreeMap<_, BTreeSet<Rule>> = all
            .filter(|(_, rules)| !rules.is_empty())
            .map(|(document, rules)| {
                ((document.file.to_string(), document.number, document.title()), rules)
            })
            .collect();
        findings.retain(|finding| {
            let Finding { place, object, .. } = finding;
            let rules = ignored.get(&(place.file.clone(), place.document, object.clone()));
            rules.is_none_or(|rules| !rules.contains(&finding.rule))
        });
    }

    /// Finds out how each container stops.
    fn resolve(&self, workload: &mut Workload<'_>, configs: &Configs<'_>) {
        let is_only = workload.mains().count() == 1;
        let orders = workload.orders.clone();
        let grace = workload.grace_period();
        let (namespace, pod) = (workload.document.namespace(), workload.pod);
        for member in &mut workload.members {
            member.fill(configs, namespace, pod);
            let (name, is_main) = (member.container.name.clone(), member.role == Role::Main);
            let of_pod = orders.stop.pod.filter(|_| is_main);
            let first = orders.stop.of(&name).or(of_pod.filter(|_| is_only));
            member.stop = self.stop_of(member, grace, first, of_pod);
            member.shrink();
            let told = if is_main { orders.announce.of_any(&name) } else { None };
            member.announce = told.or(member.budget().and_then(|budget| budget.announce));
            let prestop = orders.prestop.of_any(&name);
            if let (Some(hook), Some(prestop)) = (&mut member.hook, prestop)
                && hook.length.known().is_none()
            {
                hook.length = Length::Known(prestop);
            }
        }
    }

    fn stop_of(
        &self,
        member: &Member<'_>,
        grace: Duration,
        first: Option<Duration>,
        last: Option<Duration>,
    ) -> Stop {
        let container = &member.container;
        let annotation = |cap| known::budget(cap, "sundown/stop-timeout".to_owned());
        let told = match self.knows.iter().find_map(|knows| knows(container)) {
            Some(Err(refusal)) => return refuses(member, refusal),
            Some(Ok(budget)) => Some((Origin::Provider, budget)),
            None => None,
        };
        let by_variable = known::sundown(container);
        // Nobody takes so long; but who is given the time may.
        let is_doubtful =
            |budget: &StopBudget| budget.cap > known::LONGEST_USUAL && budget.cap > grace;
        let (doubtful, by_variable) = match by_variable {
            Some(budget) if is_doubtful(&budget) => (Some(budget.cap), None),
            by_variable => (None, by_variable),
        };
        let known = told
            .or_else(|| by_variable.map(|budget| (Origin::Sundown, budget)))
            .or_else(|| known::framework(container).map(|budget| (Origin::Framework, budget)));
        let known = match (known, first) {
            (Some((origin, budget)), Some(cap)) => {
                let StopBudget { source, phases, .. } = annotation(cap);
                Some((origin, StopBudget { cap, source, phases, ..budget }))
            }
            (None, Some(cap)) => Some((Origin::Annotation, annotation(cap))),
            (known, None) => known,
        };
        let known = known
            .or_else(|| last.map(|cap| (Origin::Annotation, annotation(cap))))
            .or_else(|| self.declared(member).map(|budget| (Origin::Declared, budget)));
        match (known, doubtful) {
            (Some((origin, budget)), _) => Stop::Known(origin, budget),
            (None, Some(cap)) => Stop::Doubtful(cap),
            (None, None) => Stop::Unknown,
        }
    }

    /// What the user says: of this container, else of all that are not sidecars.
    fn declared(&self, member: &Member<'_>) -> Option<StopBudget> {
        let of = |name: Option<&str>| {
            self.declared.iter().rev().find(|(of, _)| of.as_deref() == name).map(|(_, cap)| *cap)
        };
        let of_all = of(None).filter(|_| member.role == Role::Main);
        let cap = of(Some(member.name())).or(of_all)?;
        Some(known::budget(cap, "declared by the user".to_owned()))
    }
}

/// What a service says that would not start, unless a secret could be read in it.
fn refuses(member: &Member<'_>, refusal: String) -> Stop {
    Stop::Refuses(if member.betrays(&refusal) {
        "it refuses what a secret holds, which is not shown here".to_owned()
    } else {
        refusal
    })
}

fn twice(document: &Document, place: Place, first: &Place) -> Finding {
    let words = Words {
        what: format!("it stands at {}:{} already", first.file, first.line),
        why: "whichever is applied last wins; here only the first is looked at",
        mend: "leave one of them out, or check what is not applied together apart".to_owned(),
    };
    Finding::new(Rule::TwiceTheSame, Severity::Error, place, document.title(), words)
}

impl Default for Check<'_> {
    fn default() -> Self {
        Check::new()
    }
}

impl fmt::Debug for Check<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("files", &self.files)
            .field("documents", &self.documents.len())
            .field("margin", &self.margin)
            .finish_non_exhaustive()
    }
}
