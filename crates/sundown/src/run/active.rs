//! The phase a run is in: who is ready, who is running until when, and when it is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Mark;
use super::member::{At, Kind, Member, MemberId, State};
use super::schedule::{Schedule, Slot};
use crate::plan::Plan;

/// The shares of a phase's time at which whoever still blocks it is named.
const MARKS: [u8; 3] = [50, 80, 100];

#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) phase: usize,
    pub(crate) start: At,
    pub(crate) until: At,
    /// It is not over before this, even with nobody left to wait for.
    hold_until: At,
    schedule: Schedule,
    slots: Vec<Slot>,
    /// How many predecessors of each have not ended yet.
    waiting: Vec<usize>,
    place: BTreeMap<MemberId, usize>,
    ready: Vec<usize>,
    open: usize,
    /// Who the application ordered after owned work, directly or through others.
    needs_work_gone: Vec<bool>,
    /// How many have not ended who could still begin owned work.
    work_held_by: usize,
    is_work_freed: bool,
    deadlines: BTreeSet<(At, MemberId)>,
    marks_made: usize,
}

impl Active {
    pub(crate) fn new(
        plan: &Plan,
        phase: usize,
        start: At,
        hold: Duration,
        members: &BTreeMap<MemberId, Member>,
    ) -> Self {
        let until = plan.until(phase, start);
        let mut active = Active {
            phase,
            start,
            until,
            hold_until: start.saturating_add(hold).min(until),
            schedule: Schedule { ids: Vec::new(), dag: crate::dag::Dag::empty() },
            slots: Vec::new(),
            waiting: Vec::new(),
            place: BTreeMap::new(),
            ready: Vec::new(),
            open: 0,
            needs_work_gone: Vec::new(),
            work_held_by: 0,
            is_work_freed: false,
            deadlines: BTreeSet::new(),
            marks_made: 0,
        };
        active.reschedule(plan, members);
        active
    }

    /// Reckons everything anew from who is in the phase now. Whoever runs already keeps its time.
    pub(crate) fn reschedule(&mut self, plan: &Plan, members: &BTreeMap<MemberId, Member>) {
        let here: Vec<&Member> = members.values().filter(|m| m.phase == self.phase).collect();
        // The plan was checked, and so is every late-comer: a shutdown must not panic over its
        // own plan all the same.
        let schedule =
            Schedule::new(plan, self.phase, &here).unwrap_or_else(|_| Schedule::unordered(&here));
        self.slots = schedule.slots(&here, self.start, self.until);
        let has_ended = |&node: &usize| here[node].state.has_ended();
        let open_before =
            |node| schedule.dag.predecessors(node).iter().filter(|p| !has_ended(p)).count();
        self.waiting = (0..here.len()).map(open_before).collect();
        self.place = schedule.ids.iter().copied().zip(0..).collect();
        self.open = (0..here.len()).filter(|node| !has_ended(node)).count();
        let is_ready =
            |&node: &usize| here[node].state == State::Pending && self.waiting[node] == 0;
        self.ready = (0..here.len()).filter(is_ready).collect();
        self.ready.reverse();
        let work = here.iter().position(|member| member.kind == Kind::Work);
        self.is_work_freed |= work.is_none();
        self.needs_work_gone = match work {
            Some(work) => schedule.dag.all_after(work),
            None => vec![false; here.len()],
        };
        let holds_work =
            |&node: &usize| !has_ended(&node) && Some(node) != work && !self.needs_work_gone[node];
        self.work_held_by = (0..here.len()).filter(holds_work).count();
        self.schedule = schedule;
    }

    /// Whether owned work may end for good: nobody who could begin more of it is left, but for
    /// those the application ordered after it.
    pub(crate) fn frees_work(&mut self) -> bool {
        self.work_held_by == 0 && !std::mem::replace(&mut self.is_work_freed, true)
    }

    pub(crate) fn pop_ready(&mut self) -> Option<(MemberId, Slot)> {
        let node = self.ready.pop()?;
        Some((self.schedule.ids[node], self.slots[node]))
    }

    /// Somebody whose deadline has come.
    pub(crate) fn pop_expired(&mut self, at: At) -> Option<MemberId> {
        let &(until, id) = self.deadlines.first()?;
        if until > at {
            return None;
        }
        self.deadlines.pop_first();
        Some(id)
    }

    /// A member's deadline changed.
    pub(crate) fn retime(&mut self, id: MemberId, before: Option<At>, now: Option<At>) {
        if let Some(before) = before {
            self.deadlines.remove(&(before, id));
        }
        if let Some(now) = now {
            self.deadlines.insert((now, id));
        }
    }

    /// The phase ends earlier; answers whose deadline is now earlier too.
    pub(crate) fn shorten(&mut self, until: At) -> Vec<MemberId> {
        self.until = until;
        self.hold_until = self.hold_until.min(until);
        let late = self.deadlines.split_off(&(until, MemberId(0)));
        let ids: Vec<MemberId> = late.into_iter().map(|(_, id)| id).collect();
        self.deadlines.extend(ids.iter().map(|&id| (until, id)));
        ids
    }

    /// A member has ended: its successors wait for one less.
    pub(crate) fn settle(&mut self, id: MemberId, is_work: bool) {
        let Some(&node) = self.place.get(&id) else { return };
        self.open -= 1;
        if !is_work && !self.needs_work_gone[node] {
            self.work_held_by -= 1;
        }
        for &next in self.schedule.dag.successors(node) {
            self.waiting[next] -= 1;
            if self.waiting[next] == 0 {
                self.ready.push(next);
            }
        }
    }

    /// Whether nobody is left to wait for, or there is no time left to wait.
    pub(crate) fn is_over(&self, at: At) -> bool {
        self.open == 0 && at >= self.hold_until
    }

    /// Names whoever is still running, once for each share of the time that has gone.
    pub(crate) fn mark_due(
        &mut self,
        at: At,
        members: &BTreeMap<MemberId, Member>,
        is_work_idle: bool,
    ) -> Option<Mark> {
        let passed = MARKS.iter().filter(|&&percent| at >= self.mark_at(percent)).count();
        if passed <= self.marks_made {
            return None;
        }
        self.marks_made = passed;
        let blocking: Vec<_> = self
            .deadlines
            .iter()
            .filter_map(|(_, id)| members.get(id))
            .filter(|member| member.kind != Kind::Work || !is_work_idle)
            .filter_map(|member| {
                Some((member.name.clone(), at.saturating_sub(member.state.since()?)))
            })
            .collect();
        let percent = MARKS[passed - 1];
        (!blocking.is_empty()).then_some(Mark { percent, blocking })
    }

    fn mark_at(&self, percent: u8) -> At {
        self.start + self.until.saturating_sub(self.start) * u32::from(percent) / 100
    }

    pub(crate) fn wake_at(&self) -> Option<At> {
        let deadline = self.deadlines.first().map(|&(until, _)| until);
        let mark = MARKS.get(self.marks_made).map(|&percent| self.mark_at(percent));
        let mark = mark.filter(|_| !self.deadlines.is_empty());
        let hold = (self.open == 0).then_some(self.hold_until);
        [deadline, mark, hold].into_iter().flatten().min()
    }
}
