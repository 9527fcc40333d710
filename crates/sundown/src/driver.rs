//! The thin async side of a run: waits for what happens, tells the machine, does what it says.

use std::collections::HashMap;
use std::future::pending;
use std::time::Duration;

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Instrument as _;

use crate::alert::Alert;
use crate::panics::message_of;
use crate::run::member::{At, Fault, Kind, Leg, MemberId, State};
use crate::run::{Action, Event, Mark};
use crate::saved::write_termination_message;
use crate::sync::locked;
use crate::telling::{self, quietly};
use crate::waiter::{BodyResult, Name};
use crate::watchdog::LastWord;
use crate::{Coordinator, Deadline, Outcome, Phase, Report, WaiterReport};

/// The longest the plan's end waits for alert callbacks that are still running.
const ALERT_PATIENCE: Duration = Duration::from_secs(5);

pub(crate) struct Driver<'a> {
    coordinator: &'a Coordinator,
    began: Instant,
    legs: JoinSet<BodyResult>,
    running: HashMap<Id, (MemberId, Leg)>,
    aborts: HashMap<MemberId, AbortHandle>,
    alerts: JoinSet<()>,
}

impl<'a> Driver<'a> {
    pub(crate) fn new(coordinator: &'a Coordinator) -> Self {
        Driver {
            coordinator,
            began: Instant::now(),
            legs: JoinSet::new(),
            running: HashMap::new(),
            aborts: HashMap::new(),
            alerts: JoinSet::new(),
        }
    }

    /// Waits for a cause and runs the plan to its end.
    pub(crate) async fn run(mut self) -> Report {
        let hold = self.wait_for_cause().await;
        let span = telling::shutdown_span(self.coordinator.shutdown.cause());
        self.run_plan(hold).instrument(span).await
    }

    async fn run_plan(mut self, hold: Duration) -> Report {
        let mut event = Event::Begin { hold };
        loop {
            let at = self.now();
            let (actions, wake_at) = {
                let mut run = locked(&self.coordinator.run);
                (run.next(at, event), run.wake_at())
            };
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
            // The end of an aborted leg is no news, but looking again does no harm.
            Some(ended) = self.legs.join_next_with_id() => {
                self.returned(ended).unwrap_or(Event::Tick)
            }
            () = self.coordinator.urgent.notified() => {
                telling::escalated();
                Event::Escalate
            }
            () = self.coordinator.nudge.notified() => Event::Tick,
            () = due => Event::Tick,
        }
    }

    fn returned(&mut self, ended: Result<(Id, BodyResult), JoinError>) -> Option<Event> {
        let (task, result) = match ended {
            Ok((task, result)) => (task, result.map_err(|error| Fault::Failed(chain(&*error)))),
            Err(error) if error.is_panic() => {
                let task = error.id();
                (task, Err(Fault::Panicked(message_of(&*error.into_panic()))))
            }
            Err(aborted) => {
                self.running.remove(&aborted.id());
                return None;
            }
        };
        let (id, leg) = self.running.remove(&task)?;
        Some(Event::Returned { id, leg, result })
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
            Action::Mark { phase, mark, until } => self.still_stopping(&phase, &mark, until),
            Action::Finish => self.coordinator.trail.send_modify(|trail| trail.ended = true),
        }
    }

    fn start(&mut self, id: MemberId, leg: Leg, until: At) {
        let body = {
            let mut bodies = locked(&self.coordinator.bodies);
            bodies.get_mut(&id).and_then(|bodies| match leg {
                Leg::Main => bodies.main.take(),
                Leg::Fallback => bodies.fallback.take(),
            })
        };
        let Some(body) = body else { return };
        let deadline = Deadline::at(self.began + until);
        let span = telling::waiter_span(&self.name_of(id));
        let abort = self.legs.spawn(async move { body(deadline).await }.instrument(span));
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
        drop(unused);
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
        let alerting = matches!(outcome, Outcome::Failed | Outcome::Panicked | Outcome::TimedOut);
        if alerting && self.coordinator.settings.alert.is_set() {
            let alert = self.coordinator.settings.alert.clone();
            self.alerts.spawn_blocking(move || alert.call(&Alert::Trouble { phase, waiter }));
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
        telling::still_stopping(phase, mark, until.saturating_sub(self.now()));
        if mark.blocking.iter().any(|(waiter, _)| waiter == Coordinator::OWNED_WORK) {
            telling::still_running(phase, &self.coordinator.work.running());
        }
    }

    /// The last words: alerts through, report saved, watchdog told.
    async fn finish(mut self) -> Report {
        self.legs.abort_all();
        let left = self.coordinator.cap().saturating_sub(self.now());
        let all = async { while self.alerts.join_next().await.is_some() {} };
        if timeout(left.mul_f64(0.5).min(ALERT_PATIENCE), all).await.is_err() {
            quietly(|| tracing::error!("an alert callback did not return in time"));
        }
        let report = self.coordinator.report_so_far();
        self.coordinator.leave_report(&report).await;
        telling::ended(&report);
        report
    }
}

impl Coordinator {
    /// Puts the report where it outlives the process, and lets the watchdog count down the rest.
    /// If the watchdog was quicker it is ending the process: `main` must not be faster.
    pub(crate) async fn leave_report(&self, report: &Report) {
        if self.last_word.set(LastWord::Plan(report.exit())).is_err() {
            pending::<()>().await;
        }
        self.write_report(report);
        if let Some(watch) = self.watch.get() {
            watch.has_ended(report.exit());
        }
    }

    /// Writes the report wherever it was asked for; what fails is logged, and changes nothing.
    pub(crate) fn write_report(&self, report: &Report) {
        if let Some(file) = &self.settings.report_file
            && let Err(error) = file.write(report)
        {
            let path = file.path().display();
            quietly(|| tracing::error!(%path, %error, "cannot save the shutdown report"));
        }
        let path = &self.settings.termination_message;
        if let Err(error) = write_termination_message(path, &report.to_line()) {
            let path = path.display();
            quietly(|| tracing::error!(%path, %error, "cannot leave the termination message"));
        }
    }
}

/// An error with everything that caused it, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
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
