//! Plans that cannot work, refused by name before there is traffic.

use std::time::Duration;

use super::support::{SECOND, builder, coordinator, idle, stop};
use sundown::{BuildError, Cause, Coordinator, Phase, PlanError, Verdict, Waiter};

#[tokio::test(start_paused = true)]
async fn what_cannot_work_is_refused_by_name() {
    type Wire = fn(&Coordinator) -> Result<(), PlanError>;
    let cases: [(&str, Wire); 8] = [
        ("the plan is empty", |_| Ok(())),
        ("is a cycle: b → a → b", |c| {
            c.order(["a", "b"])?;
            c.order(["b", "a"])?;
            join(c, idle("a"))?;
            join(c, idle("b"))
        }),
        ("`ghost` is ordered but nobody registered it (registered: a, owned work)", |c| {
            c.order(["a", "ghost"])?;
            join(c, idle("a"))
        }),
        ("`a` is ordered before `b`, but they share no phase", |c| {
            c.order(["a", "b"])?;
            join(c, idle("a"))?;
            join(c, idle("b").in_phase(Phase::FLUSH))
        }),
        ("`a` is registered twice in the phase `drain`", |c| {
            join(c, idle("a"))?;
            join(c, idle("a"))
        }),
        ("`a` names the phase `brunch`, which the plan does not have", |c| {
            join(c, idle("a").in_phase(Phase::named("brunch")))
        }),
        ("the phase `flush` has 5s, but a → b need 6s", |c| {
            c.order(["a", "b"])?;
            join(c, idle("a").in_phase(Phase::FLUSH).least(3 * SECOND))?;
            join(c, idle("b").in_phase(Phase::FLUSH).least(3 * SECOND))
        }),
        ("`a` is registered in the phase `announce`, which has no time", |c| {
            join(c, idle("a").in_phase(Phase::ANNOUNCE))
        }),
    ];
    for (culprit, wire) in cases {
        let coordinator = coordinator();
        let error = wire(&coordinator).and_then(|()| coordinator.check()).unwrap_err();
        assert!(error.to_string().contains(culprit), "{error}");
        if !matches!(error, PlanError::DuplicateName { .. } | PlanError::UnknownPhase { .. }) {
            let report = stop(&coordinator).await;
            assert_eq!(report.verdict, Verdict::Refused { error: error.to_string() });
            assert_eq!(report.exit_code, Some(2));
        }
    }
}

fn join(coordinator: &Coordinator, waiter: Waiter) -> Result<(), PlanError> {
    coordinator.register_waiter(waiter)?;
    Ok(())
}

#[test]
fn budgets_that_cannot_fit_are_refused_when_built() {
    let fixed = Coordinator::builder()
        .cap(10 * SECOND)
        .announce(Duration::ZERO)
        .budget(Phase::FLUSH, 5 * SECOND)
        .budget(Phase::RELEASE, 5 * SECOND);
    let error = fixed.build().unwrap_err().to_string();
    assert!(error.contains("flush 5s + release 5s") && error.contains("cap of 10s"), "{error}");
    let twice = builder().phase_before(Phase::FLUSH, Phase::DRAIN, SECOND).build();
    assert!(matches!(twice, Err(BuildError::Plan(PlanError::DuplicatePhase { .. }))));
    let nowhere = builder().budget(Phase::named("lunch"), SECOND).build();
    assert!(matches!(nowhere, Err(BuildError::Plan(PlanError::UnknownPhase { .. }))));
}

#[tokio::test(start_paused = true)]
async fn budgets_that_nobody_set_make_room_for_each_other_under_any_cap() {
    for seconds in [1, 10, 13, 30] {
        let coordinator = Coordinator::builder().cap(seconds * SECOND).build().unwrap();
        for phase in [Phase::DRAIN, Phase::FLUSH, Phase::RELEASE] {
            let hangs = Waiter::new("hangs", |_| std::future::pending::<()>()).in_phase(phase);
            coordinator.register_waiter(hangs).unwrap();
        }
        coordinator.initiate(Cause::requested("test"));
        let report = coordinator.run().await;
        assert!(report.elapsed < seconds * SECOND, "{report}");
        for phase in report.phases.iter().filter(|phase| !phase.waiters.is_empty()) {
            let had = phase.end.unwrap() - phase.start.unwrap();
            assert!(
                had >= (seconds * SECOND / 5).min(5 * SECOND),
                "{} had {had:?}: {report}",
                phase.name
            );
        }
    }
}

#[test]
fn an_edge_after_the_beginning_is_refused() {
    let coordinator = coordinator();
    coordinator.initiate(Cause::requested("test"));
    let late = coordinator.order(["a", "b"]).unwrap_err();
    assert_eq!(late.to_string(), "the order a → b came too late: the shutdown has begun");
}

#[test]
fn listening_twice_is_refused() {
    let coordinator = coordinator();
    coordinator.listen_for_signals().unwrap();
    let again = coordinator.listen_for_signals().unwrap_err();
    assert_eq!(again.kind(), std::io::ErrorKind::AlreadyExists);
    let second = builder().build().unwrap();
    let other = second.listen_for_signals().unwrap_err();
    assert!(other.to_string().contains("another coordinator of this process listens"), "{other}");
    drop(coordinator);
    second.listen_for_signals().expect("the first is gone");
}
