//! Turns the state of a run into a report, at its end or in the middle of it.

use std::collections::HashMap;
use std::sync::TryLockError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::coordinator::Bodies;
use crate::notifications::Record;
use crate::pending::{PendingFn, ask};
use crate::report::{
    Blocked, Force, LeftWork, NotificationReport, PhaseReport, Verdict, WorkFailure,
};
use crate::run::member::{At, Kind, Member, MemberId, State};
use crate::run::{Run, Stage};
use crate::sync::locked;
use crate::waiter::Name;
use crate::work::StillRunning;
use crate::{Cause, Coordinator, Exit, Outcome, Pending, PlanError, Report, WaiterReport};

/// How many pieces of owned work that were left are named.
const LEFT: usize = 100;

impl Coordinator {
    /// What happened so far; the last word once the run has ended.
    pub(crate) fn report_so_far(&self) -> Report {
        let (mut report, callbacks) = {
            let run = locked(&self.run);
            let report = self.report_of(&run, locked(&self.left).clone(), None);
            (report, pending_callbacks(&run, &locked(&self.bodies)))
        };
        add_pending(&mut report, callbacks);
        report
    }

    /// What those who run now are waiting for, by phase and name.
    pub(crate) fn pending_now(&self) -> HashMap<Place, Pending> {
        let callbacks = pending_callbacks(&locked(&self.run), &locked(&self.bodies));
        ask(callbacks)
    }

    /// The report of a process that is being ended by force. Waits for no lock: whoever holds one
    /// may never run again.
    pub(crate) fn forced_report(&self, by: Force) -> Report {
        let run = (0..20).find_map(|_| match self.run.try_lock() {
            Ok(run) => Some(run),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                std::thread::park_timeout(Duration::from_millis(1));
                None
            }
        });
        let left = self.work.try_running().unwrap_or_default();
        let mut report = match run {
            Some(run) => {
                let mut report = self.report_of(&run, left, Some(by));
                let bodies = self.bodies.try_lock();
                let callbacks = bodies.map(|bodies| pending_callbacks(&run, &bodies));
                drop(run);
                add_pending(&mut report, callbacks.unwrap_or_default());
                report
            }
            None => self.frame(self.began_ago(), left),
        };
        report.verdict = Verdict::Forced { by };
        report.exit_code = Some(Exit::Forced.code());
        report
    }

    pub(crate) fn refused_report(&self, error: &PlanError) -> Report {
        Report {
            verdict: Verdict::Refused { error: error.to_string() },
            exit_code: Some(Exit::Usage.code()),
            cap: self.cap(),
            ..Report::running()
        }
    }

    fn report_of(&self, run: &Run, left: Vec<StillRunning>, force: Option<Force>) -> Report {
        let now = match run.stage {
            Stage::Ended { at } => at,
            Stage::Running | Stage::In(_) => self.began_ago(),
        };
        let shows = |member: &&Member| member.kind != Kind::Work || self.work.was_used();
        let phases = run.plan.phases.iter().zip(&run.records).enumerate();
        let phases = phases.map(|(index, (planned, record))| PhaseReport {
            name: planned.phase.to_string(),
            start: record.start,
            deadline: record.until,
            end: record.end,
            waiters: run
                .members
                .values()
                .filter(|member| member.phase == index)
                .filter(shows)
                .map(|member| self.waiter_report(member, now, force))
                .collect(),
            blocked: record
                .marks
                .iter()
                .map(|mark| Blocked {
                    percent: mark.percent,
                    by: mark.blocking.iter().map(|(name, _)| name.to_string()).collect(),
                })
                .collect(),
        });
        let mut report =
            Report { phases: phases.collect(), escalated: run.escalated, ..self.frame(now, left) };
        if let Stage::Ended { .. } = run.stage {
            self.judge(&mut report);
        }
        report
    }

    fn began_ago(&self) -> Duration {
        self.shutdown.began().map(|began| began.at.elapsed()).unwrap_or_default()
    }

    /// What can be said without looking at the run.
    fn frame(&self, now: At, left: Vec<StillRunning>) -> Report {
        let began = self.shutdown.began();
        let failures = self.work.failures().into_iter();
        Report {
            cause: began.map(|began| began.cause.clone()),
            began_unix_ms: began.map(|began| wall_clock_at(began.at)),
            cap: self.cap(),
            elapsed: now,
            notifications: began.map(|b| self.notification_reports(b.at)).unwrap_or_default(),
            left_count: left.len() as u64,
            left: left.into_iter().take(LEFT).map(LeftWork::from).collect(),
            failures: failures
                .map(|(name, error)| WorkFailure { name: name.into_owned(), error })
                .collect(),
            refused: self.work.refused(),
            ..Report::running()
        }
    }

    /// The verdict over a run that came to its end.
    fn judge(&self, report: &mut Report) {
        let is_bad = report.trouble().next().is_some()
            || report.left_count > 0
            || !report.failures.is_empty()
            || matches!(report.cause, Some(Cause::Failed { .. }))
            || report.notifications.iter().any(|note| !note.outcome.is_good());
        let exit = if is_bad {
            Exit::Failed
        } else if self.settings.tells_interrupted && report.handed_back() > 0 {
            Exit::Interrupted
        } else {
            Exit::Clean
        };
        report.verdict = if is_bad { Verdict::Failed } else { Verdict::Clean };
        report.exit_code = Some(exit.code());
    }

    pub(crate) fn waiter_report(
        &self,
        member: &Member,
        now: At,
        force: Option<Force>,
    ) -> WaiterReport {
        let mut report = WaiterReport {
            name: member.name.to_string(),
            hook: match member.kind {
                Kind::Hook(priority) => Some(priority),
                Kind::Waiter | Kind::Work => None,
            },
            start: None,
            deadline: None,
            end: None,
            outcome: None,
            detail: None,
            handed_back: 0,
            pending: locked(&self.cut).get(&member.id).cloned(),
        };
        match &member.state {
            State::Pending => {
                report.outcome = force.map(|_| Outcome::Skipped);
                report.detail = force.map(|_| "the plan did not get to it".to_owned());
            }
            State::Running { since, until, .. } => {
                report.start = Some(*since);
                report.deadline = Some(*until);
                report.outcome = force.map(cut_off);
            }
            State::FallingBack { since, until, fault } => {
                report.start = Some(*since);
                report.deadline = Some(*until);
                report.outcome = force.map(cut_off);
                report.detail = Some(format!("{fault}; in its fallback"));
            }
            State::Ended { since, until, at, end } => {
                report.start = *since;
                report.deadline = *until;
                report.end = Some(*at);
                report.outcome = Some(end.outcome);
                report.detail = end.detail.clone();
                report.handed_back = end.handed_back;
            }
        }
        if force.is_some() && report.end.is_none() && report.start.is_some() {
            report.end = Some(now);
        }
        report
    }

    fn notification_reports(&self, began: Instant) -> Vec<NotificationReport> {
        let report = |Record { name, start, end }: Record| NotificationReport {
            name: name.to_string(),
            outcome: match &end {
                None => Outcome::TimedOut,
                Some((_, None)) => Outcome::Done,
                Some((_, Some(_))) => Outcome::Panicked,
            },
            start: start.saturating_duration_since(began),
            took: end.as_ref().map(|(at, _)| at.saturating_duration_since(start)),
            detail: end.and_then(|(_, panic)| panic),
        };
        self.notifications.records().into_iter().map(report).collect()
    }
}

/// A participant's phase, by its place in the plan, and its name.
pub(crate) type Place = (usize, Name);

fn pending_callbacks(run: &Run, bodies: &HashMap<MemberId, Bodies>) -> Vec<(Place, PendingFn)> {
    let running = run.members.values().filter(|member| member.state.since().is_some());
    let callback = |member: &Member| {
        let pending = bodies.get(&member.id)?.pending.clone()?;
        Some(((member.phase, member.name.clone()), pending))
    };
    running.filter_map(callback).collect()
}

/// Adds what those who still run are waiting for. No lock is held meanwhile.
fn add_pending(report: &mut Report, callbacks: Vec<(Place, PendingFn)>) {
    for ((phase, name), pending) in ask(callbacks) {
        let waiters = report.phases.get_mut(phase).map(|phase| phase.waiters.iter_mut());
        if let Some(waiter) = waiters.into_iter().flatten().find(|waiter| waiter.name == *name) {
            waiter.pending = Some(pending);
        }
    }
}

fn cut_off(by: Force) -> Outcome {
    match by {
        Force::Cap => Outcome::TimedOut,
        Force::ThirdSignal => Outcome::Aborted,
    }
}

#[expect(clippy::disallowed_methods, reason = "a person reads when it began")]
fn wall_clock_at(instant: Instant) -> u64 {
    let at = SystemTime::now().checked_sub(instant.elapsed());
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

impl From<StillRunning> for LeftWork {
    fn from(work: StillRunning) -> Self {
        LeftWork { name: work.name.to_string(), age: work.age, on_thread: work.on_thread }
    }
}
