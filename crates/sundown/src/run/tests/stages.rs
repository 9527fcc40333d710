//! The run as a whole: what is recorded, who is started, cut off and freed, and when it wakes.

use super::*;

fn announcing_run(announce: u64, members: impl IntoIterator<Item = Member>) -> Run {
    run_of(plan(announce), members)
}

fn settled(actions: &[Action]) -> Vec<u64> {
    let id = |action: &Action| match action {
        Action::Settled { id } => Some(id.0),
        _ => None,
    };
    actions.iter().filter_map(id).collect()
}

fn started(actions: &[Action]) -> Vec<u64> {
    let id = |action: &Action| match action {
        Action::Start { id, .. } => Some(id.0),
        _ => None,
    };
    actions.iter().filter_map(id).collect()
}

#[test]
fn phases_record_when_they_began_had_to_end_and_ended() {
    let mut run = run([member("runs", DRAIN), member("saves", FLUSH)]);
    begin(&mut run);
    let actions = run.next(at(300), returned(0, Leg::Main, Ok(0)));
    let left = Action::Leave { phase: Phase::DRAIN, took: at(300) };
    assert!(actions.contains(&left), "{actions:?}");
    let record = |run: &Run, phase: usize| {
        let record = &run.records[phase];
        (record.start, record.until, record.end)
    };
    assert_eq!(record(&run, DRAIN), (Some(at(0)), Some(at(9750)), Some(at(300))));
    assert_eq!(record(&run, FLUSH), (Some(at(300)), Some(at(5300)), None));
    let actions = run.next(at(400), returned(1, Leg::Main, Ok(0)));
    let left = Action::Leave { phase: Phase::FLUSH, took: at(100) };
    assert!(actions.contains(&left), "{actions:?}");
    assert_eq!(run.wake_at(), None, "it has ended");
}

#[test]
fn it_sleeps_until_the_next_deadline_mark_or_end_of_the_announcement() {
    let mut idle = announcing_run(3, [member("runs", DRAIN)]);
    assert_eq!(idle.wake_at(), None, "nothing has begun");
    idle.next(at(0), Event::Begin { hold: at(3000) });
    assert_eq!(idle.wake_at(), Some(at(3000)), "nobody is in announce");
    idle.next(at(3000), Event::Tick);
    // Drain runs from 3 s to 9.75 s.
    let mut wakes = Vec::new();
    while let Some(wake) = idle.wake_at() {
        wakes.push(wake);
        idle.next(wake, Event::Tick);
    }
    assert_eq!(wakes, [at(6375), at(8400), at(9750)]);
}

#[test]
fn the_marks_of_a_phase_are_recorded_and_a_late_one_is_made_once() {
    let mut run = run([member("hangs", DRAIN)]);
    begin(&mut run);
    let percents = |run: &Run| -> Vec<u8> {
        run.records[DRAIN].marks.iter().map(|mark| mark.percent).collect()
    };
    run.next(at(4874), Event::Tick);
    assert_eq!(percents(&run), [0_u8; 0]);
    // The runtime was held up over two of them.
    run.next(at(8000), Event::Tick);
    run.next(at(8001), Event::Tick);
    assert_eq!(percents(&run), [80]);
    run.next(at(9750), Event::Tick);
    assert_eq!(percents(&run), [80, 100]);
}

#[test]
fn an_end_counts_from_when_it_happened_and_never_from_the_future() {
    let mut run = run([member("a", DRAIN), member("b", DRAIN), member("c", DRAIN)]);
    begin(&mut run);
    let end = |id, millis| Return {
        id: MemberId(id),
        leg: Leg::Main,
        at: at(millis),
        result: Ok(HandedBack::default()),
    };
    // Both are told at the deadline of all: who returned before it is not late.
    run.next(at(9750), Event::Returned(vec![end(0, 9700), end(1, 9999)]));
    let ended = |id| match run.members[&MemberId(id)].state {
        State::Ended { at, .. } => Some(at),
        State::Pending | State::Running { .. } | State::FallingBack { .. } => None,
    };
    assert_eq!([0, 1].map(ended), [Some(at(9700)), Some(at(9750))]);
    let outcomes = [0, 1, 2].map(|id| outcome(&run, id));
    assert_eq!(outcomes, [Outcome::Done, Outcome::Done, Outcome::TimedOut].map(Some));
}

#[test]
fn a_member_starts_once_falls_back_once_and_settles_once() {
    let mut saver = member("saves", FLUSH);
    saver.fallback = Some(at(700));
    let mut run = run([saver]);
    let actions = begin(&mut run);
    let start = |leg, until| Action::Start { id: MemberId(0), leg, until: at(until) };
    assert_eq!(started(&actions), [0]);
    assert!(actions.contains(&start(Leg::Main, 4300)), "{actions:?}");
    let actions = run.next(at(4300), Event::Tick);
    assert!(actions.contains(&Action::Abort { id: MemberId(0) }), "{actions:?}");
    assert!(actions.contains(&start(Leg::Fallback, 5000)), "{actions:?}");
    assert_eq!((started(&actions), settled(&actions)), (vec![0], vec![]));
    let actions = run.next(at(4400), Event::Tick);
    assert_eq!((started(&actions), settled(&actions)), (vec![], vec![]));
    let actions = run.next(at(4500), returned(0, Leg::Fallback, Ok(0)));
    assert_eq!((started(&actions), settled(&actions)), (vec![], vec![0]));
    assert!(!actions.contains(&Action::Abort { id: MemberId(0) }), "it returned by itself");
    assert!(settled(&run.next(at(4600), returned(0, Leg::Fallback, Ok(0)))).is_empty());
}

#[test]
fn who_has_no_time_left_is_skipped_with_a_reason_and_not_started() {
    let mut run = run([member("hangs", DRAIN), member("waits", DRAIN)]);
    run.plan.orders.push(vec!["hangs".into(), "waits".into()]);
    begin(&mut run);
    // The runtime was held up beyond the end of the phase.
    let actions = run.next(at(9750), Event::Tick);
    assert_eq!(started(&actions), [0_u64; 0]);
    assert_eq!(settled(&actions), [0, 1]);
    assert!(!actions.contains(&Action::Abort { id: MemberId(1) }), "it never ran");
    let State::Ended { end, .. } = &run.members[&MemberId(1)].state else { panic!("it ended") };
    assert_eq!(end.outcome, Outcome::Skipped);
    assert_eq!(end.detail.as_deref(), Some("no time was left for it"));
}

#[test]
fn a_second_signal_while_announcing_cuts_everything_before_flush_and_nothing_after() {
    let mut run =
        announcing_run(3, [member("tells", 0), member("runs", DRAIN), member("saves", FLUSH)]);
    run.next(at(0), Event::Begin { hold: at(3000) });
    let actions = run.next(at(10), Event::Escalate);
    assert_eq!(outcome(&run, 0), Some(Outcome::Aborted));
    assert_eq!(outcome(&run, 1), Some(Outcome::Skipped));
    assert_eq!(outcome(&run, 2), None);
    let aborted = actions.iter().filter(|action| matches!(action, Action::Abort { .. })).count();
    assert_eq!(aborted, 1, "only one was running: {actions:?}");
    assert_eq!(started(&actions), [2]);
    assert_eq!(run.records[DRAIN].start, None, "it was passed over");
    run.next(at(20), Event::Escalate);
    assert_eq!(run.escalated, Some(at(10)), "the first one is told");
}

#[test]
fn owned_work_that_never_had_its_turn_is_skipped_by_a_second_signal() {
    let mut work = member("work", DRAIN);
    work.kind = Kind::Work;
    let mut run = announcing_run(3, [member("tells", 0), work]);
    run.is_work_idle = true;
    run.next(at(0), Event::Begin { hold: at(3000) });
    run.next(at(10), Event::Escalate);
    assert_eq!(outcome(&run, 1), Some(Outcome::Skipped));
}

#[test]
fn what_returns_too_late_or_out_of_turn_starts_and_settles_nothing() {
    let mut saver = member("saves", DRAIN);
    saver.fallback = Some(at(1000));
    let mut run = run([saver, member("hangs", DRAIN)]);
    begin(&mut run);
    let actions = run.next(at(10), returned(0, Leg::Fallback, Ok(0)));
    assert_eq!((started(&actions), settled(&actions)), (vec![], vec![]));
    assert_eq!(started(&run.next(at(8750), Event::Tick)), [0], "it falls back");
    let actions = run.next(at(8800), returned(0, Leg::Main, Ok(0)));
    assert_eq!((started(&actions), settled(&actions)), (vec![], vec![]));
    assert_eq!(settled(&run.next(at(8900), returned(0, Leg::Fallback, Ok(0)))), [0]);
    assert_eq!(settled(&run.next(at(8901), returned(0, Leg::Fallback, Ok(0)))), [0_u64; 0]);
    assert_eq!(outcome(&run, 0), Some(Outcome::Recovered));
}

#[test]
fn where_there_is_no_owned_work_none_is_freed() {
    let mut run = run([member("web", DRAIN)]);
    let mut actions = begin(&mut run);
    actions.extend(run.next(at(5), returned(0, Leg::Main, Ok(0))));
    assert_eq!(actions.last(), Some(&Action::Finish));
    assert!(!actions.contains(&Action::FreeWork), "{actions:?}");
}

#[test]
fn owned_work_is_freed_once_when_nobody_is_left_who_could_begin_more() {
    let mut work = member("work", DRAIN);
    work.kind = Kind::Work;
    let mut run = run([work, member("web", DRAIN), member("after", DRAIN), member("last", DRAIN)]);
    run.plan.orders.push(vec!["work".into(), "after".into(), "last".into()]);
    let frees =
        |actions: &[Action]| actions.iter().filter(|action| **action == Action::FreeWork).count();
    let actions = begin(&mut run);
    assert_eq!((started(&actions), frees(&actions)), (vec![0, 1], 0), "web could begin more");
    let actions = run.next(at(5), returned(1, Leg::Main, Ok(0)));
    assert_eq!(frees(&actions), 1, "only those after it are left");
    assert_eq!(frees(&run.next(at(6), Event::Tick)), 0);
    let actions = run.next(at(7), returned(0, Leg::Main, Ok(0)));
    assert_eq!((started(&actions), frees(&actions)), (vec![2], 0));
    // Whoever comes now does not free it again.
    run.join(at(8), member("late", DRAIN)).expect("drain is being run");
    run.next(at(9), Event::Tick);
    assert_eq!(frees(&run.next(at(10), returned(4, Leg::Main, Ok(0)))), 0);
    run.next(at(11), returned(2, Leg::Main, Ok(0)));
    assert_eq!(run.next(at(12), returned(3, Leg::Main, Ok(0))).last(), Some(&Action::Finish));
}

#[test]
fn owned_work_that_is_over_is_not_aborted_at_its_deadline() {
    for (is_idle, expected) in [(true, Outcome::Done), (false, Outcome::TimedOut)] {
        let mut work = member("work", DRAIN);
        work.kind = Kind::Work;
        let mut run = run([work]);
        begin(&mut run);
        run.is_work_idle = is_idle;
        run.next(at(9750), Event::Tick);
        assert_eq!(outcome(&run, 0), Some(expected));
    }
}

#[test]
fn a_late_comer_changes_nobodys_deadline_who_runs_and_waits_for_its_turn() {
    let mut run = run([member("first", DRAIN)]);
    run.plan.orders.push(vec!["first".into(), "second".into()]);
    begin(&mut run);
    run.join(at(5), member("second", DRAIN)).expect("drain is being run");
    assert_eq!(started(&run.next(at(6), Event::Tick)), [0_u64; 0]);
    assert_eq!(run.members[&MemberId(0)].state.until(), Some(at(9750)));
    assert_eq!(started(&run.next(at(7), returned(0, Leg::Main, Ok(0)))), [1]);
}
