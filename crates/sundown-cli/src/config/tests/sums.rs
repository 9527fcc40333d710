//! The times of the stop: what fits itself in, and what is refused with its sum.

use std::time::Duration;

use super::*;

/// The budgets under these variables, in milliseconds: announce, flush, release.
fn budgets(variables: &[(&str, &str)]) -> [u128; 3] {
    let loaded = load(None, env(variables), &[]).unwrap_or_else(|e| panic!("{variables:?} {e}"));
    let Budgets { announce, flush, release, .. } = loaded.budgets;
    [announce, flush, release].map(|time| time.as_millis())
}

const KUBERNETES: (&str, &str) = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");

fn timeout(time: &str) -> (&str, &str) {
    ("GRACEFUL_SHUTDOWN_TIMEOUT", time)
}

#[test]
fn a_short_timeout_alone_just_works() {
    assert_eq!(budgets(&[]), [0, 5000, 5000]);
    assert_eq!(budgets(&[KUBERNETES]), [3000, 5000, 5000]);
    assert_eq!(budgets(&[timeout("30"), KUBERNETES]), [3000, 5000, 5000]);
    assert_eq!(budgets(&[timeout("10")]), [0, 3266, 3266]);
    assert_eq!(budgets(&[timeout("10"), KUBERNETES]), [3000, 2266, 2266]);
    assert_eq!(budgets(&[timeout("1")]), [0, 326, 326]);
    assert_eq!(budgets(&[timeout("1"), KUBERNETES]), [326, 217, 217]);
}

#[test]
fn whatever_the_timeout_is_it_makes_a_plan_that_can_be_built() {
    for millis in [11, 12, 30, 100, 999, 5000, 12_500, 15_250, 19_000, 31_536_000_000_u64] {
        for variables in [vec![], vec![KUBERNETES]] {
            let time = format!("{millis}ms");
            let variables = [variables, vec![timeout(&time)]].concat();
            let loaded = load(None, env(&variables), &[]).unwrap_or_else(|e| panic!("{time} {e}"));
            crate::serve::builder(&loaded).build().unwrap_or_else(|e| panic!("{time} {e}"));
        }
    }
}

#[test]
fn what_is_set_is_never_changed() {
    let flush = ("SUNDOWN_SHUTDOWN_FLUSH", "4s");
    assert_eq!(budgets(&[timeout("5"), flush]), [0, 4000, 300]);
    let announce = ("SUNDOWN_SHUTDOWN_ANNOUNCE", "4s");
    assert_eq!(budgets(&[timeout("7.14"), announce, KUBERNETES]), [4000, 999, 999]);
}

#[test]
fn times_that_leave_nothing_are_refused_with_their_sum_and_where_each_was_set() {
    let text = "[shutdown]\ntimeout = 9\nflush = 5\nrelease = 4\n";
    assert_eq!(
        refused("sum", text),
        "FILE:2: `shutdown.timeout` of 9s leaves nothing to drain in: 5 s for `shutdown.flush` \
         (FILE:3) + 4 s for `shutdown.release` (FILE:4) + 180 ms for the last words are 9.18 s (set \
         `shutdown.timeout` to more than that, or lower `shutdown.flush` or `shutdown.release`)"
    );
    let announce = env(&[timeout("3"), ("SUNDOWN_SHUTDOWN_ANNOUNCE", "3s")]);
    let problems = load(None, announce, &[]).expect_err("nothing is left").to_string();
    assert_eq!(
        problems,
        "GRACEFUL_SHUTDOWN_TIMEOUT: `shutdown.timeout` of 3s leaves nothing to drain in: 3 s for \
         `shutdown.announce` (SUNDOWN_SHUTDOWN_ANNOUNCE) + 60 ms for the last words are 3.06 s (set \
         `shutdown.timeout` to more than that, or lower `shutdown.announce`)"
    );
    let long = flags(&[("--shutdown-flush", Some("600s"))]);
    let problems = load(None, [], &long).expect_err("nothing is left").to_string();
    assert!(problems.starts_with("--shutdown-flush: `shutdown.timeout` of 600s"), "{problems}");
    assert!(load(None, env(&[timeout("10ms")]), &[]).is_err(), "the last words need as much");
}

#[test]
fn the_sum_is_that_of_the_library() {
    let rng = &mut fastrand::Rng::with_seed(8);
    for _ in 0..2000 {
        let mut time = |most| Time(Duration::from_millis(rng.u64(1..most)));
        let shutdown = Shutdown {
            timeout: time(20_000),
            announce: Auto(Some(time(4000))),
            flush: Auto(Some(time(8000))),
            release: Auto(Some(time(8000))),
            ..Shutdown::default()
        };
        let budgets = Budgets::of(&shutdown, false);
        let builds = sundown::Coordinator::builder()
            .cap(shutdown.timeout.0)
            .announce(budgets.announce)
            .budget(sundown::Phase::FLUSH, budgets.flush)
            .budget(sundown::Phase::RELEASE, budgets.release)
            .build();
        let problem = budgets.problem(shutdown.timeout, str::to_owned);
        assert_eq!(problem.is_none(), builds.is_ok(), "{shutdown:?}");
    }
}
