//! Broken wishes, each planted once.

use std::time::Duration;

use super::planted::{check, events, innocent, run, told};
use super::*;
use crate::evidence::State;
use crate::ledger::Step;

const SECOND: Duration = Duration::from_secs(1);

/// Nobody needs the count any more, and it waits or runs in its only attempt.
fn unwanted(evidence: &mut Evidence) {
    evidence.tasks[1].state = State::Cancelled;
    evidence.tasks[1].output = None;
    evidence.promises.push(Promise::Wish { task: 2 });
}

fn cancelled(evidence: &mut Evidence) {
    unwanted(evidence);
    evidence.promises.push(Promise::Cancelled { task: 2, at: 3 * SECOND });
}

fn stopping(evidence: &mut Evidence) {
    unwanted(evidence);
    evidence.promises.push(Promise::Stopping { task: 2, at: 3 * SECOND });
}

/// Its attempt is cut off after it was told to stop.
fn cut_off(evidence: &mut Evidence) {
    stopping(evidence);
    evidence.tasks[1].last_event = 3;
    evidence.tasks[1].ended_at = Some(4 * SECOND);
    let mut end = told(3, "interrupted", 1, "killed".into());
    end.at = 4 * SECOND;
    events(evidence, 2).push(end);
}

#[test]
fn who_is_cancelled_as_was_wished_is_let_go() {
    for plant in [cancelled, stopping, cut_off] {
        let mut evidence = innocent();
        plant(&mut evidence);
        assert_eq!(judge(&evidence), []);
    }
}

#[test]
fn nothing_is_cancelled_that_nobody_wished_to_be() {
    check(Crime::Lost, 2, |evidence| {
        unwanted(evidence);
        evidence.promises.pop();
    });
}

#[test]
fn what_was_cancelled_stays_so() {
    check(Crime::Unwanted, 2, |evidence| {
        evidence.promises.push(Promise::Cancelled { task: 2, at: 3 * SECOND });
    });
    check(Crime::Unwanted, 2, |evidence| {
        cancelled(evidence);
        events(evidence, 2)[1].at = 4 * SECOND;
    });
    check(Crime::Unwanted, 2, |evidence| {
        cancelled(evidence);
        evidence.tasks[1].ended_at = None;
        evidence.runs.push(Run { task: 2, ..run(Step::Start, 1, 4, 0) });
    });
}

#[test]
fn what_was_told_to_stop_is_not_begun_again() {
    check(Crime::Unwanted, 2, |evidence| {
        cut_off(evidence);
        evidence.tasks[1].interruptions = 1;
        evidence.tasks[1].attempt = 2;
    });
}

#[test]
fn nothing_begins_before_its_time() {
    let later = |at| Promise::Later { key: "b".to_owned(), not_before: at };
    let mut patient = innocent();
    patient.promises.push(later(SECOND));
    assert_eq!(judge(&patient), []);
    check(Crime::Early, 2, |evidence| evidence.promises.push(later(SECOND + SECOND / 2)));
    // The task may say what it likes: its command, or its first word, tells.
    check(Crime::Early, 2, |evidence| {
        evidence.promises.push(later(3 * SECOND));
        evidence.tasks[1].started_at = Some(3 * SECOND);
    });
}

#[test]
fn what_is_handed_in_together_is_taken_in_together() {
    let batch =
        |keys: &[&str]| Promise::Batch { keys: keys.iter().map(|key| (*key).to_owned()).collect() };
    let mut whole = innocent();
    whole.promises.extend([batch(&["a", "b"]), batch(&["c", "d"])]);
    assert_eq!(judge(&whole), []);
    check(Crime::Torn, 2, |evidence| evidence.promises.push(batch(&["b", "c"])));
}
