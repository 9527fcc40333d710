//! Who takes part: participants join a phase and leave it again.

use super::Bodies;
use crate::run::member::{Kind, Member, MemberId, State};
use crate::sync::locked;
use crate::waiter::Fallback;
use crate::{Coordinator, Phase, PlanError, Waiter};

impl Coordinator {
    pub(super) fn join_owned_work(&self) {
        let work = self.work.clone();
        let drained = Waiter::new(Self::OWNED_WORK, |_deadline| async move {
            work.close_when_empty().await;
        });
        self.join(drained, Some(Kind::Work)).expect("a new plan has `drain`, and nobody in it");
    }

    pub(super) fn join(&self, waiter: Waiter, kind: Option<Kind>) -> Result<MemberId, PlanError> {
        let Waiter { name, phase, least, priority, body, fallback, pending } = waiter;
        let (usual_phase, usual_kind) = match priority {
            Some(priority) => (Phase::RELEASE, Kind::Hook(priority)),
            None => (Phase::DRAIN, Kind::Waiter),
        };
        let phase = phase.unwrap_or(usual_phase);
        let (fallback, fallback_least) = match fallback {
            Some(Fallback { body, least }) => (Some(body), Some(least)),
            None => (None, None),
        };
        let mut run = locked(&self.run);
        let member = Member {
            id: MemberId(0),
            phase: run.plan.find(&phase, &name)?,
            name,
            kind: kind.unwrap_or(usual_kind),
            least,
            fallback: fallback_least,
            state: State::Pending,
        };
        let at = self.shutdown.began().map(|began| began.at.elapsed()).unwrap_or_default();
        let id = run.join(at, member)?;
        // Under the same lock: the driver must find the body of whoever it is told to start.
        locked(&self.bodies).insert(id, Bodies { main: Some(body), fallback, pending });
        Ok(id)
    }

    pub(super) fn leave(&self, id: MemberId) {
        let left = locked(&self.run).leave(id);
        if left {
            let bodies = locked(&self.bodies).remove(&id);
            drop(bodies);
            self.nudge.notify_one();
        }
    }
}
