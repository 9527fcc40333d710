//! Every crime is planted once, and must be found, alone.

use super::*;
use crate::ledger::Step;

const SECOND: Duration = Duration::from_secs(1);

/// A command that was interrupted once, in step 1, and a count to 2: nothing is wrong with them.
fn innocent() -> Evidence {
    let command = serde_json::json!({
        "id": "1", "kind": "command", "state": "succeeded", "priority": 0, "attempt": 2,
        "failures": 0, "interruptions": 1, "max_attempts": 5, "is_unwanted": false,
        "input": { "command": "slow" }, "output": { "stdout": "step 1\nstep 2\nby 2\n" },
        "error": null, "checkpoint": null, "key": "a", "last_event": 4, "created_at": 1000,
        "run_at": 1000, "started_at": 3000, "ended_at": 5000,
    });
    let count = serde_json::json!({
        "id": "2", "kind": "count", "state": "succeeded", "priority": 0, "attempt": 1,
        "failures": 0, "interruptions": 0, "max_attempts": 5, "is_unwanted": false,
        "input": { "to": 2 }, "output": { "counted": 2, "from": 0 }, "error": null,
        "checkpoint": null, "key": "b", "last_event": 2, "created_at": 1000, "run_at": 1000,
        "started_at": 1000, "ended_at": 3000,
    });
    let ack = |task, key: &str| Ack { task, key: key.to_owned() };
    Evidence {
        acks: vec![ack(1, "a"), ack(2, "b"), ack(2, "b")],
        done: vec![Done { task: 1, at: 6 * SECOND }],
        runs: vec![run(Step::Start, 1, 1), run(Step::Start, 2, 3), run(Step::Finish, 2, 4)],
        tasks: [command, count].map(|task| serde_json::from_value(task).unwrap()).to_vec(),
        events: BTreeMap::from([
            (
                1,
                vec![
                    told(1, "progress", 1, serde_json::json!({ "line": "step 1" })),
                    told(2, "interrupted", 1, "killed".into()),
                    told(3, "progress", 2, serde_json::json!({ "line": "step 1" })),
                    told(4, "progress", 2, serde_json::json!({ "line": "step 2" })),
                ],
            ),
            (
                2,
                vec![
                    told(1, "progress", 1, serde_json::json!({ "done": 1 })),
                    told(2, "progress", 1, serde_json::json!({ "done": 2 })),
                ],
            ),
        ]),
        orphans: Vec::new(),
    }
}

fn run(step: Step, attempt: u32, second: u32) -> Run {
    Run { step, task: 1, attempt, process: 7, at: second * SECOND }
}

fn told(seq: u64, name: &str, attempt: u32, data: Value) -> Told {
    let at = if attempt == 1 { 2 * SECOND } else { 4 * SECOND };
    Told { seq, name: name.to_owned(), at, attempt, data }
}

/// Plants something, and demands to find that and nothing else.
#[track_caller]
fn check(crime: Crime, of: i64, plant: impl FnOnce(&mut Evidence)) {
    let mut evidence = innocent();
    plant(&mut evidence);
    let found: Vec<(Crime, i64)> =
        judge(&evidence).into_iter().map(|finding| (finding.crime, finding.of)).collect();
    assert_eq!(found, [(crime, of)]);
}

fn events(evidence: &mut Evidence, task: i64) -> &mut Vec<Told> {
    evidence.events.get_mut(&task).unwrap()
}

#[test]
fn the_innocent_are_let_go() {
    assert_eq!(judge(&innocent()), []);
}

#[test]
fn what_was_acknowledged_must_be_there() {
    check(Crime::Lost, 9, |evidence| {
        evidence.acks.push(Ack { task: 9, key: "c".to_owned() });
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
    check(Crime::Lost, 1, |evidence| evidence.runs[2].attempt = 1);
}

#[test]
fn events_are_whole() {
    check(Crime::Lost, 1, |evidence| drop(events(evidence, 1).remove(2)));
    check(Crime::Lost, 2, |evidence| drop(evidence.events.remove(&2)));
}

#[test]
fn nothing_begins_after_its_end_was_committed() {
    check(Crime::Rerun, 1, |evidence| evidence.runs.push(run(Step::Start, 1, 7)));
    check(Crime::Rerun, 1, |evidence| evidence.runs.push(run(Step::Start, 3, 4)));
    check(Crime::Rerun, 1, |evidence| evidence.runs.push(run(Step::Start, 2, 4)));
}

#[test]
fn an_end_that_was_told_counts_though_the_task_has_another_now() {
    check(Crime::Rerun, 1, |evidence| evidence.done[0].at = 2 * SECOND);
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
fn the_output_is_that_of_the_last_attempt() {
    check(Crime::Superseded, 1, |evidence| {
        let output = serde_json::json!({ "stdout": "step 1\nby 1\n" });
        evidence.tasks[0].output = Some(serde_json::value::to_raw_value(&output).unwrap());
    });
}

#[test]
fn attempts_go_on_from_the_checkpoint() {
    check(Crime::Superseded, 2, |evidence| {
        events(evidence, 2)[1].data = serde_json::json!({ "done": 1 });
    });
    check(Crime::Superseded, 1, |evidence| {
        events(evidence, 1)[3].data = serde_json::json!({ "line": "step 4" });
    });
}

#[test]
fn one_key_is_one_task() {
    check(Crime::Doubled, 2, |evidence| {
        evidence.tasks[1].key = Some("a".to_owned());
        evidence.acks.retain(|ack| ack.key == "a");
    });
}

#[test]
fn interruptions_are_no_failures_and_each_is_told() {
    check(Crime::Burned, 2, |evidence| evidence.tasks[1].failures = 1);
    check(Crime::Burned, 2, |evidence| evidence.tasks[1].interruptions = 1);
}

#[test]
fn a_command_ends_with_its_service() {
    check(Crime::Orphan, 77, |evidence| evidence.orphans.push(77));
}
