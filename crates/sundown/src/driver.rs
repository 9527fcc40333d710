//! The thin async side of a run: waits for what happens, tells the machine, does what it says.

use std::collections::HashMap;
use std::future::pending;
use std::panic::resume_unwind;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{Instrument as _, Span};

use crate::alert::Alert;
use crate::panics::{message_of, quietly};
use crate::pending::ask;
use crate::run::member::{At, Fault, Kind, Leg, MemberId, State};
use crate::run::{Action, Event, Mark, Return};
use crate::sync::locked;
use crate::telling;
use crate::waiter::{AsyncBody, Body, Call, Name};
use crate::{Coordinator, Deadline, HandedBack, Outcome, Phase, Report, WaiterReport};

/// The longest the plan's end waits for alert callbacks that are still running.
const ALERT_PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Driver<'a> {
    coordinator: &'a Coordinator,
    began: Instant,
    span: Span,
    legs: JoinSet<(Instant, Result<HandedBack, String>)>,
    running: HashMap<Id, (MemberId, Leg)>,
    aborts: HashMap<MemberId, AbortHandle>,
    alerts: JoinSet<()>,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(coordinator: &'a Coordinator) -> Self {
        Driver {
            coordinator,
            began: Instant::now(),
            span: Span::none(),
            legs: JoinSet::new(),
            running: HashMap::new(),
            aborts: HashMap::new(),
            alerts: JoinSet::new(),
        }
    }

    /// Waits for a cause and runs the plan to its end.
    pub(crate) async fn run(mut self) -> Report {
        let hold = self.wait_for_cause().await;
        if self.coordinator.trail.borrow().ended {
            // An earlier call was dropped when only the last words were missing.
            return self.finish().await;
        }
        let mut event = Event::Begin { hold };
        loop {
            let at = self.now();
            let (actions, wake_at) = {
                let mut run = locked(&self.coordinator.run);
                run.is_work_idle = self.coordinator.work.is_empty();
                (run.next(at, event), run.wake_at())
            };
            self.note_cut(&actions);
            let mut has_finished = false;
            for action in actions {
                has_finished |= action == Action::Finish;
                self.act(action);
            }
            if has_finished {
                break;
            }
            event = self.next_event(wake_at).await;
        }
        self.finish().await
    }

    /// Waits for the cause, and for the notifications to be through; answers how long to announce.
    async fn wait_for_cause(&mut self) -> Duration {
        let coordinator = self.coordinator;
        coordinator.shutdown.wait().await;
        let began = coordinator.shutdown.began().expect("it was waited for");
        self.began = began.at;
        self.span = telling::shutdown_span(&began.cause);
        telling::began(&began.cause, coordinator.cap());
        coordinator.notifications.settle(&began.cause).await;
        let run = locked(&coordinator.run);
        match run.plan.position(&Phase::ANNOUNCE) {
            Some(place) if !began.cause.is_interactive() => run.plan.guaranteed(place),
            _ => Duration::ZERO,
        }
    }

    fn now(&self) -> At {
        self.began.elapsed()
    }

    /// What happens next. Ends of legs come before everything else: who made it, made it.
    async fn next_event(&mut self, wake_at: Option<At>) -> Event {
        let began = self.began;
        let due = async {
            match wake_at {
                Some(at) => sleep_until(began + at).await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            Some(ended) = self.legs.join_next_with_id() => self.returned(ended),
            () = self.coordinator.urgent.notified() => {
                telling::escalated();
                Event::Escalate
            }
            () = self.coordinator.nudge.notified() => Event::Tick,
            () = due => Event::Tick,
        }
    }

    /// This end and all others that are there to be had: whoever made it, made it.
    fn returned(&mut self, first: Joined) -> Event {
        let mut returns: Vec<Return> = self.return_of(first).into_iter().collect();
        while let Some(next) = self.legs.try_join_next_with_id() {
            returns.extend(self.return_of(next));
        }
        Event::Returned(returns)
    }

    fn return_of(&mut self, ended: Joined) -> Option<Return> {
        let (task, at, result) = match ended {
            Ok((task, (at, result))) => (task, at, result.map_err(Fault::Failed)),
            Err(error) if error.is_panic() => {
                let (task, payload) = (error.id(), error.into_panic());
                let message = message_of(&*payload);
                quietly(|| drop(payload));
                (task, Instant::now(), Err(Fault::Panicked(message)))
            }
            Err(aborted) => {
                // No news: it was aborted because it had ended for us.
                self.running.remove(&aborted.id());
                return None;
            }
        };
        let (id, leg) = self.running.remove(&task)?;
        Some(Return { id, leg, at: at.saturating_duration_since(self.began), result })
    }

    /// Before anybody is cut off: what they are waiting for belongs into the report.
    fn note_cut(&self, actions: &[Action]) {
        let coordinator = self.coordinator;
        let callbacks: Vec<_> = {
            let bodies = locked(&coordinator.bodies);
            let callback = |action: &Action| match action {
                Action::Abort { id } => Some((*id, bodies.get(id)?.pending.clone()?)),
                Action::Enter { .. }
                | Action::Start { .. }
                | Action::Settled { .. }
                | Action::Mark { .. }
                | Action::FreeWork
                | Action::Leave { .. }
                | Action::Finish => None,
            };
            actions.iter().filter_map(callback).collect()
        };
        locked(&coordinator.cut).extend(ask(callbacks));
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Enter { phase, until } => {
                telling::phase_begins(&phase, until.saturating_sub(self.now()));
                self.coordinator.trail.send_modify(|trail| trail.entered.push(phase));
            }
            Action::Leave { phase, took } => telling::phase_ended(&phase, took),
            Action::Start { id, leg, until } => self.start(id, leg, until),
            Action::Abort { id } => {
                if let Some(abort) = self.aborts.remove(&id) {
                    abort.abort();
                }
            }
            Action::Settled { id } => self.settled(id),
            Action::FreeWork => self.coordinator.work.free(),
            Action::Mark { phase, mark, until } => self.still_stopping(&phase, &mark, until),
            Action::Finish => self.coordinator.trail.send_modify(|trail| trail.ended = true),
        }
    }

    fn start(&mut self, id: MemberId, leg: Leg, until: At) {
        let body = {
            let mut bodies = locked(&self.coordinator.bodies);
            bodies.get_mut(&id).and_then(|bodies| match (leg, &bodies.main) {
                // It stays there for the end by force, until it has begun.
                (Leg::Main, Some(Body::Blocking(call))) => Some(Body::Blocking(call.clone())),
                (Leg::Main, _) => bodies.main.take(),
                (Leg::Fallback, _) => bodies.fallback.take(),
            })
        };
        let Some(body) = body else { return };
        let deadline = Deadline::at(self.began + until);
        let span = telling::waiter_span(&self.span, &self.name_of(id));
        let abort = match body {
            Body::Async(body) => self.legs.spawn(perform(body, deadline).instrument(span)),
            Body::Blocking(call) => {
                self.legs.spawn(perform_blocking(call, deadline).instrument(span))
            }
        };
        self.running.insert(abort.id(), (id, leg));
        self.aborts.insert(id, abort);
    }

    fn name_of(&self, id: MemberId) -> Name {
        let run = locked(&self.coordinator.run);
        run.members.get(&id).map(|member| member.name.clone()).unwrap_or_default()
    }

    /// Tells everybody who should know that a member has ended.
    fn settled(&mut self, id: MemberId) {
        self.aborts.remove(&id);
        let unused = locked(&self.coordinator.bodies).remove(&id);
        quietly(|| drop(unused));
        if self.is_owned_work(id) {
            self.close_work(id);
            if !self.coordinator.work.was_used() {
                return;
            }
        }
        let (phase, waiter) = {
            let run = locked(&self.coordinator.run);
            let Some(member) = run.members.get(&id) else { return };
            let phase = run.plan.phases[member.phase].phase.to_string();
            (phase, self.coordinator.waiter_report(member, self.now(), None))
        };
        self.tell(phase, waiter);
    }

    /// Logs, counts and alerts.
    fn tell(&mut self, phase: String, waiter: WaiterReport) {
        let outcome = waiter.outcome.expect("it has ended");
        telling::waiter_ended(&phase, &waiter, outcome);
        if matches!(outcome, Outcome::Failed | Outcome::Panicked | Outcome::TimedOut) {
            self.alert(Alert::Trouble { phase, waiter });
        }
    }

    fn alert(&mut self, alert: Alert) {
        if self.coordinator.settings.alert.is_set() {
            let callback = self.coordinator.settings.alert.clone();
            self.alerts.spawn_blocking(move || callback.call(&alert));
        }
    }

    fn is_owned_work(&self, id: MemberId) -> bool {
        let run = locked(&self.coordinator.run);
        run.members.get(&id).is_some_and(|member| member.kind == Kind::Work)
    }

    /// The time of owned work is over: aborts what is left and puts the names into its outcome.
    fn close_work(&self, id: MemberId) {
        let left = self.coordinator.work.close();
        if left.is_empty() {
            return;
        }
        telling::work_aborted(left.len());
        let names: Vec<&str> = left.iter().take(telling::NAMED).map(|work| &*work.name).collect();
        let more = left.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let detail = format!("still running: {}{more}", names.join(", "));
        if let Some(member) = locked(&self.coordinator.run).members.get_mut(&id)
            && let State::Ended { end, .. } = &mut member.state
        {
            end.detail = Some(detail);
        }
        *locked(&self.coordinator.left) = left;
    }

    fn still_stopping(&self, phase: &Phase, mark: &Mark, until: At) {
        let place = locked(&self.coordinator.run).plan.position(phase).unwrap_or_default();
        let pending = self.coordinator.pending_now();
        telling::still_stopping(phase, mark, until.saturating_sub(self.now()), |name| {
            pending.get(&(place, name.clone())).cloned()
        });
        if mark.blocking.iter().any(|(waiter, _)| waiter == Coordinator::OWNED_WORK) {
            telling::still_running(phase, &self.coordinator.work.running());
        }
    }

    /// The last words: alerts through, report saved, watchdog told.
    async fn finish(mut self) -> Report {
        self.legs.abort_all();
        let coordinator = self.coordinator;
        for (name, error) in coordinator.work.failures() {
            self.alert(Alert::WorkFailed { name: name.into_owned(), error });
        }
        let report = coordinator.report_so_far();
        coordinator.claim_last_word(report.exit()).await;
        let left = coordinator.cap().saturating_sub(self.now());
        let all = async { while self.alerts.join_next().await.is_some() {} };
        if timeout(left.mul_f64(0.5).min(ALERT_PATIENCE), all).await.is_err() {
            quietly(|| tracing::error!("an alert callback did not return in time"));
        }
        coordinator.leave_report(&report);
        telling::ended(&report);
        report
    }
}

/// Runs a body to its end, and says when that was. Errors are put into words here, where a panic
/// in their `Display` is the body's own.
async fn perform(body: AsyncBody, deadline: Deadline) -> (Instant, Result<HandedBack, String>) {
    let result = body(deadline).await.map_err(|error| chain(&*error));
    (Instant::now(), result)
}

/// The same where it may block. Its panic is the task's.
async fn perform_blocking(call: Call, deadline: Deadline) -> (Instant, Result<HandedBack, String>) {
    let span = Span::current();
    let run = move || span.in_scope(|| call.run(deadline));
    let result = match tokio::task::spawn_blocking(run).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(error) => Err(error.into()),
    };
    (Instant::now(), result.map_err(|error| chain(&*error)))
}

type Joined = Result<(Id, (Instant, Result<HandedBack, String>)), JoinError>;

/// An error with everything that caused it, in one line.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
