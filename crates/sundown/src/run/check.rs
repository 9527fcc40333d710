//! What can be known of a plan before the shutdown, with everybody who takes part in it.

use std::collections::BTreeSet;

use super::member::Member;
use super::schedule::Schedule;
use crate::plan::{Plan, PlanError, listed};

impl Plan {
    /// Everything that can be known before the shutdown: names, cycles, least times.
    pub(crate) fn check(&self, members: &[&Member]) -> Result<(), PlanError> {
        self.check_budgets()?;
        self.check_names(members)?;
        (0..self.phases.len()).try_for_each(|phase| self.check_phase(phase, members))
    }

    fn check_names(&self, members: &[&Member]) -> Result<(), PlanError> {
        let names: BTreeSet<&str> = members.iter().map(|member| &*member.name).collect();
        let phases_of = |name: &str| -> BTreeSet<usize> {
            members.iter().filter(|m| m.name == name).map(|m| m.phase).collect()
        };
        for order in &self.orders {
            if let Some(name) = order.iter().find(|name| !names.contains(name.as_str())) {
                let known = listed(names.iter().copied());
                return Err(PlanError::UnknownName { name: name.clone(), known });
            }
            for pair in order.windows(2) {
                if phases_of(&pair[0]).is_disjoint(&phases_of(&pair[1])) {
                    let [before, after] = [&pair[0], &pair[1]].map(String::clone);
                    return Err(PlanError::NoSharedPhase { before, after });
                }
            }
        }
        Ok(())
    }

    /// One phase: no cycle, and its least times fit.
    pub(crate) fn check_phase(&self, phase: usize, members: &[&Member]) -> Result<(), PlanError> {
        let here: Vec<&Member> = members.iter().copied().filter(|m| m.phase == phase).collect();
        let schedule = Schedule::new(self, phase, &here)?;
        let budget = self.guaranteed(phase);
        let name = self.phases[phase].phase.to_string();
        if let Some(first) = here.iter().find(|_| budget.is_zero()) {
            return Err(PlanError::NoTime { name: first.name.to_string(), phase: name });
        }
        let (need, path) = schedule.least_path(&here);
        if need > budget {
            return Err(PlanError::LeastTimes { phase: name, path, need, budget });
        }
        Ok(())
    }
}
