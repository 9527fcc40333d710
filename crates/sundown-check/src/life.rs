//! The end of a pod: what happens when, drawn, and the sum that decides whether it fits.

use std::collections::BTreeMap;
use std::time::Duration;

use sundown::timeline::{Row, Timeline, Tone};

use crate::sum::{PodSum, Sum};
use crate::workload::hook::Length;
use crate::workload::probe::Probe;
use crate::workload::{Member, Role, Workload};

/// What the kubelet leaves a container between SIGTERM and SIGKILL, however little is left.
const LEAST: Duration = Duration::from_secs(2);

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
    /// When its hook is over and its turn has come, if everybody takes all of their time.
    turn: Duration,
    /// The hook whose end is the beginning of that wait.
    waits_for: Duration,
    /// Whether that is known, and not only that it is no sooner.
    is_sure: bool,
    /// What its pod is given.
    grace: Duration,
}

impl Part {
    fn of(member: &Member<'_>, grace: Duration) -> Part {
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
            turn: prestop.least(),
            waits_for: prestop.least(),
            is_sure: prestop.known().is_some(),
            grace,
        }
    }

    /// Waits for this one to be gone.
    fn after(self, other: &Part) -> Part {
        if other.end() <= self.turn {
            return self;
        }
        Part { turn: other.end(), waits_for: other.waits_for, ..self }
    }

    /// When it would be gone if nobody killed it, as far as that is known.
    pub(crate) fn end(&self) -> Duration {
        self.turn.saturating_add(self.cap.unwrap_or_default())
    }

    /// When it gets SIGTERM: a hook, or a wait for others, is cut off when the grace period ends.
    fn told(&self) -> Duration {
        self.turn.min(self.grace)
    }

    /// When it gets SIGKILL if it is still there.
    fn killed(&self) -> Duration {
        self.grace.max(self.told().saturating_add(LEAST))
    }

    /// Whether what is known of it counts: all of it, or a hook that is too long by itself.
    fn counts(&self) -> bool {
        let hook = self.prestop.least();
        self.cap.is_some() || !hook.is_zero() && hook >= self.grace
    }

    fn is_known(&self) -> bool {
        self.is_sure && self.cap.is_some()
    }
}

impl PodLife {
    /// The one of these pods.
    pub(crate) fn of(workload: &Workload<'_>, margin: Duration) -> PodLife {
        let grace = workload.grace_period();
        let of_role = |role| {
            let members = workload.members.iter().filter(move |member| member.role == role);
            members.map(|member| Part::of(member, grace))
        };
        let mut parts: Vec<Part> = of_role(Role::Main).collect();
        let sidecars: Vec<Part> = of_role(Role::Sidecar).collect();
        // A sidecar's hook runs at once; its SIGTERM waits for whoever started after it.
        let mut is_sure = parts.iter().all(Part::is_known);
        let mut last = parts.iter().max_by_key(|part| part.end()).cloned();
        for sidecar in sidecars.into_iter().rev() {
            let mut part = match &last {
                Some(last) => sidecar.after(last),
                None => sidecar,
            };
            part.is_sure &= is_sure;
            is_sure = part.is_known();
            last = Some(part.clone());
            parts.push(part);
        }
        let object = workload.document.title();
        PodLife { object, grace, margin, parts }
    }

    /// Whose pods they are: `Deployment shop/web`.
    pub fn object(&self) -> &str {
        &self.object
    }

    /// The names of its containers, native sidecars last.
    pub fn containers(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().map(|part| part.name.as_str())
    }

    /// The sum of the container that is gone last, with what it waits for; nothing if no
    /// container's stop time is known.
    pub fn sum(&self) -> Option<PodSum> {
        self.parts.iter().find(|part| part.cap.is_some())?;
        let counted = self.parts.iter().filter(|part| part.counts());
        let last = counted.max_by_key(|part| part.end())?;
        let prestop = last.waits_for;
        let cap = last.end().saturating_sub(prestop);
        let sum = Sum { prestop, cap, margin: self.margin, grace: self.grace };
        let is_whole = self.parts.iter().all(Part::is_known);
        Some(if is_whole { PodSum::Whole(sum) } else { PodSum::AtLeast(sum) })
    }

    /// The drawing: what each container does between the pod's deletion and SIGKILL.
    pub fn timeline(&self) -> Timeline {
        let end = |part: &Part| part.told().saturating_add(part.cap.unwrap_or_default());
        let ends = self.parts.iter().map(|part| end(part).saturating_add(self.margin));
        let kills = self.parts.iter().map(Part::killed);
        let total = ends.chain(kills).max().unwrap_or_default().max(self.grace);
        let mut timeline = Timeline::new(format!("the end of {}", self.object), total);
        for part in &self.parts {
            self.draw(part, &mut timeline);
        }
        for Signal { at, name, is_sure, to } in self.signals() {
            let whom = if to.is_empty() { String::new() } else { format!(" to {}", to.join(", ")) };
            timeline.mark(at, format!("{name}{whom}{}", if is_sure { "" } else { ", or later" }));
        }
        timeline
    }

    /// When somebody is sent which signal, and who, unless that is everybody.
    fn signals(&self) -> Vec<Signal<'_>> {
        let terms = self.signal("SIGTERM", |part| (part.told(), part.is_sure));
        let mut kills = self.signal("SIGKILL", |part| (part.killed(), true));
        if kills.is_empty() {
            let to = Vec::new();
            kills.push(Signal { at: self.grace, name: "SIGKILL", is_sure: true, to });
        }
        terms.into_iter().chain(kills).collect()
    }

    fn signal(&self, name: &'static str, when: fn(&Part) -> (Duration, bool)) -> Vec<Signal<'_>> {
        let mut all: BTreeMap<(Duration, bool), Vec<&str>> = BTreeMap::new();
        for part in &self.parts {
            all.entry(when(part)).or_default().push(&part.name);
        }
        let is_one = all.len() == 1;
        let signal = |((at, is_sure), to)| {
            let to = if is_one { Vec::new() } else { to };
            Signal { at, name, is_sure, to }
        };
        all.into_iter().map(signal).collect()
    }

    fn draw(&self, part: &Part, timeline: &mut Timeline) {
        let fits = part.end().saturating_add(self.margin) <= self.grace;
        let (told, end) = (part.told(), part.told().saturating_add(part.cap.unwrap_or_default()));
        let last = if part.cap.is_some() { end } else { part.killed() };
        let begin = if part.role == Role::Main { Duration::ZERO } else { told };
        let note = match part.role {
            Role::Main => "",
            Role::Sidecar => "sidecar: stops when its turn comes",
        };
        timeline.push(Row { is_group: true, ..row(&part.name, (begin, last), Tone::Quiet, note) });
        if part.has_hook {
            let (time, tone, note) = match part.prestop {
                Length::Known(time) if time > self.grace => {
                    (self.grace, Tone::Bad, "cut off when the grace period ends")
                }
                Length::Known(time) => (time, Tone::Quiet, ""),
                Length::AtLeast(_) => (self.grace, Tone::Open, "nobody knows how long"),
            };
            timeline.push(row("preStop", (Duration::ZERO, time), tone, note));
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

/// A signal that comes to some containers at once.
#[derive(Debug, PartialEq, Eq)]
struct Signal<'p> {
    at: Duration,
    name: &'static str,
    is_sure: bool,
    /// To whom; to everybody if it names nobody.
    to: Vec<&'p str>,
}

fn row(label: &str, span: (Duration, Duration), tone: Tone, note: &str) -> Row {
    let (label, note) = (label.to_owned(), note.to_owned());
    Row { label, is_group: false, span: Some(span), tone, note }
}

#[cfg(test)]
mod tests {
    use crate::Check;

    /// Where the signals of a pod come, in seconds, and the sum that is needed.
    fn signals(grace: u64, containers: &str) -> (Vec<(u64, &'static str)>, u64, Option<bool>) {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web }}\nspec:\n  \
             terminationGracePeriodSeconds: {grace}\n{containers}"
        );
        let report = Check::new().file("pod.yaml", pod.as_bytes()).run();
        let life = &report.pods()[0];
        let signals = life.signals().into_iter().map(|signal| (signal.at.as_secs(), signal.name));
        let sum = life.sum().unwrap();
        (signals.collect(), sum.sum().need().as_secs(), sum.fits())
    }

    fn container(name: &str, hook: &str, cap: &str) -> String {
        let hook = match hook {
            "" => String::new(),
            "?" => "preStop: { httpGet: { path: /drain, port: 80 } }".to_owned(),
            time => format!("preStop: {{ exec: {{ command: [sleep, \"{time}\"] }} }}"),
        };
        let env = match cap {
            "?" => String::new(),
            cap => format!("env: [{{ name: GRACEFUL_SHUTDOWN_TIMEOUT, value: \"{cap}\" }}], "),
        };
        format!("    - {{ name: {name}, image: {name}, {env}lifecycle: {{ {hook} }} }}\n")
    }

    #[test]
    fn signals_come_when_the_kubelet_sends_them() {
        let (term, kill) = ("SIGTERM", "SIGKILL");
        for (hook, told, killed, need, fits) in [
            ("", 0, 30, 7, true),
            ("20", 20, 30, 27, true),
            ("28", 28, 30, 35, false),
            // The kubelet leaves 2 s, however little is left.
            ("29", 29, 31, 36, false),
            ("30", 30, 32, 37, false),
            // The hook is cut off, and SIGTERM comes at once.
            ("45", 30, 32, 52, false),
        ] {
            let pod = format!("  containers:\n{}", container("web", hook, "5"));
            let expected = (vec![(told, term), (killed, kill)], need, Some(fits));
            assert_eq!(signals(30, &pod), expected, "{hook}");
        }
    }

    #[test]
    fn each_container_is_killed_at_its_own_time() {
        let both = [container("web", "", "5"), container("slow", "29", "5")].concat();
        let expected = [(0, "SIGTERM"), (29, "SIGTERM"), (30, "SIGKILL"), (31, "SIGKILL")];
        assert_eq!(signals(30, &format!("  containers:\n{both}")).0, expected);
    }

    #[test]
    fn a_sidecars_hook_counts_where_it_takes_longest() {
        let sidecar =
            container("proxy", "25", "5").replace("image", "restartPolicy: Always, image");
        let main = container("main", "", "5");
        let pod = format!("  initContainers:\n{sidecar}  containers:\n{main}");
        let (signals, need, fits) = signals(30, &pod);
        assert_eq!(signals, [(0, "SIGTERM"), (25, "SIGTERM"), (30, "SIGKILL")]);
        assert_eq!((need, fits), (32, Some(false)));
    }

    #[test]
    fn what_is_not_known_is_no_part_of_a_sum_that_fits() {
        let of = |containers: &str| {
            let (_, need, fits) = signals(30, &format!("  containers:\n{containers}"));
            (need, fits)
        };
        assert_eq!(of(&container("web", "?", "10")), (12, None));
        assert_eq!(of(&container("web", "?", "29")), (31, Some(false)));
        let beside = [container("web", "", "10"), container("other", "", "?")].concat();
        assert_eq!(of(&beside), (12, None));
        let hooked = [container("web", "", "10"), container("other", "45", "?")].concat();
        assert_eq!(of(&hooked), (47, Some(false)));
    }
}
