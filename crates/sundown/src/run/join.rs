//! Who takes part: joining and leaving a run, before it begins and while it runs.

use super::member::{At, Member, MemberId, State};
use super::schedule::Schedule;
use super::{Run, Stage};
use crate::plan::{PlanError, at_most_a_year};

impl Run {
    /// Adds a member; `member.id` is assigned here.
    pub(crate) fn join(&mut self, at: At, mut member: Member) -> Result<MemberId, PlanError> {
        let phase = member.phase;
        let key = (phase, member.name.clone());
        let name = member.name.to_string();
        let phase_name = || self.plan.phases[phase].phase.to_string();
        if self.has_passed(phase) {
            return Err(PlanError::PhasePassed { name, phase: phase_name() });
        }
        if self.names.contains(&key) {
            return Err(PlanError::DuplicateName { name, phase: phase_name() });
        }
        at_most_a_year(|| format!("a least time for `{name}`"), member.least)?;
        let fallback = member.fallback.unwrap_or_default();
        at_most_a_year(|| format!("a least time for the fallback of `{name}`"), fallback)?;
        member.id = MemberId(self.next_id);
        if self.is_checked || !matches!(self.stage, Stage::Running) {
            self.check_late(at, &member)?;
        }
        let id = member.id;
        self.next_id += 1;
        self.names.insert(key);
        self.members.insert(id, member);
        self.plan.phases[phase].members += 1;
        self.reschedule(phase);
        self.take_time_back();
        Ok(id)
    }

    /// Whether somebody can still join without breaking what was promised to the others.
    fn check_late(&self, at: At, late: &Member) -> Result<(), PlanError> {
        let all: Vec<&Member> = self.members.values().chain([late]).collect();
        let Stage::In(active) = &self.stage else {
            return self.plan.check_phase(late.phase, &all);
        };
        if active.phase != late.phase {
            return self.plan.check_phase(late.phase, &all);
        }
        let here: Vec<&Member> = all.into_iter().filter(|m| m.phase == late.phase).collect();
        let schedule = Schedule::new(&self.plan, late.phase, &here)?;
        let slots = schedule.slots(&here, active.start, active.until);
        match schedule.starved(&here, &slots, at) {
            None => Ok(()),
            Some(starved) => Err(PlanError::LeastTimes {
                phase: self.plan.phases[late.phase].phase.to_string(),
                path: vec![here[starved].name.to_string()],
                need: here[starved].least,
                budget: slots[starved].until.saturating_sub(at),
            }),
        }
    }

    /// Takes a member out that has not started yet; answers whether it did.
    pub(crate) fn leave(&mut self, id: MemberId) -> bool {
        let Some(member) = self.members.get(&id) else { return false };
        if member.state != State::Pending {
            return false;
        }
        let phase = member.phase;
        self.names.remove(&(phase, member.name.clone()));
        self.members.remove(&id);
        self.plan.phases[phase].members -= 1;
        self.reschedule(phase);
        true
    }

    fn has_passed(&self, phase: usize) -> bool {
        match &self.stage {
            Stage::Running => false,
            Stage::In(active) => phase < active.phase,
            Stage::Ended { .. } => true,
        }
    }

    fn reschedule(&mut self, phase: usize) {
        if let Stage::In(active) = &mut self.stage
            && active.phase == phase
        {
            active.reschedule(&self.plan, &self.members);
        }
    }

    /// The phase that runs has the time of later phases in which nobody takes part. When somebody
    /// joins one of them, that time goes back to it, and whoever runs has less.
    fn take_time_back(&mut self) {
        let Stage::In(active) = &mut self.stage else { return };
        let until = self.plan.until(active.phase, active.start);
        if until >= active.until {
            return;
        }
        self.records[active.phase].until = Some(until);
        for id in active.shorten(until) {
            if let Some(member) = self.members.get_mut(&id) {
                member.state.shorten(until);
            }
        }
        let phase = active.phase;
        self.reschedule(phase);
    }
}
