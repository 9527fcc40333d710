//! One member: what is kept of how it ended, and when it may still fall back.

use super::*;
use crate::run::member::MemberEvent::{Abort, DeadlinePassed, Returned, Start};

const RUNNING: State =
    State::Running { since: Duration::ZERO, until: Duration::from_millis(50), last: LAST };
const LAST: At = Duration::from_millis(90);

fn failed(message: &str) -> Fault {
    Fault::Failed(message.to_owned())
}

fn returns(leg: Leg, result: Result<HandedBack, Fault>) -> MemberEvent {
    Returned { leg, result }
}

fn end_of(state: State) -> End {
    match state {
        State::Ended { end, .. } => end,
        State::Pending | State::Running { .. } | State::FallingBack { .. } => {
            panic!("it has not ended: {state:?}")
        }
    }
}

/// What is told of an end: outcome, detail, how much was handed back.
fn told(end: &End) -> (Outcome, Option<&str>, u64) {
    (end.outcome, end.detail.as_deref(), end.handed_back)
}

#[test]
fn a_fallback_starts_only_while_it_still_has_time() {
    let falls_back = |millis, has_fallback| {
        matches!(
            RUNNING.next(at(millis), DeadlinePassed, has_fallback),
            State::FallingBack { until: LAST, fault: Fault::TimedOut, .. }
        )
    };
    assert!(falls_back(50, true) && falls_back(89, true));
    assert!(!falls_back(90, true), "no time is left for it");
    assert!(!falls_back(50, false), "there is none");
}

#[test]
fn what_an_end_tells_is_kept() {
    let back = || HandedBack::new(3).note("15 and 16");
    let done = end_of(RUNNING.next(at(10), returns(Leg::Main, Ok(back())), false));
    assert_eq!(told(&done), (Outcome::Done, Some("15 and 16"), 3));
    let broken = end_of(RUNNING.next(at(10), returns(Leg::Main, Err(failed("disk full"))), false));
    assert_eq!(told(&broken), (Outcome::Failed, Some("disk full"), 0));
    let panicked = Fault::Panicked("out of cheese".to_owned());
    let panicked = end_of(RUNNING.next(at(10), returns(Leg::Main, Err(panicked)), false));
    assert_eq!(told(&panicked), (Outcome::Panicked, Some("out of cheese"), 0));
    let late = end_of(RUNNING.next(at(50), DeadlinePassed, false));
    assert_eq!(told(&late), (Outcome::TimedOut, None, 0));
}

#[test]
fn a_fallback_tells_what_it_saved_from_and_the_first_fault_is_the_outcome() {
    let falling = || RUNNING.next(at(10), returns(Leg::Main, Err(failed("disk full"))), true);
    let back = HandedBack::new(2).note("a note that gives way");
    let saved = end_of(falling().next(at(20), returns(Leg::Fallback, Ok(back)), true));
    assert_eq!(told(&saved), (Outcome::Recovered, Some("failed: disk full"), 2));
    let second = returns(Leg::Fallback, Err(Fault::Panicked("no spare".to_owned())));
    let lost = end_of(falling().next(at(20), second, true));
    let detail = "failed: disk full; its fallback: panicked: no spare";
    assert_eq!(told(&lost), (Outcome::Failed, Some(detail), 0));
    let late = end_of(falling().next(at(90), DeadlinePassed, true));
    let detail = "failed: disk full; its fallback: timed out";
    assert_eq!(told(&late), (Outcome::Failed, Some(detail), 0));
    let cut = end_of(falling().next(at(20), Abort, true));
    assert_eq!(told(&cut), (Outcome::Aborted, Some("failed: disk full; fallback cut off"), 0));
}

#[test]
fn only_who_runs_has_a_deadline_and_runs_since_an_instant() {
    let start = || Start { until: at(50), last: LAST };
    let running = State::Pending.next(at(7), start(), true);
    let falling = running.clone().next(at(20), returns(Leg::Main, Err(failed("x"))), true);
    let ended = running.clone().next(at(20), Abort, true);
    assert_eq!((running.since(), running.until()), (Some(at(7)), Some(at(50))));
    assert_eq!((falling.since(), falling.until()), (Some(at(7)), Some(LAST)));
    for state in [State::Pending, ended.clone()] {
        assert_eq!((state.since(), state.until()), (None, None), "{state:?}");
    }
    let has_ended = [&State::Pending, &running, &falling, &ended].map(State::has_ended);
    assert_eq!(has_ended, [false, false, false, true]);
    let State::Ended { since, until, at: end, .. } = ended else { panic!("it was cut off") };
    assert_eq!((since, until, end), (Some(at(7)), Some(at(50)), at(20)));
}
