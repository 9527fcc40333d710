//! The plan: phases with their budgets under one cap, the edges the application draws, and the
//! check that finds what cannot work before there is traffic.

#[cfg(test)]
mod tests;

use std::time::Duration;

use thiserror::Error;

use crate::Phase;
use crate::phase::Budget;

/// The cap when nobody says anything.
pub(crate) const DEFAULT_CAP: Duration = Duration::from_secs(600);
/// How long a pod announces before it drains: endpoints need that long to be withdrawn.
pub(crate) const KUBERNETES_ANNOUNCE: Duration = Duration::from_secs(3);
/// The budget of `flush` and of `release` where there is time enough.
const USUAL: Duration = Duration::from_secs(5);
/// No time in a plan is longer than a year, so that none of its sums can overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// Why a plan cannot be run. Each names the culprit and says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The fixed budgets leave nothing for the elastic phase.
    #[error(
        "the fixed budgets ({budgets}) need {need:?} of a cap of {cap:?} and leave nothing to \
         drain in (lower them with `budget`, or raise the cap)"
    )]
    BudgetsExceedCap {
        /// Phase by phase.
        budgets: String,
        /// Their sum, with what the last words need.
        need: Duration,
        /// The cap.
        cap: Duration,
    },
    /// A time that nobody can mean.
    #[error("{what} of {given:?} is longer than a year (say what is meant)")]
    TooLong {
        /// Which time.
        what: String,
        /// How long.
        given: Duration,
    },
    /// Nobody takes part.
    #[error(
        "the plan is empty: no waiter, hook, notification or owned work is registered, so a \
         shutdown would lose whatever runs (register what must end well, before `check`)"
    )]
    Empty,
    /// A phase that the plan does not have.
    #[error(
        "`{name}` names the phase `{phase}`, which the plan does not have (it has: {known}; add \
         it with `phase_before` or `phase_after`)"
    )]
    UnknownPhase {
        /// Who names it.
        name: String,
        /// The phase.
        phase: String,
        /// What there is.
        known: String,
    },
    /// A phase added twice.
    #[error("the phase `{phase}` is added twice (a phase has one place in the plan)")]
    DuplicatePhase {
        /// Its name.
        phase: String,
    },
    /// An edge names nobody.
    #[error("`{name}` is ordered but nobody registered it (registered: {known})")]
    UnknownName {
        /// The name.
        name: String,
        /// Who there is.
        known: String,
    },
    /// Two participants of one phase share a name.
    #[error("`{name}` is registered twice in the phase `{phase}` (names are unique in a phase)")]
    DuplicateName {
        /// The name.
        name: String,
        /// The phase.
        phase: String,
    },
    /// Edges that lead back to where they came from.
    #[error("the order of the phase `{phase}` is a cycle: {} (drop one of its edges)", path.join(" → "))]
    Cycle {
        /// The phase.
        phase: String,
        /// The names on it, the first one again at the end.
        path: Vec<String>,
    },
    /// An edge between two that never share a phase.
    #[error(
        "`{before}` is ordered before `{after}`, but they share no phase: phases alone decide \
         between them (drop the edge, or move one of them)"
    )]
    NoSharedPhase {
        /// Who was to be first.
        before: String,
        /// Who was to follow.
        after: String,
    },
    /// Least times that add up to more than the phase has.
    #[error(
        "the phase `{phase}` has {budget:?}, but {} need {need:?} one after the other (raise its \
         budget or the cap, or lower their least times)", path.join(" → ")
    )]
    LeastTimes {
        /// The phase.
        phase: String,
        /// The chain that does not fit.
        path: Vec<String>,
        /// What it needs.
        need: Duration,
        /// What there is.
        budget: Duration,
    },
    /// A waiter in a phase that has no time.
    #[error(
        "`{name}` is registered in the phase `{phase}`, which has no time here (give it a \
         `budget`, or register in another phase)"
    )]
    NoTime {
        /// The waiter.
        name: String,
        /// The phase.
        phase: String,
    },
    /// Too late for an edge: the shutdown has begun.
    #[error("the order {} came too late: the shutdown has begun", order.join(" → "))]
    HasBegun {
        /// The names.
        order: Vec<String>,
    },
    /// Too late: the phase has passed.
    #[error("`{name}` came too late: the phase `{phase}` has passed")]
    PhasePassed {
        /// Who came.
        name: String,
        /// For what.
        phase: String,
    },
}

/// Phases, budgets and edges. Who takes part is not in here: participants come and go.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) cap: Duration,
    pub(crate) phases: Vec<PlannedPhase>,
    pub(crate) orders: Vec<Vec<String>>,
}

#[derive(Debug, Clone)]
pub(crate) struct PlannedPhase {
    pub(crate) phase: Phase,
    pub(crate) budget: Budget,
    /// How many take part in it.
    pub(crate) members: usize,
}

impl Plan {
    /// The four standard phases with their standard budgets.
    pub(crate) fn standard(cap: Duration, announce: Budget) -> Self {
        let planned = |phase, budget| PlannedPhase { phase, budget, members: 0 };
        let phases = vec![
            planned(Phase::ANNOUNCE, announce),
            planned(Phase::DRAIN, Budget::Elastic),
            planned(Phase::FLUSH, Budget::Usual(USUAL)),
            planned(Phase::RELEASE, Budget::Usual(USUAL)),
        ];
        Plan { cap, phases, orders: Vec::new() }
    }

    /// What is kept back at the end of the cap for the last words: report, alerts.
    pub(crate) fn reserve(&self) -> Duration {
        reserve_of(self.cap)
    }

    /// The fixed time of a phase. A budget that nobody has set takes at most a third of what the
    /// others leave, so that a short cap alone makes a plan that works.
    pub(crate) fn fixed_part(&self, phase: usize) -> Duration {
        let room = self.cap.saturating_sub(self.reserve());
        match self.phases[phase].budget {
            Budget::Elastic => Duration::ZERO,
            Budget::Fixed(budget) => budget,
            Budget::Usual(usual) if self.phases[phase].phase == Phase::ANNOUNCE => {
                usual.min(room / 3)
            }
            Budget::Usual(usual) => {
                let taken: Duration = (0..self.phases.len())
                    .filter(|&other| {
                        matches!(self.phases[other].budget, Budget::Fixed(_))
                            || self.phases[other].phase == Phase::ANNOUNCE
                    })
                    .map(|other| self.fixed_part(other))
                    .sum();
                usual.min(room.saturating_sub(taken) / 3)
            }
        }
    }

    /// The fixed time that is kept for a phase: none where nobody takes part. `announce` lasts as long
    /// as it is told to, whoever takes part.
    pub(crate) fn kept_for(&self, phase: usize) -> Duration {
        let planned = &self.phases[phase];
        let is_used = planned.members > 0 || planned.phase == Phase::ANNOUNCE;
        if is_used { self.fixed_part(phase) } else { Duration::ZERO }
    }

    fn kept_for_all(&self, phases: impl Iterator<Item = usize>) -> Duration {
        phases.map(|phase| self.kept_for(phase)).sum()
    }

    /// When, counted from the start of the shutdown, a phase must have ended whatever happens.
    pub(crate) fn latest_end(&self, phase: usize) -> Duration {
        let later = self.kept_for_all(phase + 1..self.phases.len());
        self.cap.saturating_sub(self.reserve() + later)
    }

    /// The time a phase is sure to have, even when every phase before it uses all of its own.
    pub(crate) fn guaranteed(&self, phase: usize) -> Duration {
        match self.phases[phase].budget {
            Budget::Fixed(_) | Budget::Usual(_) => self.fixed_part(phase),
            Budget::Elastic => {
                let kept = self.kept_for_all(0..self.phases.len());
                self.cap.saturating_sub(self.reserve() + kept)
            }
        }
    }

    /// When a phase that starts at this instant must end. One that starts late, because the runtime
    /// was held up, shares what is left of the cap with those that come after it.
    pub(crate) fn until(&self, phase: usize, start: Duration) -> Duration {
        let latest = self.latest_end(phase);
        if self.phases[phase].budget == Budget::Elastic {
            return latest.max(start);
        }
        let budget = self.fixed_part(phase);
        if start + budget <= latest {
            return start + budget;
        }
        let left = self.cap.saturating_sub(self.reserve()).saturating_sub(start);
        let still_to_come = budget + self.kept_for_all(phase + 1..self.phases.len());
        let share = budget.as_secs_f64() / still_to_come.as_secs_f64().max(f64::MIN_POSITIVE);
        start + left.mul_f64(share.min(1.0))
    }

    pub(crate) fn position(&self, phase: &Phase) -> Option<usize> {
        self.phases.iter().position(|planned| planned.phase == *phase)
    }

    /// Where a participant's phase stands in the plan.
    pub(crate) fn find(&self, phase: &Phase, name: &str) -> Result<usize, PlanError> {
        self.position(phase).ok_or_else(|| PlanError::UnknownPhase {
            name: name.to_owned(),
            phase: phase.to_string(),
            known: listed(self.phases.iter().map(|planned| planned.phase.name())),
        })
    }

    /// That the fixed budgets leave something to drain in.
    pub(crate) fn check_budgets(&self) -> Result<(), PlanError> {
        at_most_a_year(|| "a cap".to_owned(), self.cap)?;
        let all = || (0..self.phases.len()).map(|phase| (phase, self.fixed_part(phase)));
        for (phase, part) in all() {
            at_most_a_year(|| format!("a budget for `{}`", self.phases[phase].phase), part)?;
        }
        let need = all().map(|(_, part)| part).sum::<Duration>() + self.reserve();
        if need < self.cap {
            return Ok(());
        }
        let budgets = all().filter(|(_, part)| !part.is_zero());
        Err(PlanError::BudgetsExceedCap {
            budgets: budgets
                .map(|(phase, part)| format!("{} {part:?}", self.phases[phase].phase))
                .collect::<Vec<_>>()
                .join(" + "),
            need,
            cap: self.cap,
        })
    }
}

/// What is kept back of a cap for the last words.
pub(crate) fn reserve_of(cap: Duration) -> Duration {
    (cap / 50).clamp(Duration::from_millis(10), Duration::from_millis(250))
}

pub(crate) fn at_most_a_year(
    what: impl FnOnce() -> String,
    given: Duration,
) -> Result<(), PlanError> {
    if given <= LONGEST { Ok(()) } else { Err(PlanError::TooLong { what: what(), given }) }
}

/// Names as an error lists them.
pub(crate) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}
