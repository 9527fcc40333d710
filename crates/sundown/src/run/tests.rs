//! The machine's tables, driven without a clock: every event in every state, and the stories that
//! matter. The tables are also printed into `docs/spec.md`, which must not say anything else.

mod joining;
mod members;
mod stages;

use std::fmt::Write as _;
use std::path::Path;

use super::member::{End, Kind};
use super::*;
use crate::Outcome;
use crate::phase::Budget;

const MS: Duration = Duration::from_millis(1);

fn at(millis: u32) -> At {
    MS * millis
}

fn member(name: &'static str, phase: usize) -> Member {
    Member {
        id: MemberId(0),
        name: name.into(),
        phase,
        kind: Kind::Waiter,
        least: Duration::ZERO,
        fallback: None,
        state: State::Pending,
    }
}

const DRAIN: usize = 1;
const FLUSH: usize = 2;
const RELEASE: usize = 3;

/// A plan with a cap of 20 s: flush and release have 5 s each, 250 ms are kept back.
fn plan(announce: u64) -> Plan {
    let mut plan =
        Plan::standard(Duration::from_secs(20), Budget::Fixed(Duration::from_secs(announce)));
    // Somebody takes part who takes no time.
    plan.phases[FLUSH].members = 1;
    plan.phases[RELEASE].members = 1;
    plan
}

/// A run of such a plan: drain until 9.75 s.
fn run(members: impl IntoIterator<Item = Member>) -> Run {
    run_of(plan(0), members)
}

/// A run in which nobody else takes part: drain has the time of flush and release, too.
fn run_of_these(members: impl IntoIterator<Item = Member>) -> Run {
    let mut plan = plan(0);
    plan.phases[FLUSH].members = 0;
    plan.phases[RELEASE].members = 0;
    run_of(plan, members)
}

fn run_of(plan: Plan, members: impl IntoIterator<Item = Member>) -> Run {
    let mut run = Run::new(plan);
    for member in members {
        run.join(at(0), member).expect("unique");
    }
    run
}

fn begin(run: &mut Run) -> Vec<Action> {
    run.next(at(0), Event::Begin { hold: Duration::ZERO })
}

/// An end that happened just when it was told.
fn returned(id: u64, leg: Leg, result: Result<u64, Fault>) -> Event {
    let result = result.map(HandedBack::new);
    Event::Returned(vec![Return { id: MemberId(id), leg, at: Duration::MAX, result }])
}

fn outcome(run: &Run, id: u64) -> Option<Outcome> {
    match &run.members[&MemberId(id)].state {
        State::Ended { end, .. } => Some(end.outcome),
        State::Pending | State::Running { .. } | State::FallingBack { .. } => None,
    }
}

fn entered(actions: &[Action]) -> Vec<String> {
    let phase = |action: &Action| match action {
        Action::Enter { phase, .. } => Some(phase.to_string()),
        _ => None,
    };
    actions.iter().filter_map(phase).collect()
}

#[test]
fn with_nobody_to_wait_for_all_phases_pass_at_once() {
    let mut run = run([]);
    let actions = begin(&mut run);
    assert_eq!(entered(&actions), ["announce", "drain", "flush", "release"]);
    assert_eq!(actions.last(), Some(&Action::Finish));
}

#[test]
fn announcing_holds_the_plan_and_sigint_does_not_wait() {
    let mut plan = plan(3);
    plan.orders.clear();
    let mut run = Run::new(plan);
    let actions = run.next(at(0), Event::Begin { hold: Duration::from_secs(3) });
    assert_eq!(entered(&actions), ["announce"]);
    assert_eq!(run.wake_at(), Some(at(3000)));
    assert_eq!(entered(&run.next(at(2999), Event::Tick)), [""; 0]);
    assert_eq!(entered(&run.next(at(3000), Event::Tick)), ["drain", "flush", "release"]);
}

#[test]
fn a_hung_waiter_is_aborted_at_the_end_of_its_phase_and_the_next_phase_starts() {
    let mut run = run([member("hangs", DRAIN), member("saves", FLUSH)]);
    begin(&mut run);
    let actions = run.next(at(9750), Event::Tick);
    assert!(actions.contains(&Action::Abort { id: MemberId(0) }));
    assert_eq!(outcome(&run, 0), Some(Outcome::TimedOut));
    assert_eq!(entered(&actions), ["flush"]);
    let start = Action::Start { id: MemberId(1), leg: Leg::Main, until: at(14_750) };
    assert!(actions.contains(&start), "{actions:?}");
}

#[test]
fn an_early_end_gives_no_later_phase_more_than_its_budget() {
    let mut run = run([member("quick", DRAIN), member("saves", FLUSH)]);
    begin(&mut run);
    let actions = run.next(at(100), returned(0, Leg::Main, Ok(0)));
    let start = Action::Start { id: MemberId(1), leg: Leg::Main, until: at(5100) };
    assert!(actions.contains(&start), "{actions:?}");
}

#[test]
fn phases_without_members_leave_their_time_to_drain() {
    let mut run = run_of_these([member("hangs", DRAIN)]);
    begin(&mut run);
    assert_eq!(entered(&run.next(at(19_749), Event::Tick)), [""; 0]);
    assert_eq!(entered(&run.next(at(19_750), Event::Tick)), ["flush", "release"]);
    assert_eq!(outcome(&run, 0), Some(Outcome::TimedOut));
}

#[test]
fn who_joins_an_empty_phase_gets_its_time_back_from_the_phase_that_runs() {
    let mut run = run_of_these([member("hangs", DRAIN)]);
    begin(&mut run);
    run.join(at(1000), member("saves", FLUSH)).expect("a later phase");
    assert_eq!(run.wake_at(), Some(at(14_750 / 2)), "half of the time is marked");
    let actions = run.next(at(14_750), Event::Tick);
    assert!(actions.contains(&Action::Abort { id: MemberId(0) }));
    let start = Action::Start { id: MemberId(1), leg: Leg::Main, until: at(19_750) };
    assert!(actions.contains(&start), "{actions:?}");
}

#[test]
fn who_leaves_an_empty_phase_leaves_its_time() {
    let mut run = run_of_these([member("hangs", DRAIN), member("saves", FLUSH)]);
    assert!(run.leave(MemberId(1)));
    begin(&mut run);
    assert_eq!(run.wake_at(), Some(at(19_750 / 2)));
}

#[test]
fn who_blocks_is_named_at_half_at_four_fifths_and_at_the_end() {
    let mut run = run([member("hangs", DRAIN)]);
    begin(&mut run);
    let mut named = Vec::new();
    while let Some(wake) = run.wake_at() {
        for action in run.next(wake, Event::Tick) {
            if let Action::Mark { mark, .. } = action {
                named.push((wake, mark.percent, mark.blocking));
            }
        }
    }
    let by = |ms| vec![("hangs".into(), at(ms))];
    assert_eq!(
        named,
        [(at(4875), 50, by(4875)), (at(7800), 80, by(7800)), (at(9750), 100, by(9750))]
    );
}

#[test]
fn owned_work_blocks_only_while_there_is_some() {
    for (is_idle, expected) in [(true, &["hangs"][..]), (false, &["hangs", "work"])] {
        let mut work = member("work", DRAIN);
        work.kind = Kind::Work;
        let mut run = run([member("hangs", DRAIN), work]);
        begin(&mut run);
        run.is_work_idle = is_idle;
        let actions = run.next(at(5000), Event::Tick);
        let named = actions.iter().find_map(|action| match action {
            Action::Mark { mark, .. } => Some(&mark.blocking),
            _ => None,
        });
        let named: Vec<&str> =
            named.expect("half is over").iter().map(|(name, _)| &**name).collect();
        assert_eq!(named, expected);
    }
}

#[test]
fn a_second_signal_aborts_the_drain_and_goes_to_flush_in_one_step() {
    let mut run = run([member("runs", DRAIN), member("waits", DRAIN), member("saves", FLUSH)]);
    run.plan.orders.push(vec!["runs".into(), "waits".into()]);
    begin(&mut run);
    let actions = run.next(at(10), Event::Escalate);
    assert_eq!(outcome(&run, 0), Some(Outcome::Aborted));
    assert_eq!(outcome(&run, 1), Some(Outcome::Skipped));
    assert!(actions.contains(&Action::Abort { id: MemberId(0) }));
    assert_eq!(entered(&actions), ["flush"]);
    assert_eq!(run.escalated, Some(at(10)));
    assert!(run.next(at(11), Event::Escalate).is_empty(), "flush itself is not cut short");
}

#[test]
fn owned_work_of_which_there_is_none_is_neither_cut_nor_blamed() {
    for (is_idle, expected) in [(true, Outcome::Done), (false, Outcome::Aborted)] {
        let mut work = member("work", DRAIN);
        work.kind = Kind::Work;
        let mut run = run([work, member("web", DRAIN)]);
        begin(&mut run);
        run.is_work_idle = is_idle;
        let half = run.plan.latest_end(DRAIN) / 2;
        let actions = run.next(half, Event::Tick);
        let blamed = actions.iter().find_map(|action| match action {
            Action::Mark { mark, .. } => Some(mark.blocking.len()),
            _ => None,
        });
        assert_eq!(blamed, Some(if is_idle { 1 } else { 2 }));
        run.next(half, Event::Escalate);
        assert_eq!(outcome(&run, 0), Some(expected));
        assert_eq!(outcome(&run, 1), Some(Outcome::Aborted));
    }
}

#[test]
fn late_comers_join_the_present_and_the_future_but_not_the_past() {
    let mut run = run([member("saves", FLUSH)]);
    begin(&mut run);
    assert!(matches!(run.join(at(1), member("late", DRAIN)), Err(PlanError::PhasePassed { .. })));
    let now = run.join(at(1), member("now", FLUSH)).expect("flush is being run");
    run.join(at(1), member("later", 3)).expect("release is to come");
    let actions = run.next(at(5), Event::Tick);
    assert!(actions.iter().any(|a| matches!(a, Action::Start { id, .. } if *id == now)));
    assert!(matches!(run.join(at(1), member("now", FLUSH)), Err(PlanError::DuplicateName { .. })));
}

#[test]
fn who_leaves_before_its_turn_is_not_waited_for_and_who_runs_stays() {
    let mut run = run([member("first", DRAIN), member("second", DRAIN)]);
    run.plan.orders.push(vec!["first".into(), "second".into()]);
    begin(&mut run);
    assert!(run.leave(MemberId(1)), "it has not started");
    assert!(!run.leave(MemberId(0)), "it runs");
    let actions = run.next(at(5), returned(0, Leg::Main, Ok(0)));
    assert_eq!(actions.last(), Some(&Action::Finish));
}

#[test]
fn a_body_that_returns_after_its_deadline_changes_nothing() {
    let mut run = run([member("late", DRAIN), member("saves", FLUSH)]);
    begin(&mut run);
    run.next(at(9750), Event::Tick);
    run.next(at(9760), returned(0, Leg::Main, Ok(3)));
    assert_eq!(outcome(&run, 0), Some(Outcome::TimedOut));
}

fn member_states() -> Vec<(&'static str, State)> {
    let end = End::new(Outcome::Done);
    vec![
        ("pending", State::Pending),
        ("running", State::Running { since: at(0), until: at(50), last: at(90) }),
        (
            "falling back after a time-out",
            State::FallingBack { since: at(0), until: at(90), fault: Fault::TimedOut },
        ),
        ("ended", State::Ended { since: None, until: None, at: at(5), end }),
    ]
}

fn member_events() -> Vec<(&'static str, MemberEvent)> {
    let returned = |leg, result| MemberEvent::Returned { leg, result };
    let failed = || Err(Fault::Failed("broken".into()));
    vec![
        ("start", MemberEvent::Start { until: at(50), last: at(90) }),
        ("skip", MemberEvent::Skip { why: "no time".into() }),
        ("body returns", returned(Leg::Main, Ok(HandedBack::default()))),
        ("body fails or panics", returned(Leg::Main, failed())),
        ("fallback returns", returned(Leg::Fallback, Ok(HandedBack::default()))),
        ("fallback fails or panics", returned(Leg::Fallback, failed())),
        ("deadline passes", MemberEvent::DeadlinePassed),
        ("second signal", MemberEvent::Abort),
    ]
}

fn member_table() -> String {
    let mut table = String::from("| event | ");
    let states = member_states();
    for (name, _) in &states {
        let _ = write!(table, "{name} | ");
    }
    table.push_str("\n|---|---|---|---|---|");
    for (event_name, event) in member_events() {
        let _ = write!(table, "\n| {event_name} | ");
        for (_, state) in &states {
            let cells = [false, true].map(|has_fallback| {
                let next = state.clone().next(at(10), event.clone(), has_fallback);
                if next == *state { "·".to_owned() } else { describe(&next) }
            });
            let [without, with] = &cells;
            let cell = if without == with {
                without.clone()
            } else {
                format!("{without}; with a fallback: {with}")
            };
            let _ = write!(table, "{cell} | ");
        }
    }
    table.replace(" \n", "\n").trim_end().to_owned()
}

fn describe(state: &State) -> String {
    match state {
        State::Pending => "pending".into(),
        State::Running { .. } => "running".into(),
        State::FallingBack { .. } => "falling back".into(),
        State::Ended { end, .. } => format!("**{}**", end.outcome),
    }
}

/// Each stage of a run with each event, and where it goes.
fn run_table() -> String {
    type Prepare = fn(&mut Run);
    type Make = fn(usize) -> Event;
    let stages: [(&str, Prepare); 4] = [
        ("running", |_| {}),
        ("a phase before `flush`", |run| drop(begin(run))),
        ("`flush` or later", |run| {
            begin(run);
            run.next(at(1), Event::Escalate);
        }),
        ("ended", |run| {
            begin(run);
            run.next(at(1), Event::Escalate);
            run.next(at(2), returned(1, Leg::Main, Ok(0)));
        }),
    ];
    let events: [(&str, Make); 4] = [
        ("begin", |_| Event::Begin { hold: Duration::ZERO }),
        ("the last one returns", |stage| returned(u64::from(stage > 1), Leg::Main, Ok(0))),
        ("time passes", |_| Event::Tick),
        ("second signal", |_| Event::Escalate),
    ];
    let mut table = String::from("| event | ");
    stages.iter().for_each(|(name, _)| table.push_str(&format!("{name} | ")));
    table.push_str("\n|---|---|---|---|---|");
    for (event_name, event) in events {
        let _ = write!(table, "\n| {event_name} | ");
        for (place, (_, prepare)) in stages.iter().enumerate() {
            let mut run = run([member("drains", DRAIN), member("saves", FLUSH)]);
            prepare(&mut run);
            let actions = run.next(at(3), event(place));
            let goes = match (entered(&actions).pop(), actions.last()) {
                (_, Some(Action::Finish)) => "ended".to_owned(),
                (Some(phase), _) => format!("`{phase}`"),
                (None, _) => "·".to_owned(),
            };
            let _ = write!(table, "{goes} | ");
        }
    }
    table.replace(" \n", "\n").trim_end().to_owned()
}

/// `XTASK_BLESS=1` writes the tables into the document instead.
#[test]
fn the_spec_shows_the_tables_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spec.md");
    let text = std::fs::read_to_string(&path).expect("docs/spec.md");
    let mut expected = text.clone();
    for (name, table) in [("member", member_table()), ("run", run_table())] {
        let (start, end) = (format!("<!-- table:{name} -->"), "<!-- end -->");
        let (before, rest) = expected.split_once(&start).expect("the table's mark");
        let (_, after) = rest.split_once(end).expect("its end");
        expected = format!("{before}{start}\n{table}\n{end}{after}");
    }
    if std::env::var_os("XTASK_BLESS").is_some() {
        std::fs::write(&path, &expected).expect("docs/spec.md is writable");
        return;
    }
    assert!(text == expected, "docs/spec.md is behind: run this test with XTASK_BLESS=1");
}
