//! The end of a pod: what happens when, drawn, and the sum that decides whether it fits.

use std::time::Duration;

use sundown::timeline::{Row, Timeline, Tone};

use crate::sum::Sum;
use crate::workload::hook::Length;
use crate::workload::probe::Probe;
use crate::workload::{Member, Role, Workload};

/// How the pods of an object end.
#[derive(Debug, Clone)]
pub struct PodLife {
    object: String,
    pub(crate) grace: Duration,
    margin: Duration,
    pub(crate) parts: Vec<Part>,
}

/// A container's part of it, with the time at which it is told to stop.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) prestop: Length,
    pub(crate) cap: Option<Duration>,
    pub(crate) announce: Option<Duration>,
    pub(crate) source: Option<String>,
    has_hook: bool,
    phases: Vec<(String, Duration)>,
    withdraw: Option<Duration>,
    /// When it gets SIGTERM, if everybody takes all of their time.
    told: Duration,
    /// Whether that is known, and not only that it is no sooner.
    is_sure: bool,
}

impl Part {
    fn of(member: &Member<'_>) -> Part {
        let budget = member.budget();
        let prestop = member.prestop();
        Part {
            name: member.name().to_owned(),
            role: member.role,
            prestop,
            cap: budget.map(|budget| budget.cap),
            announce: member.announce,
            source: budget.map(|budget| budget.source.clone()),
            has_hook: member.hook.is_some(),
            phases: budget.map(|budget| budget.phases.clone()).unwrap_or_default(),
            withdraw: member.readiness.as_ref().map(Probe::withdraw),
            told: prestop.least(),
            is_sure: prestop.known().is_some(),
        }
    }

    /// When it is gone at the latest, as far as that is known.
    pub(crate) fn end(&self) -> Duration {
        self.told.saturating_add(self.cap.unwrap_or_default())
    }
}

impl PodLife {
    /// The one of these pods.
    pub(crate) fn of(workload: &Workload<'_>, margin: Duration) -> PodLife {
        let of_role = |role| workload.members.iter().filter(move |member| member.role == role);
        let mut parts: Vec<Part> = of_role(Role::Main).map(Part::of).collect();
        // A sidecar's hook runs at once; its SIGTERM waits for whoever started after it.
        let mut turn = parts.iter().map(Part::end).max().unwrap_or_default();
        let mut is_sure = parts.iter().all(|part| part.is_sure && part.cap.is_some());
        let sidecars: Vec<&Member<'_>> = of_role(Role::Sidecar).collect();
        for member in sidecars.into_iter().rev() {
            let mut part = Part::of(member);
            part.told = turn.max(part.told);
            part.is_sure &= is_sure;
            is_sure = part.is_sure && part.cap.is_some();
            turn = part.end();
            parts.push(part);
        }
        let object = workload.document.title();
        PodLife { object, grace: workload.grace_period(), margin, parts }
    }

    /// Whose pods they are: `Deployment shop/web`.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The sum of the container that decides, and of the sidecars that wait for it; nothing if no
    /// container's stop time is known.
    pub fn sum(&self) -> Option<Sum> {
        let mains = self.parts.iter().filter(|part| part.role == Role::Main);
        let (prestop, cap) = mains
            .filter_map(|part| Some((part.prestop.least(), part.cap?)))
            .max_by_key(|(prestop, cap)| prestop.saturating_add(*cap))?;
        let after = self.parts.iter().filter(|part| part.role == Role::Sidecar);
        let cap = after.filter_map(|part| part.cap).fold(cap, Duration::saturating_add);
        Some(Sum { prestop, cap, margin: self.margin, grace: self.grace })
    }

    /// The drawing: what each container does between the pod's deletion and SIGKILL.
    pub fn timeline(&self) -> Timeline {
        let ends = self.parts.iter().map(Part::end).max().unwrap_or_default();
        let total = self.grace.max(ends.saturating_add(self.margin));
        let mut timeline = Timeline::new(format!("the end of {}", self.object), total);
        for part in &self.parts {
            self.draw(part, &mut timeline);
        }
        for (at, what) in self.signals() {
            timeline.mark(at, what);
        }
        timeline.mark(self.grace, "SIGKILL");
        timeline
    }

    /// When somebody is told to stop, and who, unless that is everybody.
    fn signals(&self) -> Vec<(Duration, String)> {
        let mut signals: Vec<(Duration, bool, Vec<&str>)> = Vec::new();
        for part in &self.parts {
            let is_sure = part.is_sure;
            match signals.iter_mut().find(|(at, sure, _)| (*at, *sure) == (part.told, is_sure)) {
                Some((_, _, names)) => names.push(&part.name),
                None => signals.push((part.told, is_sure, vec![&part.name])),
            }
        }
        signals.sort();
        let is_one = signals.len() == 1;
        let what = |is_sure: bool, names: Vec<&str>| {
            let whom = if is_one { String::new() } else { format!(" to {}", names.join(", ")) };
            format!("SIGTERM{whom}{}", if is_sure { "" } else { ", or later" })
        };
        signals.into_iter().map(|(at, is_sure, names)| (at, what(is_sure, names))).collect()
    }

    fn draw(&self, part: &Part, timeline: &mut Timeline) {
        let fits = part.end().saturating_add(self.margin) <= self.grace;
        let (told, end) = (part.told, part.end());
        let last = if part.cap.is_some() { end } else { self.grace.max(told) };
        let begin = if part.role == Role::Main { Duration::ZERO } else { told };
        let note = match part.role {
            Role::Main => "",
            Role::Sidecar => "sidecar: stops when its turn comes",
        };
        timeline.push(Row { is_group: true, ..row(&part.name, (begin, last), Tone::Quiet, note) });
        if part.has_hook {
            match part.prestop {
                Length::Known(time) => {
                    timeline.push(row("preStop", (Duration::ZERO, time), Tone::Quiet, ""));
                }
                Length::AtLeast(time) => {
                    let span = (Duration::ZERO, time.max(self.grace));
                    timeline.push(row("preStop", span, Tone::Open, "nobody knows how long"));
                }
            }
        }
        if part.announce.is_some_and(|announce| !announce.is_zero())
            && let Some(withdraw) = part.withdraw
        {
            let span = (told, told.saturating_add(withdraw));
            let note = "until probes have said that it is not ready";
            timeline.push(row("readiness", span, Tone::Quiet, note));
        }
        let tone = if fits { Tone::Good } else { Tone::Bad };
        match part.cap {
            None => {
                let note = "nobody knows how long";
                timeline.push(row("stop", (told, last), Tone::Open, note));
            }
            Some(_) if part.phases.is_empty() => {
                let note = part.source.as_deref().unwrap_or_default();
                timeline.push(row("stop", (told, end), tone, note));
            }
            Some(_) => {
                let mut at = told;
                for (name, time) in &part.phases {
                    let next = at.saturating_add(*time);
                    timeline.push(row(name, (at, next), tone, ""));
                    at = next;
                }
            }
        }
        if part.cap.is_some() {
            let span = (end, end.saturating_add(self.margin));
            timeline.push(row("margin", span, if fits { Tone::Quiet } else { Tone::Bad }, ""));
        }
    }
}

fn row(label: &str, span: (Duration, Duration), tone: Tone, note: &str) -> Row {
    let (label, note) = (label.to_owned(), note.to_owned());
    Row { label, is_group: false, span: Some(span), tone, note }
}
