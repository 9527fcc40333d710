//! Who may join, leave and be ordered, and until when.

use super::*;

fn least(mut member: Member, millis: u32) -> Member {
    member.least = at(millis);
    member
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

#[test]
fn a_name_is_unique_in_its_phase_only_and_free_again_when_its_owner_has_left() {
    let mut run = run([member("a", DRAIN)]);
    let twin = run.join(at(0), member("a", DRAIN));
    let (name, phase) = ("a".to_owned(), "drain".to_owned());
    assert_eq!(twin, Err(PlanError::DuplicateName { name, phase }));
    assert_eq!(run.join(at(0), member("a", FLUSH)), Ok(MemberId(1)));
    assert!(run.leave(MemberId(0)) && !run.leave(MemberId(0)), "it leaves once");
    assert_eq!(run.join(at(0), member("a", DRAIN)), Ok(MemberId(2)));
}

#[test]
fn least_times_of_more_than_a_year_are_refused_by_name() {
    let long = crate::plan::LONGEST + MS;
    let mut greedy = member("greedy", DRAIN);
    greedy.least = long;
    let what = "a least time for `greedy`".to_owned();
    let error = run([]).join(at(0), greedy);
    assert_eq!(error, Err(PlanError::TooLong { what, given: long }));
    let mut greedy = member("greedy", DRAIN);
    greedy.fallback = Some(long);
    let what = "a least time for the fallback of `greedy`".to_owned();
    let error = run([]).join(at(0), greedy);
    assert_eq!(error, Err(PlanError::TooLong { what, given: long }));
}

#[test]
fn before_run_nobody_is_checked_and_after_it_whoever_comes_is() {
    let mut run = run([]);
    let glutton = || least(member("glutton", FLUSH), 6000);
    run.join(at(0), glutton()).expect("`check` says so later");
    assert!(matches!(run.check(), Err(PlanError::LeastTimes { .. })));
    assert!(matches!(run.check_for_good(), Err(PlanError::LeastTimes { .. })));
    run.leave(MemberId(0));
    assert_eq!(run.check_for_good(), Ok(()));
    assert!(matches!(run.join(at(0), glutton()), Err(PlanError::LeastTimes { .. })));
    assert_eq!(run.join(at(0), member("modest", FLUSH)).map(drop), Ok(()));
}

#[test]
fn an_order_that_cannot_work_is_taken_back_once_the_plan_was_checked() {
    let mut run = run([member("a", DRAIN), member("b", DRAIN)]);
    run.check_for_good().expect("two waiters");
    assert_eq!(run.order(names(&["a", "b"])), Ok(()));
    assert!(matches!(run.order(names(&["b", "a"])), Err(PlanError::Cycle { .. })));
    assert_eq!(run.plan.orders, [names(&["a", "b"])]);
    begin(&mut run);
    let late = names(&["a", "b"]);
    assert_eq!(run.order(late.clone()), Err(PlanError::HasBegun { order: late }));
}

#[test]
fn an_order_that_cannot_work_is_found_by_check_before_that() {
    let mut run = run([member("a", DRAIN), member("b", DRAIN), member("c", FLUSH)]);
    run.order(names(&["b", "a"])).expect("not checked yet");
    run.order(names(&["a", "b"])).expect("not checked yet");
    let path = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let Err(PlanError::Cycle { phase, path: cycle }) = run.check() else { panic!("a cycle") };
    assert_eq!(phase, "drain");
    assert!(cycle == path(&["a", "b", "a"]) || cycle == path(&["b", "a", "b"]), "{cycle:?}");
    run.plan.orders = vec![names(&["a", "nobody"])];
    let (name, known) = ("nobody".to_owned(), "a, b, c".to_owned());
    assert_eq!(run.check(), Err(PlanError::UnknownName { name, known }));
    run.plan.orders = vec![names(&["a", "c"])];
    let (before, after) = ("a".to_owned(), "c".to_owned());
    assert_eq!(run.check(), Err(PlanError::NoSharedPhase { before, after }));
    run.join(at(0), member("c", DRAIN)).expect("in another phase");
    assert_eq!(run.check(), Ok(()));
}

#[test]
fn a_phase_without_time_takes_nobody_and_one_with_just_enough_does() {
    let announcing = run([member("early", 0)]);
    let (name, phase) = ("early".to_owned(), "announce".to_owned());
    assert_eq!(announcing.check(), Err(PlanError::NoTime { name, phase }));
    assert_eq!(run([least(member("save", FLUSH), 5000)]).check(), Ok(()));
    let Err(error) = run([least(member("save", FLUSH), 5001)]).check() else {
        panic!("flush has 5 s")
    };
    let (phase, path) = ("flush".to_owned(), names(&["save"]));
    let (need, budget) = (at(5001), at(5000));
    assert_eq!(error, PlanError::LeastTimes { phase, path, need, budget });
}

#[test]
fn who_joins_the_phase_being_run_gets_its_least_time_or_is_refused() {
    let mut run = run([member("runs", DRAIN)]);
    begin(&mut run);
    // Drain ends at 9.75 s.
    assert!(run.join(at(9000), least(member("fits", DRAIN), 750)).is_ok());
    let refused = run.join(at(9000), least(member("late", DRAIN), 751));
    let (phase, path) = ("drain".to_owned(), names(&["late"]));
    let (need, budget) = (at(751), at(750));
    assert_eq!(refused, Err(PlanError::LeastTimes { phase, path, need, budget }));
    // A later phase has all of its time still.
    assert!(run.join(at(9000), least(member("saves", FLUSH), 5000)).is_ok());
    assert!(run.join(at(9000), least(member("more", FLUSH), 5001)).is_err());
}

#[test]
fn after_the_end_every_phase_has_passed() {
    let mut run = run([]);
    begin(&mut run);
    for (phase, name) in [(0, "announce"), (RELEASE, "release")] {
        let error = run.join(at(1), member("late", phase));
        let (name, phase) = ("late".to_owned(), name.to_owned());
        assert_eq!(error, Err(PlanError::PhasePassed { name, phase }));
    }
}
