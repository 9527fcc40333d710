//! Crimes of calls, each planted once.

use super::planted::{check, innocent, told};
use super::*;
use crate::evidence::State;
use crate::ledger::Call;

fn call(name: &str, key: &str, second: u32) -> Call {
    let at = second * std::time::Duration::from_secs(1);
    Call { name: name.to_owned(), key: key.to_owned(), at }
}

#[test]
fn a_call_that_succeeded_was_made() {
    check(Crime::Lost, 3, |evidence| evidence.calls.clear());
    check(Crime::Lost, 3, |evidence| evidence.tasks[2].state = State::Failed);
}

#[test]
fn whoever_was_called_for_is_there() {
    check(Crime::Lost, 0, |evidence| evidence.calls.push(call("nobody", "other", 5)));
}

#[test]
fn an_attempt_calls_once_and_not_after_the_end() {
    check(Crime::Rerun, 3, |evidence| evidence.calls.push(call("x", "key-3", 5)));
    check(Crime::Rerun, 3, |evidence| evidence.calls[0].at = std::time::Duration::from_secs(9));
    let mut frozen = innocent();
    let second = std::time::Duration::from_secs(1);
    frozen.calls[0].at = 9 * second;
    frozen.troubles.push(Trouble::Frozen {
        life: "a".to_owned(),
        from: 5 * second,
        to: 9 * second,
    });
    assert_eq!(judge(&frozen), [], "a call of somebody who was frozen cannot be taken back");
}

#[test]
fn a_key_tells_one_task_from_all_others() {
    check(Crime::Doubled, 3, |evidence| {
        evidence.tasks[2].attempt = 2;
        evidence.tasks[2].interruptions = 1;
        let interrupted = told(1, "interrupted", 1, "killed".into());
        evidence.events.insert(3, vec![interrupted]);
        evidence.tasks[2].last_event = 1;
        evidence.calls.push(call("x", "another", 5));
    });
    check(Crime::Doubled, 4, |evidence| {
        let mut other = evidence.tasks[2].clone();
        (other.id, other.key) = (4, Some("y".to_owned()));
        other.input = serde_json::json!({ "url": "http://127.0.0.1:9/call/y" });
        evidence.tasks.push(other);
        evidence.events.insert(4, Vec::new());
        evidence.calls.push(call("y", "key-3", 5));
    });
}
