//! One run of the plan as a pure machine: events in, actions out, no clock and no await.
//!
//! The driver tells it what happened and when, does what it answers, and decides nothing.

pub(crate) mod active;
mod check;
mod join;
pub(crate) mod member;
pub(crate) mod schedule;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use self::active::Active;
use self::member::{At, Fault, Kind, Leg, Member, MemberEvent, MemberId, State};
use crate::plan::{Plan, PlanError};
use crate::waiter::Name;
use crate::{HandedBack, Phase};

/// Where the run stands.
#[derive(Debug)]
pub(crate) enum Stage {
    Running,
    In(Box<Active>),
    Ended { at: At },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The shutdown was initiated. `hold` says how long to announce at least.
    Begin { hold: Duration },
    /// Bodies and fallbacks came to an end: all that did since the last event, so that nobody is
    /// taken to be late who was not.
    Returned(Vec<Return>),
    /// Time has passed.
    Tick,
    /// The second signal: cut short whatever comes before `flush`.
    Escalate,
}

/// The end of one leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Return {
    pub(crate) id: MemberId,
    pub(crate) leg: Leg,
    pub(crate) at: At,
    pub(crate) result: Result<HandedBack, Fault>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Tell the subscribers.
    Enter { phase: Phase, until: At },
    /// Run this leg of a member until then.
    Start { id: MemberId, leg: Leg, until: At },
    /// Stop whatever this member is running.
    Abort { id: MemberId },
    /// A member has ended: log it, count it, alert.
    Settled { id: MemberId },
    /// So much of the phase's time is gone, and these are still running.
    Mark { phase: Phase, mark: Mark, until: At },
    /// Owned work may end for good once there is none.
    FreeWork,
    /// A phase has ended.
    Leave { phase: Phase, took: Duration },
    /// Nothing is left to do.
    Finish,
}

/// Who was still running when a share of a phase's time was gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) percent: u8,
    pub(crate) blocking: Vec<(Name, Duration)>,
}

/// What is remembered of a phase that was entered or passed over.
#[derive(Debug, Clone, Default)]
pub(crate) struct PhaseRecord {
    pub(crate) start: Option<At>,
    pub(crate) until: Option<At>,
    pub(crate) end: Option<At>,
    pub(crate) marks: Vec<Mark>,
}

#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) members: BTreeMap<MemberId, Member>,
    pub(crate) records: Vec<PhaseRecord>,
    pub(crate) stage: Stage,
    pub(crate) escalated: Option<At>,
    names: HashSet<(usize, Name)>,
    next_id: u64,
    /// How long to announce at least.
    hold: Duration,
    /// No owned work runs: whoever stands for it only waits for others who could begin some.
    pub(crate) is_work_idle: bool,
    /// Nobody calls `check` any more: what comes now must not break what was checked.
    is_checked: bool,
}

impl Run {
    pub(crate) fn new(plan: Plan) -> Self {
        let records = vec![PhaseRecord::default(); plan.phases.len()];
        Run {
            plan,
            members: BTreeMap::new(),
            records,
            stage: Stage::Running,
            escalated: None,
            names: HashSet::new(),
            next_id: 0,
            hold: Duration::ZERO,
            is_work_idle: false,
            is_checked: false,
        }
    }

    /// Whether the plan, with everybody who is in it now, can work.
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        self.plan.check(&self.members.values().collect::<Vec<_>>())
    }

    /// The same for the last time: from here on whoever comes is checked when it comes.
    pub(crate) fn check_for_good(&mut self) -> Result<(), PlanError> {
        self.check()?;
        self.is_checked = true;
        Ok(())
    }

    /// Adds edges.
    pub(crate) fn order(&mut self, names: Vec<String>) -> Result<(), PlanError> {
        if !matches!(self.stage, Stage::Running) {
            return Err(PlanError::HasBegun { order: names });
        }
        self.plan.orders.push(names);
        if self.is_checked
            && let Err(error) = self.check()
        {
            self.plan.orders.pop();
            return Err(error);
        }
        Ok(())
    }

    /// The table of the run's stages.
    pub(crate) fn next(&mut self, at: At, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match (&mut self.stage, event) {
            (Stage::Running, Event::Begin { hold }) => {
                self.hold = hold;
                self.enter(0, at, &mut actions);
            }
            (Stage::In(_), Event::Returned(returns)) => {
                for Return { id, leg, at: ended, result } in returns {
                    let event = MemberEvent::Returned { leg, result };
                    self.step(id, ended.min(at), event, &mut actions);
                }
            }
            (Stage::In(_), Event::Tick) => {}
            (Stage::In(_), Event::Escalate) => self.escalate(at, &mut actions),
            (Stage::Running, Event::Returned(_) | Event::Tick | Event::Escalate)
            | (Stage::In(_), Event::Begin { .. })
            | (
                Stage::Ended { .. },
                Event::Begin { .. } | Event::Returned(_) | Event::Tick | Event::Escalate,
            ) => {}
        }
        self.advance(at, &mut actions);
        actions
    }

    /// When the next [`Event::Tick`] is due, if nothing else happens before.
    pub(crate) fn wake_at(&self) -> Option<At> {
        match &self.stage {
            Stage::In(active) => active.wake_at(),
            Stage::Running | Stage::Ended { .. } => None,
        }
    }

    /// Does everything that is due at this instant, phase by phase.
    fn advance(&mut self, at: At, actions: &mut Vec<Action>) {
        loop {
            self.mark(at, actions);
            self.expire(at, actions);
            self.start_ready(at, actions);
            let Stage::In(active) = &mut self.stage else { return };
            if active.frees_work() {
                actions.push(Action::FreeWork);
            }
            if !active.is_over(at) {
                return;
            }
            let phase = active.phase;
            self.close(phase, at, actions);
            self.enter(phase + 1, at, actions);
        }
    }

    /// Says who is still running when another share of the phase's time has gone.
    fn mark(&mut self, at: At, actions: &mut Vec<Action>) {
        if let Stage::In(active) = &mut self.stage
            && let Some(mark) = active.mark_due(at, &self.members, self.is_work_idle)
        {
            let phase = self.plan.phases[active.phase].phase.clone();
            self.records[active.phase].marks.push(mark.clone());
            actions.push(Action::Mark { phase, mark, until: active.until });
        }
    }

    /// Ends every leg whose deadline has come.
    fn expire(&mut self, at: At, actions: &mut Vec<Action>) {
        while let Stage::In(active) = &mut self.stage
            && let Some(id) = active.pop_expired(at)
        {
            self.step(id, at, MemberEvent::DeadlinePassed, actions);
        }
    }

    /// Starts everybody whose predecessors have ended, whatever their outcome.
    fn start_ready(&mut self, at: At, actions: &mut Vec<Action>) {
        while let Stage::In(active) = &mut self.stage
            && let Some((id, slot)) = active.pop_ready()
        {
            let event = if at < slot.last {
                MemberEvent::Start { until: slot.until.max(at), last: slot.last }
            } else {
                MemberEvent::Skip { why: "no time was left for it".to_owned() }
            };
            self.step(id, at, event, actions);
        }
    }

    /// One member's transition, and what follows from it.
    fn step(&mut self, id: MemberId, at: At, event: MemberEvent, actions: &mut Vec<Action>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let before = std::mem::replace(&mut member.state, State::Pending);
        let was_until = before.until();
        let had_ended = before.has_ended();
        let cuts = matches!(event, MemberEvent::DeadlinePassed | MemberEvent::Abort);
        // With nothing to cut it was done.
        let event = match member.kind {
            Kind::Work if cuts && was_until.is_some() && self.is_work_idle => {
                MemberEvent::Returned { leg: Leg::Main, result: Ok(HandedBack::default()) }
            }
            Kind::Work | Kind::Waiter | Kind::Hook(_) => event,
        };
        member.state = before.next(at, event, member.fallback.is_some());
        let until = member.state.until();
        let ended_now = member.state.has_ended() && !had_ended;
        if cuts && was_until.is_some() {
            actions.push(Action::Abort { id });
        }
        if let Stage::In(active) = &mut self.stage {
            active.retime(id, was_until, until);
            if ended_now {
                active.settle(id, member.kind == Kind::Work);
            }
        }
        match &member.state {
            State::Running { until, .. } if was_until.is_none() => {
                actions.push(Action::Start { id, leg: Leg::Main, until: *until });
            }
            State::FallingBack { until, .. } if was_until != Some(*until) => {
                actions.push(Action::Start { id, leg: Leg::Fallback, until: *until });
            }
            State::Ended { .. } if ended_now => actions.push(Action::Settled { id }),
            State::Pending
            | State::Running { .. }
            | State::FallingBack { .. }
            | State::Ended { .. } => {}
        }
    }

    fn escalate(&mut self, at: At, actions: &mut Vec<Action>) {
        let Stage::In(active) = &self.stage else { return };
        let current = active.phase;
        let flush = self.plan.position(&Phase::FLUSH).expect("every plan has the standard phases");
        self.escalated.get_or_insert(at);
        if current >= flush {
            return;
        }
        let cut = |member: &&Member| (current..flush).contains(&member.phase);
        let ids: Vec<_> = self.members.values().filter(cut).map(|member| member.id).collect();
        for id in ids {
            self.step(id, at, MemberEvent::Abort, actions);
        }
        self.close(current, at, actions);
        self.enter(flush, at, actions);
    }

    fn close(&mut self, phase: usize, at: At, actions: &mut Vec<Action>) {
        let record = &mut self.records[phase];
        record.end = Some(at);
        let took = at.saturating_sub(record.start.unwrap_or(at));
        actions.push(Action::Leave { phase: self.plan.phases[phase].phase.clone(), took });
    }

    fn enter(&mut self, phase: usize, at: At, actions: &mut Vec<Action>) {
        if phase == self.plan.phases.len() {
            self.stage = Stage::Ended { at };
            actions.push(Action::Finish);
            return;
        }
        let is_announce = self.plan.phases[phase].phase == Phase::ANNOUNCE;
        let hold = if is_announce { self.hold } else { Duration::ZERO };
        let active = Active::new(&self.plan, phase, at, hold, &self.members);
        let record = &mut self.records[phase];
        record.start = Some(at);
        record.until = Some(active.until);
        let planned = self.plan.phases[phase].phase.clone();
        actions.push(Action::Enter { phase: planned, until: active.until });
        self.stage = Stage::In(Box::new(active));
    }
}
