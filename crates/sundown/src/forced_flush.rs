//! What must not be lost, when the process is ended by force: the waiters of `flush` that need no runtime are
//! run by threads, if the plan has not come to them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use crate::driver::chain;
use crate::panics::message_of;
use crate::run::member::{Fault, Leg, MemberEvent, MemberId, State};
use crate::sync::locked;
use crate::waiter::{Body, CallBody};
use crate::{Coordinator, Deadline, Phase};

impl Coordinator {
    /// Runs them all at once, each on a thread of its own, and waits for them during half of what is left
    /// until then: the other half is the report's. Edges between them do not hold here.
    pub(crate) fn flush_by_force(&self, until: Instant) {
        let calls = self.calls_of_flush();
        if calls.is_empty() {
            return;
        }
        let until = Instant::now() + until.saturating_duration_since(Instant::now()) / 2;
        let deadline = Deadline::at(until.into());
        let (done, ended) = sync_channel(calls.len());
        for (id, call) in calls {
            self.note_forced(
                id,
                MemberEvent::Start { until: self.at(until), last: self.at(until) },
            );
            let done = done.clone();
            let run = move || {
                let result = match catch_unwind(AssertUnwindSafe(|| call(deadline))) {
                    Ok(result) => result.map_err(|error| Fault::Failed(chain(&*error))),
                    Err(panic) => Err(Fault::Panicked(message_of(&*panic))),
                };
                // Whoever waits may have given up.
                let _ = done.send((id, result));
            };
            if thread::Builder::new().name("sundown-flush".to_owned()).spawn(run).is_err() {
                tracing::error!("cannot start a thread to flush on");
            }
        }
        drop(done);
        while let Ok((id, result)) =
            ended.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            self.note_forced(id, MemberEvent::Returned { leg: Leg::Main, result });
        }
    }

    /// The bodies of those that have not ended and not begun: whose turn has not come, or who found no thread.
    /// Whoever takes one runs it; the plan finds it gone.
    fn calls_of_flush(&self) -> Vec<(MemberId, CallBody)> {
        let run = locked(&self.run);
        let Some(flush) = run.plan.position(&Phase::FLUSH) else { return Vec::new() };
        let bodies = locked(&self.bodies);
        let call = |id| match bodies.get(&id)?.main.as_ref()? {
            Body::Blocking(call) => Some((id, call.take()?)),
            Body::Async(_) => None,
        };
        let waiting = run.members.values();
        let waiting =
            waiting.filter(|it| it.phase == flush && !matches!(it.state, State::Ended { .. }));
        waiting.filter_map(|it| call(it.id)).collect()
    }

    /// Puts it into the report.
    fn note_forced(&self, id: MemberId, event: MemberEvent) {
        let at = self.at(Instant::now());
        if let Some(member) = locked(&self.run).members.get_mut(&id) {
            member.state = member.state.clone().next(at, event, false);
        }
    }

    /// Counted from the beginning of the shutdown.
    fn at(&self, instant: Instant) -> std::time::Duration {
        let began = self.shutdown.began().map(|began| began.at.into_std());
        began.map(|began| instant.saturating_duration_since(began)).unwrap_or_default()
    }
}
