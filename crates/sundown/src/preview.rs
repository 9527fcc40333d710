//! The plan before it runs: when each part would end at the latest, and how its times add up.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::phase::Budget;
use crate::report::json::millis;
use crate::run::Run;
use crate::run::member::{Kind, Member};
use crate::run::schedule::Schedule;
use crate::timeline::{Row, Timeline, Tone, seconds};
use crate::{PlanError, Priority};

/// The plan as it would pass if everybody took all of their time: what is checked and shown before
/// a service starts.
///
/// It prints as a timeline with the sum of its phases.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Preview {
    /// The time the whole plan has.
    #[serde(rename = "cap_ms", with = "millis")]
    pub cap: Duration,
    /// What is kept back at the end of it for the last words.
    #[serde(rename = "reserve_ms", with = "millis")]
    pub reserve: Duration,
    /// The phases in their order.
    pub phases: Vec<PhasePreview>,
}

/// A phase of a plan that has not run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PhasePreview {
    /// Its name.
    pub name: String,
    /// When it begins at the latest, counted from the cause.
    #[serde(rename = "start_ms", with = "millis")]
    pub start: Duration,
    /// When it ends at the latest.
    #[serde(rename = "end_ms", with = "millis")]
    pub end: Duration,
    /// Whether its time is what the others leave.
    pub is_elastic: bool,
    /// Who takes part, in the order in which they start.
    pub waiters: Vec<WaiterPreview>,
}

/// A participant of a plan that has not run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WaiterPreview {
    /// Its name.
    pub name: String,
    /// Its priority, if it is a hook.
    pub hook: Option<Priority>,
    /// When it starts at the latest: once everybody it comes after has ended.
    #[serde(rename = "start_ms", with = "millis")]
    pub start: Duration,
    /// Its deadline, the time of its fallback included.
    #[serde(rename = "deadline_ms", with = "millis")]
    pub deadline: Duration,
    /// The least time it declared.
    #[serde(rename = "least_ms", with = "millis")]
    pub least: Duration,
    /// Whom it comes after.
    pub after: Vec<String>,
}

impl Run {
    /// The plan ahead, with those participants that `shows` lets through.
    pub(crate) fn preview(&self, shows: impl Fn(&Member) -> bool) -> Result<Preview, PlanError> {
        self.check()?;
        let mut start = Duration::ZERO;
        let mut phases = Vec::new();
        for (index, planned) in self.plan.phases.iter().enumerate() {
            let is_elastic = planned.budget == Budget::Elastic;
            let takes =
                if is_elastic { self.plan.guaranteed(index) } else { self.plan.kept_for(index) };
            let end = start + takes;
            phases.push(PhasePreview {
                name: planned.phase.to_string(),
                start,
                end,
                is_elastic,
                waiters: self.preview_phase(index, start, end, &shows)?,
            });
            start = end;
        }
        Ok(Preview { cap: self.plan.cap, reserve: self.plan.reserve(), phases })
    }

    fn preview_phase(
        &self,
        phase: usize,
        start: Duration,
        end: Duration,
        shows: &impl Fn(&Member) -> bool,
    ) -> Result<Vec<WaiterPreview>, PlanError> {
        let here: Vec<&Member> =
            self.members.values().filter(|member| member.phase == phase && shows(member)).collect();
        let schedule = Schedule::new(&self.plan, phase, &here)?;
        let slots = schedule.slots(&here, start, end);
        let preview = |i: usize| {
            let before = schedule.dag.predecessors(i);
            WaiterPreview {
                name: here[i].name.to_string(),
                hook: match here[i].kind {
                    Kind::Hook(priority) => Some(priority),
                    Kind::Waiter | Kind::Work => None,
                },
                start: before.iter().map(|&b| slots[b].last).max().unwrap_or(start),
                deadline: slots[i].last,
                least: here[i].least + here[i].fallback.unwrap_or_default(),
                after: before.iter().map(|&b| here[b].name.to_string()).collect(),
            }
        };
        Ok(schedule.dag.order().iter().map(|&i| preview(i)).collect())
    }
}

impl Preview {
    /// Every participant, with the name of its phase.
    pub fn waiters(&self) -> impl Iterator<Item = (&str, &WaiterPreview)> {
        self.phases.iter().flat_map(|phase| phase.waiters.iter().map(|w| (&*phase.name, w)))
    }

    /// How the phases and the reserve add up to the cap.
    pub fn sum(&self) -> String {
        let phases = self.phases.iter().map(|phase| {
            let rest = if phase.is_elastic { " (what is left)" } else { "" };
            format!("{} {}{rest}", phase.name, seconds(phase.end.saturating_sub(phase.start)))
        });
        let all: Vec<String> =
            phases.chain([format!("last words {}", seconds(self.reserve))]).collect();
        format!("{} = {}", all.join(" + "), seconds(self.cap))
    }

    /// The drawing behind the text.
    pub fn timeline(&self) -> Timeline {
        let title = format!("the plan: at most {}", seconds(self.cap));
        let mut timeline = Timeline::new(title, self.cap);
        for phase in self.phases.iter().filter(|phase| phase.start < phase.end) {
            let span = Some((phase.start, phase.end));
            let label = phase.name.clone();
            let note = String::new();
            timeline.push(Row { label, is_group: true, span, tone: Tone::Quiet, note });
            for waiter in &phase.waiters {
                let span = Some((waiter.start, waiter.deadline));
                let (label, note) = (waiter.name.clone(), waiter.note());
                timeline.push(Row { label, is_group: false, span, tone: Tone::Open, note });
            }
        }
        timeline
    }
}

impl WaiterPreview {
    fn note(&self) -> String {
        let mut notes = Vec::new();
        if let Some(priority) = self.hook {
            notes.push(format!("hook {priority:?}"));
        } else if !self.after.is_empty() {
            notes.push(format!("after {}", self.after.join(", ")));
        }
        if !self.least.is_zero() {
            notes.push(format!("needs {} at least", seconds(self.least)));
        }
        notes.join("; ")
    }
}

/// `{preview:80}` draws it 80 columns wide at most.
impl fmt::Display for Preview {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.timeline().fmt(f)?;
        write!(f, "\n\n{}", self.sum())
    }
}
