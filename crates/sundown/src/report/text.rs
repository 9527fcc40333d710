//! Reports for people: one sentence, then the timeline.

use std::fmt;
use std::time::Duration;

use super::{Force, PhaseReport, Report, Verdict, WaiterReport};
use crate::timeline::{Row, Timeline, Tone, printable, seconds};
use crate::{Exit, Outcome};

/// `{report:80}` draws its timeline 80 columns wide at most.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", printable(&headline(self)))?;
        if !has_timeline(self) {
            return Ok(());
        }
        let timeline = self.timeline();
        let timeline = match f.width() {
            Some(width) => format!("{timeline:width$}"),
            None => timeline.to_string(),
        };
        write!(f, "\n\n{timeline}")?;
        for line in footnotes(self) {
            write!(f, "\n{}", printable(&line))?;
        }
        Ok(())
    }
}

/// In one line: name, outcome, detail.
impl fmt::Display for WaiterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", printable(&format!("{}: {}", self.name, note(self))))
    }
}

/// Whether anything of a plan happened that is known.
pub(super) fn has_timeline(report: &Report) -> bool {
    !matches!(report.verdict, Verdict::Refused { .. } | Verdict::Lost)
}

pub(super) fn headline(report: &Report) -> String {
    let cause = report.cause.as_ref().map(ToString::to_string).unwrap_or_default();
    let (elapsed, cap) = (seconds(report.elapsed), seconds(report.cap));
    let exit = report.exit().code();
    match &report.verdict {
        Verdict::Running if report.cause.is_none() => "running".to_owned(),
        Verdict::Running => format!("stopping for {elapsed} of {cap}; cause: {cause}"),
        Verdict::Clean => {
            let kept = match report.handed_back() {
                0 => String::new(),
                count => format!(", {count} handed back"),
            };
            format!("stopped cleanly in {elapsed} of {cap}{kept}; cause: {cause}; exit {exit}")
        }
        Verdict::Failed => {
            format!("stopped with trouble in {elapsed} of {cap}; cause: {cause}; exit {exit}")
        }
        Verdict::Forced { by } => {
            let by = match by {
                Force::Cap => "at the cap",
                Force::ThirdSignal => "by a third signal",
            };
            format!("ended by force {by} after {elapsed} of {cap}; cause: {cause}; exit {exit}")
        }
        Verdict::Refused { error } => {
            format!("did not run: {error}; exit {}", Exit::Usage.code())
        }
        Verdict::Lost => format!(
            "process {} ({}) ended without a report: kill -9, out of memory or power loss",
            report.process.pid, report.process.name
        ),
    }
}

pub(super) fn footnotes(report: &Report) -> Vec<String> {
    let mut notes = Vec::new();
    for notification in report.notifications.iter().filter(|n| !n.outcome.is_good()) {
        let detail = notification.detail.as_deref().unwrap_or("had not returned");
        notes.push(format!(
            "notification {}: {}: {detail}",
            notification.name, notification.outcome
        ));
    }
    for phase in &report.phases {
        if let Some(blocked) = phase.blocked.last() {
            let (percent, by) = (blocked.percent, blocked.by.join(", "));
            notes.push(format!("{}: {percent} % of its time gone, held by {by}", phase.name));
        }
        for waiter in &phase.waiters {
            let items = waiter.pending.iter().flat_map(|pending| &pending.oldest);
            notes.extend(items.map(|item| format!("{}: left {item}", waiter.name)));
        }
    }
    for failure in &report.failures {
        notes.push(format!("failed: {}: {}", failure.name, failure.error));
    }
    if report.refused > 0 {
        notes.push(format!("came too late and was not run: owned work, {} times", report.refused));
    }
    for work in &report.left {
        let held = if work.on_thread { ", holding a runtime thread" } else { "" };
        notes.push(format!("left behind: {} (ran {}{held})", work.name, seconds(work.age)));
    }
    let more = report.left_count.saturating_sub(report.left.len() as u64);
    if more > 0 {
        notes.push(format!("left behind: {more} more"));
    }
    if !notes.is_empty() {
        notes.insert(0, String::new());
    }
    notes
}

/// A row for each phase that took time or has participants, and one for each participant,
/// in the order in which they started.
pub(super) fn timeline(report: &Report) -> Timeline {
    let mut timeline = Timeline::new(headline(report), report.elapsed);
    if let Some(at) = report.escalated {
        timeline.mark(at, "second signal");
    }
    for phase in &report.phases {
        if phase.waiters.is_empty() && phase.start == phase.end {
            continue;
        }
        timeline.push(phase_row(phase, report.elapsed));
        let mut waiters: Vec<&WaiterReport> = phase.waiters.iter().collect();
        waiters.sort_by_key(|waiter| waiter.start.unwrap_or(Duration::MAX));
        for waiter in waiters {
            timeline.push(waiter_row(waiter, report.elapsed));
        }
    }
    timeline
}

fn phase_row(phase: &PhaseReport, now: Duration) -> Row {
    let span = phase.start.map(|start| (start, phase.end.unwrap_or(now)));
    let note = if span.is_none() { "passed over" } else { "" };
    Row { label: phase.name.clone(), is_group: true, span, tone: Tone::Quiet, note: note.into() }
}

fn waiter_row(waiter: &WaiterReport, now: Duration) -> Row {
    let tone = match waiter.outcome {
        None => Tone::Open,
        Some(Outcome::Done) => Tone::Good,
        Some(Outcome::Recovered) => Tone::Saved,
        Some(Outcome::Skipped) => Tone::Quiet,
        Some(Outcome::Failed | Outcome::Panicked | Outcome::TimedOut | Outcome::Aborted) => {
            Tone::Bad
        }
    };
    let note = note(waiter);
    let span = waiter.start.map(|start| (start, waiter.end.unwrap_or(now)));
    Row { label: waiter.name.clone(), is_group: false, span, tone, note }
}

fn note(waiter: &WaiterReport) -> String {
    let mut note = match waiter.outcome {
        Some(outcome) => outcome.to_string(),
        None if waiter.start.is_some() => "running".to_owned(),
        None => "waiting".to_owned(),
    };
    if waiter.handed_back > 0 {
        note.push_str(&format!(", {} handed back", waiter.handed_back));
    }
    if let Some(detail) = &waiter.detail {
        note.push_str(&format!(": {detail}"));
    }
    if let Some(pending) = &waiter.pending {
        note.push_str(&format!("; {pending}"));
    }
    note
}
