//! One phase's schedule: who waits for whom, and the deadline of each, reckoned backwards from
//! the end of the phase so that nobody starves its successors.

use std::time::Duration;

use super::member::{At, Kind, Member, MemberId, State};
use crate::dag::{Cycle, Dag};
use crate::plan::{Plan, PlanError};

/// What one that declares no least time is granted at the most when it has a predecessor.
const GRANT: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct Schedule {
    pub(crate) ids: Vec<MemberId>,
    pub(crate) dag: Dag,
}

/// When a member must be done: its body, and its fallback after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) until: At,
    pub(crate) last: At,
}

impl Schedule {
    /// The graph of one phase's members: the application's edges, then hooks by priority.
    pub(crate) fn new(plan: &Plan, phase: usize, here: &[&Member]) -> Result<Self, PlanError> {
        let mut edges = application_edges(plan, here);
        edges.extend(hook_edges(here));
        let dag = Dag::new(here.len(), edges).map_err(|Cycle(path)| {
            let back_to_start = path.iter().chain(path.first());
            PlanError::Cycle {
                phase: plan.phases[phase].phase.to_string(),
                path: back_to_start.map(|&i| here[i].name.to_string()).collect(),
            }
        })?;
        Ok(Schedule { ids: here.iter().map(|member| member.id).collect(), dag })
    }

    /// Nobody waits for anybody: what is left when an order is impossible after all.
    pub(crate) fn unordered(here: &[&Member]) -> Self {
        let dag = Dag::new(here.len(), []).expect("no edges, no cycle");
        Schedule { ids: here.iter().map(|member| member.id).collect(), dag }
    }

    /// Whether everybody can still have the least time it declared, seen from `now`: nobody may
    /// start later than that, because of the clock or of somebody who runs before it.
    pub(crate) fn starved(&self, here: &[&Member], slots: &[Slot], now: At) -> Option<usize> {
        (0..here.len()).find(|&i| {
            let member = here[i];
            if member.state != State::Pending || member.least.is_zero() {
                return false;
            }
            let before = self.dag.predecessors(i).iter().filter_map(|&p| here[p].state.until());
            let earliest = before.max().unwrap_or(now).max(now);
            slots[i].until.saturating_sub(member.least) < earliest
        })
    }

    /// The chain whose declared least times add up to the most.
    pub(crate) fn least_path(&self, here: &[&Member]) -> (Duration, Vec<String>) {
        let (need, path) = self.dag.critical_path(&declared(here));
        (need, path.iter().map(|&i| here[i].name.to_string()).collect())
    }

    /// Everybody's deadlines in a phase that runs from `start` to `end`.
    ///
    /// Declared least times are kept exactly. Of the time that is left over, those who declared
    /// none are granted a little, never more than half of it in all, so that whoever comes last
    /// in a line of silent ones can still do something.
    pub(crate) fn slots(&self, here: &[&Member], start: At, end: At) -> Vec<Slot> {
        let window = end.saturating_sub(start);
        let (need, _) = self.dag.critical_path(&declared(here));
        let silent: Vec<Duration> =
            here.iter().map(|member| Duration::from_nanos(silent_legs(member))).collect();
        let (longest, _) = self.dag.critical_path(&silent);
        let lines = u32::try_from(longest.as_nanos()).unwrap_or(u32::MAX).max(1);
        let grant = GRANT.min(window.saturating_sub(need) / lines.saturating_mul(2));

        let weight: Vec<Duration> = here
            .iter()
            .map(|member| own_least(member, grant) + fallback_least(member, grant))
            .collect();
        let after = self.dag.chain_after(&weight);
        here.iter()
            .zip(after)
            .map(|(member, after)| {
                let last = end.saturating_sub(after);
                Slot { until: last.saturating_sub(fallback_least(member, grant)), last }
            })
            .collect()
    }
}

fn declared(here: &[&Member]) -> Vec<Duration> {
    here.iter().map(|member| member.least + member.fallback.unwrap_or_default()).collect()
}

fn silent_legs(member: &Member) -> u64 {
    u64::from(member.least.is_zero()) + u64::from(member.fallback.is_some_and(|l| l.is_zero()))
}

fn own_least(member: &Member, grant: Duration) -> Duration {
    if member.least.is_zero() { grant } else { member.least }
}

fn fallback_least(member: &Member, grant: Duration) -> Duration {
    match member.fallback {
        None => Duration::ZERO,
        Some(least) if least.is_zero() => grant,
        Some(least) => least,
    }
}

/// Each order holds for those of its names that are in this phase.
fn application_edges(plan: &Plan, here: &[&Member]) -> Vec<(usize, usize)> {
    let place = |name: &String| here.iter().position(|member| member.name == *name);
    let mut edges = Vec::new();
    for order in &plan.orders {
        let present: Vec<usize> = order.iter().filter_map(place).collect();
        edges.extend(present.windows(2).map(|pair| (pair[0], pair[1])));
    }
    edges
}

/// Hooks run one by one in the order of priority, then of registration, after all waiters. What
/// comes while a hook runs waits for that one, whoever it is.
fn hook_edges(here: &[&Member]) -> Vec<(usize, usize)> {
    let is_hook = |member: &Member| matches!(member.kind, Kind::Hook(_));
    let mut pending: Vec<_> = here
        .iter()
        .enumerate()
        .filter(|(_, member)| member.state == State::Pending)
        .filter_map(|(i, member)| match member.kind {
            Kind::Hook(priority) => Some((priority, member.id, i)),
            Kind::Waiter | Kind::Work => None,
        })
        .collect();
    pending.sort_unstable();
    let mut edges: Vec<_> = pending.windows(2).map(|pair| (pair[0].2, pair[1].2)).collect();
    if let Some(&(_, _, first)) = pending.first() {
        let waiters = here.iter().enumerate().filter(|(_, member)| !is_hook(member));
        edges.extend(waiters.map(|(i, _)| (i, first)));
    }
    if let Some(running) = here.iter().position(|m| is_hook(m) && m.state.until().is_some()) {
        let others = here.iter().enumerate().filter(|(_, m)| m.state == State::Pending);
        edges.extend(others.map(|(i, _)| (running, i)));
    }
    edges
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Priority, phase::Budget};

    fn member(id: u64, name: &'static str, least: u64) -> Member {
        Member {
            id: MemberId(id),
            name: name.into(),
            phase: 0,
            kind: Kind::Waiter,
            least: Duration::from_millis(least),
            fallback: None,
            state: State::Pending,
        }
    }

    fn slots(orders: &[&[&str]], members: &[Member], window: u64) -> Vec<u128> {
        let mut plan = Plan::standard(Duration::from_secs(60), Budget::Fixed(Duration::ZERO));
        plan.phases[0].budget = Budget::Fixed(Duration::from_millis(window));
        plan.orders = orders.iter().map(|o| o.iter().map(ToString::to_string).collect()).collect();
        let here: Vec<&Member> = members.iter().collect();
        let schedule = Schedule::new(&plan, 0, &here).expect("no cycle");
        let slots = schedule.slots(&here, Duration::ZERO, Duration::from_millis(window));
        slots.iter().map(|slot| slot.until.as_millis()).collect()
    }

    #[test]
    fn a_predecessor_leaves_the_least_times_of_all_that_follow() {
        let members = [member(0, "web", 0), member(1, "tasks", 3000), member(2, "db", 2000)];
        assert_eq!(slots(&[&["web", "tasks", "db"]], &members, 10_000), [5000, 8000, 10_000]);
    }

    #[test]
    fn silent_successors_are_granted_a_little() {
        let members = [member(0, "a", 0), member(1, "b", 0), member(2, "c", 0)];
        assert_eq!(slots(&[&["a", "b", "c"]], &members, 10_000), [9000, 9500, 10_000]);
        assert_eq!(slots(&[&["a", "b", "c"]], &members, 60), [40, 50, 60]);
    }

    #[test]
    fn a_fallback_has_time_of_its_own() {
        let mut saver = member(0, "save", 0);
        saver.fallback = Some(Duration::from_millis(700));
        assert_eq!(slots(&[], &[saver], 1000), [300]);
    }

    #[test]
    fn hooks_come_after_waiters_and_by_priority() {
        let mut late = member(0, "late", 100);
        late.kind = Kind::Hook(Priority::Cleanup);
        let mut first = member(1, "first", 10);
        first.kind = Kind::Hook(Priority::Critical);
        assert_eq!(slots(&[], &[late, first, member(2, "waiter", 0)], 1000), [1000, 900, 890]);
    }

    fn at(millis: u64) -> At {
        Duration::from_millis(millis)
    }

    fn running(mut member: Member, until: u64) -> Member {
        member.state = State::Running { since: at(0), until: at(until), last: at(until) };
        member
    }

    fn hook(mut member: Member) -> Member {
        member.kind = Kind::Hook(Priority::Normal);
        member
    }

    fn schedule(orders: &[&[&str]], members: &[Member]) -> Schedule {
        let mut plan = Plan::standard(Duration::from_secs(60), Budget::Fixed(Duration::ZERO));
        plan.orders = orders.iter().map(|o| o.iter().map(ToString::to_string).collect()).collect();
        Schedule::new(&plan, 0, &members.iter().collect::<Vec<_>>()).expect("no cycle")
    }

    /// Who cannot have its least time any more, in a phase of 10 s.
    fn starved(orders: &[&[&str]], members: &[Member], now: u64) -> Option<usize> {
        let here: Vec<&Member> = members.iter().collect();
        let schedule = schedule(orders, members);
        let slots = schedule.slots(&here, Duration::ZERO, at(10_000));
        schedule.starved(&here, &slots, at(now))
    }

    #[test]
    fn who_can_start_in_time_for_its_least_time_is_not_starved() {
        let alone = [member(0, "a", 3000)];
        assert_eq!(starved(&[], &alone, 7000), None);
        assert_eq!(starved(&[], &alone, 7001), Some(0));
        assert_eq!(starved(&[], &[member(0, "a", 0)], 9999), None, "it declared none");
        assert_eq!(starved(&[], &[running(member(0, "a", 3000), 10_000)], 9000), None, "it runs");
    }

    #[test]
    fn who_runs_before_it_may_take_its_least_time_away() {
        let members = |until| [running(member(0, "a", 0), until), member(1, "b", 3000)];
        assert_eq!(starved(&[&["a", "b"]], &members(7000), 0), None);
        assert_eq!(starved(&[&["a", "b"]], &members(7001), 0), Some(1));
        assert_eq!(starved(&[&["a", "b"]], &members(5000), 7001), Some(1), "and so may the clock");
    }

    #[test]
    fn a_chain_needs_the_least_times_of_its_bodies_and_of_their_fallbacks() {
        let mut saver = member(0, "save", 3000);
        saver.fallback = Some(at(1000));
        let members = [saver, member(1, "close", 2000), member(2, "other", 5000)];
        let here: Vec<&Member> = members.iter().collect();
        let need = schedule(&[&["save", "close"]], &members).least_path(&here);
        assert_eq!(need, (at(6000), vec!["save".to_owned(), "close".to_owned()]));
    }

    #[test]
    fn a_silent_fallback_is_granted_time_as_a_silent_body_is() {
        let mut saver = member(0, "save", 0);
        saver.fallback = Some(Duration::ZERO);
        assert_eq!(slots(&[], &[saver.clone()], 10_000), [9500]);
        // Two silent legs share half of what there is.
        assert_eq!(slots(&[], &[saver.clone()], 80), [60]);
        // Who comes before it leaves time for both of its legs.
        let members = [member(0, "a", 0), saver.clone()];
        assert_eq!(slots(&[&["a", "save"]], &members, 10_000), [9000, 9500]);
        // After it comes one that declared 60 of 140: half of the other 80 for two silent legs.
        let members = [saver, member(1, "close", 60)];
        assert_eq!(slots(&[&["save", "close"]], &members, 140), [60, 140]);
    }

    #[test]
    fn what_comes_while_a_hook_runs_waits_for_it_and_for_nobody_else_that_runs() {
        let members = [
            running(hook(member(0, "hook", 0)), 100),
            member(1, "late", 0),
            hook(member(2, "x", 0)),
        ];
        let dag = schedule(&[], &members).dag;
        assert_eq!(dag.predecessors(1), [0]);
        assert!(dag.predecessors(2).contains(&0) && dag.predecessors(2).contains(&1));
        let members = [running(member(0, "web", 0), 100), member(1, "late", 0)];
        assert!(schedule(&[], &members).dag.predecessors(1).is_empty(), "it is no hook");
        let members = [hook(member(0, "hook", 0)), member(1, "late", 0)];
        assert!(schedule(&[], &members).dag.predecessors(1).is_empty(), "it does not run");
    }

    #[test]
    fn an_order_skips_those_who_are_not_in_the_phase() {
        let members = [member(0, "a", 0), member(1, "c", 0)];
        assert_eq!(schedule(&[&["a", "b", "c"]], &members).dag.predecessors(1), [0]);
    }

    #[test]
    fn an_order_that_is_impossible_after_all_holds_nobody() {
        let members = [member(0, "a", 0), member(1, "b", 0)];
        let schedule = Schedule::unordered(&members.iter().collect::<Vec<_>>());
        assert_eq!(schedule.ids, [MemberId(0), MemberId(1)]);
        assert!(schedule.dag.predecessors(1).is_empty());
    }
}
