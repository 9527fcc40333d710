//! Every crime is planted once, and must be found, alone.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::evidence::State;
use crate::ledger::{Call, Step};

const SECOND: Duration = Duration::from_secs(1);

/// A command that was interrupted once, in step 1, when its replica was killed, a count to 2, and a call:
/// nothing is wrong with them.
pub(super) fn innocent() -> Evidence {
    let said = "step 2\ncheckpoint: 2\nstep 3\ncheckpoint: 3\nstep 4\ncheckpoint: 4\nstep 5\n\
                checkpoint: 5\nby 2\n";
    let command = json!({
        "id": "1", "kind": "command", "state": "succeeded", "attempt": 2, "failures": 0,
        "interruptions": 1, "input": { "command": "slow" }, "output": { "stdout": said },
        "error": null, "key": "a", "last_event": 7, "created_at": 1000, "started_at": 3000,
        "ended_at": 5000,
    });
    let count = json!({
        "id": "2", "kind": "count", "state": "succeeded", "attempt": 1, "failures": 0,
        "interruptions": 0, "input": { "to": 2 }, "output": { "counted": 2, "from": 0 },
        "error": null, "key": "b", "last_event": 2, "created_at": 1000, "started_at": 1000,
        "ended_at": 3000,
    });
    let call = json!({
        "id": "3", "kind": "http", "state": "succeeded", "attempt": 1, "failures": 0,
        "interruptions": 0, "input": { "url": "http://127.0.0.1:9/call/x" },
        "output": { "status": 200, "body": "done" }, "error": null, "key": "x", "last_event": 0,
        "created_at": 1000, "started_at": 5000, "ended_at": 6000,
    });
    let ack = |task, key: &str| Promise::Ack { task, key: key.to_owned() };
    let life = || "first".to_owned();
    Evidence {
        promises: vec![
            ack(1, "a"),
            ack(2, "b"),
            ack(2, "b"),
            Promise::Done { task: 1, at: 6 * SECOND },
        ],
        runs: vec![
            run(Step::Start, 1, 1, 0),
            run(Step::Start, 2, 3, 1),
            run(Step::Finish, 2, 4, 1),
        ],
        calls: vec![Call { name: "x".to_owned(), key: "key-3".to_owned(), at: 5 * SECOND }],
        troubles: vec![
            Trouble::Told { life: life(), at: 2 * SECOND },
            Trouble::Ended { life: life(), at: 2 * SECOND },
        ],
        tasks: [command, count, call].map(|task| serde_json::from_value(task).unwrap()).to_vec(),
        events: BTreeMap::from([
            (3, Vec::new()),
            (
                1,
                vec![
                    told(1, "progress", 1, json!({ "line": "step 1" })),
                    told(2, "interrupted", 1, "killed".into()),
                    told(3, "progress", 2, json!({ "line": "step 2" })),
                    told(4, "progress", 2, json!({ "line": "step 3" })),
                    told(5, "progress", 2, json!({ "line": "step 4" })),
                    told(6, "progress", 2, json!({ "line": "step 5" })),
                    told(7, "progress", 2, json!({ "line": "by 2" })),
                ],
            ),
            (
                2,
                vec![
                    told(1, "progress", 1, json!({ "done": 1 })),
                    told(2, "progress", 1, json!({ "done": 2 })),
                ],
            ),
        ]),
    }
}

pub(super) fn run(step: Step, attempt: u32, second: u32, checkpoint: u64) -> Run {
    let life = if attempt == 1 { "first" } else { "second" };
    Run { step, task: 1, attempt, at: second * SECOND, life: life.to_owned(), checkpoint }
}

pub(super) fn told(seq: u64, name: &str, attempt: u32, data: Value) -> Told {
    let at = if attempt == 1 { 2 * SECOND } else { 4 * SECOND };
    Told { seq, name: name.to_owned(), at, attempt, data }
}

/// Plants something, and demands to find that and nothing else.
#[track_caller]
pub(super) fn check(crime: Crime, of: i64, plant: impl FnOnce(&mut Evidence)) {
    let mut evidence = innocent();
    plant(&mut evidence);
    let findings = judge(&evidence);
    let found: Vec<(Crime, i64)> =
        findings.iter().map(|finding| (finding.crime, finding.of)).collect();
    assert_eq!(found, [(crime, of)], "{findings:?}");
}

pub(super) fn events(evidence: &mut Evidence, task: i64) -> &mut Vec<Told> {
    evidence.events.get_mut(&task).unwrap()
}

#[test]
fn the_innocent_are_let_go() {
    assert_eq!(judge(&innocent()), []);
}

#[test]
fn what_was_acknowledged_must_be_there() {
    check(Crime::Lost, 9, |evidence| {
        evidence.promises.push(Promise::Ack { task: 9, key: "c".to_owned() });
    });
}

#[test]
fn what_is_there_must_have_been_done() {
    check(Crime::Lost, 2, |evidence| evidence.tasks[1].state = State::Pending);
    check(Crime::Lost, 2, |evidence| evidence.tasks[1].state = State::Dead);
    check(Crime::Lost, 2, |evidence| evidence.tasks[1].output = None);
}

#[test]
fn a_success_needs_a_run_that_came_to_its_end() {
    check(Crime::Lost, 1, |evidence| evidence.runs.truncate(2));
    check(Crime::Lost, 1, |evidence| evidence.runs[2] = run(Step::Finish, 1, 4, 0));
}

#[test]
fn events_are_whole() {
    check(Crime::Lost, 1, |evidence| drop(events(evidence, 1).remove(3)));
    check(Crime::Lost, 2, |evidence| drop(evidence.events.remove(&2)));
}

#[test]
fn nothing_begins_after_its_end_was_committed() {
    check(Crime::Rerun, 1, |evidence| evidence.runs.push(run(Step::Start, 1, 7, 0)));
    check(Crime::Rerun, 1, |evidence| evidence.runs.push(run(Step::Start, 3, 4, 0)));
    check(Crime::Rerun, 1, |evidence| evidence.runs.push(run(Step::Start, 2, 4, 1)));
}

#[test]
fn an_end_that_was_told_counts_though_the_task_has_another_now() {
    check(Crime::Rerun, 1, |evidence| {
        evidence.promises[3] = Promise::Done { task: 1, at: 2 * SECOND };
    });
}

#[test]
fn what_was_done_and_run_again_before_anybody_looked_is_found() {
    check(Crime::Rerun, 2, |evidence| {
        evidence.tasks[1].kind = "command".to_owned();
        evidence.tasks[1].input = json!({ "command": "quick" });
        evidence.tasks[1].output = Some(json!({ "stdout": "by 2\n" }));
        evidence.tasks[1].attempt = 2;
        evidence.tasks[1].last_event = 0;
        events(evidence, 2).clear();
        for (attempt, second) in [(1, 1), (2, 2)] {
            for step in [Step::Start, Step::Finish] {
                evidence.runs.push(Run { task: 2, ..run(step, attempt, second, 0) });
            }
        }
    });
}

#[test]
fn an_attempt_too_many_is_found() {
    check(Crime::Rerun, 2, |evidence| {
        evidence.tasks[1].attempt = 2;
        evidence.tasks[1].output = Some(json!({ "counted": 2, "from": 2 }));
    });
    // One that left no trace, when nothing was wrong with anybody.
    check(Crime::Rerun, 2, |evidence| {
        evidence.tasks[1].attempt = 2;
        for event in events(evidence, 2) {
            (event.attempt, event.at) = (2, SECOND * 3 / 2);
        }
    });
}

#[test]
fn what_was_given_back_by_a_replica_that_stops_leaves_no_trace() {
    let mut evidence = innocent();
    evidence.tasks[1].attempt = 2;
    evidence.tasks[1].started_at = Some(3 * SECOND);
    events(&mut evidence, 2).iter_mut().for_each(|event| event.attempt = 2);
    assert_eq!(judge(&evidence), []);
}

#[test]
fn an_attempt_is_over_before_the_next_one_begins() {
    check(Crime::Rerun, 1, |evidence| events(evidence, 1)[1].at = SECOND * 7 / 2);
    check(Crime::Rerun, 1, |evidence| {
        evidence.tasks[0].last_event = 6;
        evidence.tasks[0].interruptions = 0;
        events(evidence, 1).remove(1);
        (1..).zip(events(evidence, 1)).for_each(|(seq, event)| event.seq = seq);
    });
}

#[test]
fn two_attempts_at_once_need_an_excuse() {
    let late = |evidence: &mut Evidence| evidence.runs.push(run(Step::Finish, 1, 4, 0));
    // The shim may need a moment after its service was killed.
    let mut excused = innocent();
    late(&mut excused);
    assert_eq!(judge(&excused), []);
    check(Crime::Abreast, 1, |evidence| {
        evidence.runs.push(run(Step::Finish, 1, 10, 0));
    });
    check(Crime::Abreast, 1, |evidence| {
        late(evidence);
        evidence.troubles.clear();
    });
    // That another one was frozen is none.
    let frozen =
        |life: &str| Trouble::Frozen { life: life.to_owned(), from: SECOND, to: 3 * SECOND };
    check(Crime::Abreast, 1, |evidence| {
        late(evidence);
        evidence.troubles = vec![frozen("second")];
    });
    let mut excused = innocent();
    late(&mut excused);
    excused.troubles = vec![frozen("first")];
    assert_eq!(judge(&excused), []);
    excused.troubles = vec![Trouble::Store { from: SECOND, to: 3 * SECOND }];
    assert_eq!(judge(&excused), []);
}

#[test]
fn an_older_attempt_is_silent() {
    check(Crime::Superseded, 1, |evidence| events(evidence, 1)[3].attempt = 1);
    // Between its end and the first word of its heir, too.
    check(Crime::Superseded, 1, |evidence| {
        events(evidence, 1)[2].attempt = 1;
        events(evidence, 1)[2].at = 2 * SECOND;
    });
    // And if the heir says nothing, from its first moment on.
    check(Crime::Superseded, 1, |evidence| events(evidence, 1)[0].at = 4 * SECOND);
    check(Crime::Superseded, 2, |evidence| events(evidence, 2)[1].attempt = 3);
}

#[test]
fn what_was_over_does_not_succeed() {
    check(Crime::Superseded, 2, |evidence| {
        evidence.tasks[1].interruptions = 1;
        evidence.tasks[1].last_event = 3;
        events(evidence, 2).push(told(3, "interrupted", 1, "killed".into()));
    });
}

#[test]
fn the_output_is_that_of_the_last_attempt() {
    check(Crime::Superseded, 1, |evidence| {
        evidence.tasks[0].output = Some(json!({ "stdout": "step 1\nby 1\n" }));
    });
    for output in [json!({ "counted": 1, "from": 0 }), json!({ "counted": 2, "from": 7 })] {
        check(Crime::Superseded, 2, |evidence| evidence.tasks[1].output = Some(output));
    }
}

#[test]
fn attempts_go_on_from_the_checkpoint() {
    check(Crime::Superseded, 2, |evidence| events(evidence, 2)[1].data = json!({ "done": 1 }));
    check(Crime::Superseded, 1, |evidence| {
        events(evidence, 1)[3].data = json!({ "line": "step 4" });
    });
    check(Crime::Superseded, 1, |evidence| evidence.runs[1].checkpoint = 3);
    // Success without the steps behind the checkpoint.
    check(Crime::Superseded, 1, |evidence| {
        evidence.tasks[0].last_event = 2;
        events(evidence, 1).truncate(2);
    });
}

#[test]
fn one_key_is_one_task() {
    check(Crime::Doubled, 2, |evidence| {
        evidence.tasks[1].key = Some("a".to_owned());
        evidence
            .promises
            .retain(|promise| !matches!(promise, Promise::Ack { key, .. } if key == "b"));
    });
}

#[test]
fn interruptions_are_no_failures_and_each_is_told() {
    check(Crime::Burned, 2, |evidence| evidence.tasks[1].failures = 1);
    check(Crime::Burned, 2, |evidence| evidence.tasks[1].interruptions = 1);
}

#[test]
fn only_what_is_meant_to_fail_fails() {
    let failed = |evidence: &mut Evidence| {
        evidence.tasks[0].interruptions = 0;
        evidence.tasks[0].failures = 1;
        events(evidence, 1)[1].name = "failed".to_owned();
    };
    check(Crime::Burned, 1, failed);
    let mut meant = innocent();
    failed(&mut meant);
    meant.runs.push(run(Step::Fail, 1, 2, 0));
    assert_eq!(judge(&meant), []);
}

#[test]
fn a_command_ends_with_its_service() {
    check(Crime::Orphan, 77, |evidence| evidence.troubles.push(Trouble::Orphan { process: 77 }));
}
