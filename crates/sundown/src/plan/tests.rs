//! The arithmetic of a plan: who has how much time, whenever it begins.

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const ANNOUNCE: usize = 0;
const DRAIN: usize = 1;
const FLUSH: usize = 2;
const RELEASE: usize = 3;

/// A cap of 20 s, of which 250 ms are kept back; somebody takes part in each phase.
fn plan(announce: u32) -> Plan {
    let mut plan = Plan::standard(20 * SECOND, Budget::Fixed(announce * SECOND));
    for phase in &mut plan.phases {
        phase.members = 1;
    }
    plan
}

/// A plan of which nobody has set more than the cap, and its fixed parts.
fn of_a_cap(cap: Duration) -> [Duration; 4] {
    let plan = Plan::standard(cap, Budget::Usual(3 * SECOND));
    assert_eq!(plan.check_budgets(), Ok(()), "{cap:?}");
    [ANNOUNCE, DRAIN, FLUSH, RELEASE].map(|phase| plan.fixed_part(phase))
}

fn secs(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[test]
fn the_reserve_is_two_percent_within_bounds() {
    let reserve = |millis| reserve_of(Duration::from_millis(millis)).as_millis();
    assert_eq!([100, 500, 2000, 12_500, 60_000].map(reserve), [10, 10, 40, 250, 250]);
    assert_eq!(plan(0).reserve(), Duration::from_millis(250));
}

#[test]
fn the_latest_end_of_a_phase_leaves_the_later_ones_their_budgets() {
    let plan = plan(3);
    let ends = [ANNOUNCE, DRAIN, FLUSH, RELEASE].map(|phase| plan.latest_end(phase));
    assert_eq!(ends, [9.75, 9.75, 14.75, 19.75].map(secs));
}

#[test]
fn drain_is_guaranteed_what_the_fixed_budgets_leave() {
    let plan = plan(3);
    let sure = [ANNOUNCE, DRAIN, FLUSH, RELEASE].map(|phase| plan.guaranteed(phase));
    assert_eq!(sure, [3.0, 6.75, 5.0, 5.0].map(secs));
}

#[test]
fn a_phase_without_members_leaves_its_time_to_drain() {
    let mut plan = plan(3);
    plan.phases[FLUSH].members = 0;
    plan.phases[ANNOUNCE].members = 0;
    let ends = [ANNOUNCE, DRAIN, FLUSH, RELEASE].map(|phase| plan.latest_end(phase));
    assert_eq!(ends, [14.75, 14.75, 14.75, 19.75].map(secs));
    assert_eq!(plan.guaranteed(DRAIN), secs(11.75), "announce lasts, whoever takes part");
    assert_eq!(plan.guaranteed(FLUSH), secs(5.0), "who joins has it");
}

#[test]
fn budgets_that_nobody_set_fit_any_cap() {
    assert_eq!(of_a_cap(30 * SECOND), [3.0, 0.0, 5.0, 5.0].map(secs));
    assert_eq!(of_a_cap(13 * SECOND), [3.0, 0.0, 3.25, 3.25].map(secs));
    // Docker kills after 10 s.
    assert_eq!(of_a_cap(10 * SECOND), [3.0, 0.0, 2.266_666_666, 2.266_666_666].map(secs));
    let short = of_a_cap(SECOND / 10);
    assert_eq!(short.map(|part| part.as_millis()), [30, 0, 20, 20]);
}

#[test]
fn a_phase_in_time_has_its_budget_and_one_too_late_shares_what_is_left() {
    let plan = plan(3);
    for (phase, start, until) in [
        (ANNOUNCE, 0.0, 3.0),
        (DRAIN, 3.0, 9.75),
        (DRAIN, 12.0, 12.0),
        (FLUSH, 0.1, 5.1),
        (FLUSH, 9.75, 14.75),
        // 7.75 s are left for 10 s of budgets, 1.75 s for 5 s, nothing for 5 s.
        (FLUSH, 12.0, 15.875),
        (RELEASE, 18.0, 19.75),
        (RELEASE, 30.0, 30.0),
    ] {
        assert_eq!(plan.until(phase, secs(start)), secs(until), "phase {phase} from {start} s");
    }
}

#[test]
fn a_phase_without_a_budget_has_no_time_however_late_it_is() {
    let mut plan = plan(0);
    assert_eq!(plan.until(ANNOUNCE, secs(15.0)), secs(15.0));
    plan.phases[FLUSH].budget = Budget::Fixed(Duration::ZERO);
    plan.phases[RELEASE].budget = Budget::Fixed(Duration::ZERO);
    assert_eq!(plan.until(FLUSH, secs(19.9)), secs(19.9));
}

#[test]
fn budgets_must_leave_something_to_drain_in() {
    let with_announce = |announce| {
        let mut plan = plan(0);
        plan.phases[ANNOUNCE].budget = Budget::Fixed(announce);
        plan.phases[FLUSH].budget = Budget::Fixed(5 * SECOND);
        plan.phases[RELEASE].budget = Budget::Fixed(5 * SECOND);
        plan.check_budgets()
    };
    assert_eq!(with_announce(secs(9.749)), Ok(()));
    let expected = PlanError::BudgetsExceedCap {
        budgets: "announce 9.75s + flush 5s + release 5s".to_owned(),
        need: 20 * SECOND,
        cap: 20 * SECOND,
    };
    assert_eq!(with_announce(secs(9.75)), Err(expected));
    let mut plan = plan(0);
    plan.cap = 10 * SECOND;
    for phase in [FLUSH, RELEASE] {
        plan.phases[phase].budget = Budget::Fixed(5 * SECOND);
    }
    let error = plan.check_budgets().expect_err("nothing is left to drain in");
    assert!(error.to_string().contains("(flush 5s + release 5s)"), "zero is not named: {error}");
}

#[test]
fn no_time_is_longer_than_a_year() {
    assert_eq!(LONGEST.as_secs(), 31_536_000);
    let moment = Duration::from_nanos(1);
    assert_eq!(at_most_a_year(|| "a linger".to_owned(), LONGEST), Ok(()));
    let (what, given) = ("a cap".to_owned(), LONGEST + moment);
    let error = PlanError::TooLong { what, given };
    assert_eq!(Plan::standard(LONGEST, Budget::Fixed(Duration::ZERO)).check_budgets(), Ok(()));
    assert_eq!(Plan::standard(given, Budget::Fixed(Duration::ZERO)).check_budgets(), Err(error));
    let mut plan = plan(0);
    plan.phases[FLUSH].budget = Budget::Fixed(given);
    let what = "a budget for `flush`".to_owned();
    assert_eq!(plan.check_budgets(), Err(PlanError::TooLong { what, given }));
}

#[test]
fn a_phase_is_found_by_its_name_or_all_there_are_are_listed() {
    let plan = plan(0);
    assert_eq!(plan.position(&Phase::ANNOUNCE), Some(ANNOUNCE));
    assert_eq!(plan.position(&Phase::RELEASE), Some(RELEASE));
    assert_eq!(plan.find(&Phase::FLUSH, "save"), Ok(FLUSH));
    let unknown = PlanError::UnknownPhase {
        name: "save".to_owned(),
        phase: "supper".to_owned(),
        known: "announce, drain, flush, release".to_owned(),
    };
    assert_eq!(plan.find(&Phase::named("supper"), "save"), Err(unknown));
    assert_eq!(listed([].into_iter()), "nobody");
}
