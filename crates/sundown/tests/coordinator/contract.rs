//! What the coordinator promises to layers and applications, on the paused clock.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::support::{SECOND, builder, coordinator, idle, outcome, stop};
use sundown::{
    Cause, Coordinator, HandedBack, NoopCoordinator, Outcome, Phase, PlanError, Priority,
    ShutdownCoordinator, Verdict, Waiter,
};
use tokio::time::{Instant, sleep};

/// A list that waiters write their names on.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn push(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn waiter(&self, name: &'static str) -> Waiter {
        let log = self.clone();
        Waiter::new(name, move |_| async move { log.push(name) })
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_cause_wins_and_later_ones_are_told_so() {
    let coordinator = coordinator();
    coordinator.register_waiter(idle("x")).unwrap();
    assert!(!coordinator.is_shutting_down());
    assert!(coordinator.initiate(Cause::requested("deploy")));
    assert!(!coordinator.initiate(Cause::failed("db", "gone")));
    assert_eq!(coordinator.cause(), Some(Cause::requested("deploy")));
    assert_eq!(coordinator.run().await.cause, Some(Cause::requested("deploy")));
}

#[tokio::test(start_paused = true)]
async fn notifications_have_run_when_initiate_returns_and_late_ones_run_at_once() {
    let coordinator = coordinator();
    let log = Log::default();
    for name in ["one", "two"] {
        let log = log.clone();
        coordinator.register_notification(name, move |cause| log.push(format!("{name} {cause}")));
    }
    let unwanted = log.clone();
    coordinator.register_notification("gone", move |_| unwanted.push("gone")).unregister();
    coordinator.initiate(Cause::requested("test"));
    assert_eq!(log.lines(), ["one requested: test", "two requested: test"]);
    let late = log.clone();
    coordinator.register_notification("late", move |_| late.push("late"));
    assert_eq!(log.lines().last().unwrap(), "late");
}

#[tokio::test(start_paused = true)]
async fn a_registration_lasts_unless_it_is_ended() {
    let coordinator = coordinator();
    let log = Log::default();
    let _ = coordinator.register_waiter(log.waiter("stays")).unwrap();
    coordinator.register_waiter(log.waiter("goes")).unwrap().unregister();
    drop(coordinator.register_waiter(log.waiter("goes")).unwrap().scoped()); // its name was free again
    let _ = coordinator.register_waiter(log.waiter("lasts")).unwrap();
    let report = stop(&coordinator).await;
    assert_eq!(log.lines(), ["stays", "lasts"]);
    assert!(report.waiter("goes").is_none());
}

#[tokio::test(start_paused = true)]
async fn who_leaves_in_its_own_phase_is_waited_for_only_if_it_runs() {
    let coordinator = coordinator();
    coordinator.order(["first", "second"]).unwrap();
    let second = Arc::new(Mutex::new(None));
    let slot = second.clone();
    let first = Waiter::new("first", move |_| async move { drop(slot.lock().unwrap().take()) });
    let running = coordinator.register_waiter(first).unwrap().scoped();
    *second.lock().unwrap() = Some(coordinator.register_waiter(idle("second")).unwrap().scoped());
    let report = stop(&coordinator).await;
    assert!(report.waiter("second").is_none());
    assert_eq!(outcome(&report, "first"), Some(Outcome::Done));
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn late_waiters_join_the_present_and_the_future_but_not_the_past() {
    let coordinator = coordinator();
    let log = Log::default();
    let (inner, late) = (coordinator.clone(), log.clone());
    let waiter = Waiter::new("flusher", move |_| async move {
        let past = inner.register_waiter(idle("late").in_phase(Phase::DRAIN));
        assert!(matches!(past, Err(PlanError::PhasePassed { .. })), "{past:?}");
        for phase in [Phase::FLUSH, Phase::RELEASE] {
            inner.register_waiter(late.waiter("late").in_phase(phase)).unwrap();
        }
        let greedy = idle("greedy").in_phase(Phase::RELEASE).least(60 * SECOND);
        let refused = inner.register_waiter(greedy);
        assert!(matches!(refused, Err(PlanError::LeastTimes { .. })), "{refused:?}");
    });
    coordinator.register_waiter(waiter.in_phase(Phase::FLUSH)).unwrap();
    let report = stop(&coordinator).await;
    assert_eq!(report.verdict, Verdict::Clean, "{report}");
    assert_eq!(log.lines(), ["late", "late"]);
    let refused = coordinator.register_waiter(idle("after the end"));
    assert!(matches!(refused, Err(PlanError::PhasePassed { .. })));
}

#[tokio::test(start_paused = true)]
async fn edges_are_kept_and_bridge_those_who_are_not_in_the_phase() {
    let coordinator = coordinator();
    let log = Log::default();
    coordinator.order(["a", "b", "c"]).unwrap();
    for name in ["c", "a"] {
        let waiter = log.waiter(name).in_phase(Phase::FLUSH);
        coordinator.register_waiter(waiter).unwrap();
    }
    for name in ["c", "b", "a"] {
        coordinator.register_waiter(log.waiter(name)).unwrap();
    }
    stop(&coordinator).await;
    assert_eq!(log.lines(), ["a", "b", "c", "a", "c"]);
}

#[tokio::test(start_paused = true)]
async fn hooks_run_alone_by_priority_after_the_waiters_of_their_phase() {
    let coordinator = coordinator();
    let log = Log::default();
    for (name, priority) in [
        ("disconnect", Priority::Low),
        ("save", Priority::Critical),
        ("tidy", Priority::Cleanup),
        ("close", Priority::High),
        ("cancel", Priority::Normal),
        ("save too", Priority::Critical),
    ] {
        let log = log.clone();
        coordinator.register_hook(name, priority, move || log.push(name)).unwrap();
    }
    let slow = log.clone();
    let waiter = Waiter::new("waiter", move |_| async move {
        sleep(SECOND).await;
        slow.push("waiter");
    });
    coordinator.register_waiter(waiter.in_phase(Phase::RELEASE)).unwrap();
    stop(&coordinator).await;
    let expected = ["waiter", "save", "save too", "close", "cancel", "disconnect", "tidy"];
    assert_eq!(log.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn added_phases_take_their_place_and_a_subscriber_misses_none() {
    let stop_orders = Phase::named("stop_new_orders");
    let close = Phase::named("close_positions");
    let coordinator = builder()
        .phase_before(Phase::DRAIN, stop_orders.clone(), SECOND)
        .phase_after(Phase::DRAIN, close.clone(), SECOND)
        .build()
        .unwrap();
    let mut phases = coordinator.phases();
    let inner = coordinator.clone();
    let place = close.clone();
    let waiter = Waiter::new("positions", move |_| async move {
        assert_eq!(inner.phase(), Some(place));
    });
    coordinator.register_waiter(waiter.in_phase(close.clone())).unwrap();
    assert_eq!(coordinator.phase(), None);
    let report = stop(&coordinator).await;
    assert_eq!(report.verdict, Verdict::Clean, "{report}");
    assert_eq!(coordinator.phase(), None);
    for expected in
        [Phase::ANNOUNCE, stop_orders, Phase::DRAIN, close, Phase::FLUSH, Phase::RELEASE]
    {
        assert_eq!(phases.next().await, Some(expected));
    }
    assert_eq!(phases.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_cap_given_to_wait_for_shutdown_replaces_the_one_built_in() {
    let coordinator = coordinator();
    coordinator.register_waiter(Waiter::new("hangs", |_| pending::<()>())).unwrap();
    coordinator.initiate(Cause::requested("test"));
    let report = coordinator.wait_for_shutdown(Some(12 * SECOND)).await;
    assert_eq!(report.cap, 12 * SECOND);
    let ended = report.waiter("hangs").unwrap().end.unwrap();
    assert_eq!(ended, Duration::from_millis(12_000 - 240), "nobody needs the time of the others");
    assert_eq!(coordinator.run().await, report, "asked again, it answers the same");
    let refused = builder().budget(Phase::FLUSH, 5 * SECOND).build().unwrap();
    refused.register_waiter(idle("x")).unwrap();
    assert_eq!(refused.wait_for_shutdown(Some(SECOND)).await.exit_code, Some(2));
}

#[tokio::test(start_paused = true)]
async fn the_plan_counts_from_the_cause_and_not_from_run() {
    let coordinator = coordinator();
    coordinator.register_waiter(Waiter::new("hangs", |_| pending::<()>())).unwrap();
    coordinator.initiate(Cause::requested("test"));
    sleep(10 * SECOND).await;
    let report = coordinator.run().await;
    assert_eq!(report.waiter("hangs").unwrap().start, Some(10 * SECOND));
    assert!(report.elapsed <= 30 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn owned_work_is_waited_for_then_aborted_and_named() {
    let coordinator = coordinator();
    let shutdown = coordinator.shutdown();
    let polite = coordinator.spawn("polite", async move { shutdown.wait().await.clone() });
    let hung = coordinator.spawn("reindex", pending::<()>());
    let inner = coordinator.clone();
    let too_late = Waiter::new("spawns", move |_| async move {
        let late = inner.spawn("too late", async { panic!("it must not be polled") });
        assert!(late.await.unwrap_err().is_cancelled());
    });
    coordinator.register_waiter(too_late.in_phase(Phase::FLUSH)).unwrap();
    let report = stop(&coordinator).await;
    assert_eq!(polite.await.unwrap(), Cause::requested("test"));
    assert!(hung.await.unwrap_err().is_cancelled());
    let work = report.waiter(Coordinator::OWNED_WORK).unwrap();
    assert_eq!(work.outcome, Some(Outcome::TimedOut));
    assert_eq!(work.detail.as_deref(), Some("still running: reindex"));
    assert_eq!(report.left.len(), 1);
    assert_eq!(outcome(&report, "spawns"), Some(Outcome::Done));
}

#[tokio::test(start_paused = true)]
async fn a_supervised_task_that_ends_well_starts_nothing_and_one_that_fails_does() {
    let coordinator = coordinator();
    coordinator.supervise("migration", async { Ok::<(), String>(()) }).await.unwrap();
    assert!(!coordinator.is_shutting_down());
    coordinator.supervise("ingest", async { Err("no route") }).await.unwrap();
    assert_eq!(coordinator.cause(), Some(Cause::failed("ingest", "no route")));
    let report = coordinator.run().await;
    assert_eq!(report.exit_code, Some(3), "a supervisor must see that it failed");
}

#[tokio::test(start_paused = true)]
async fn handed_back_work_adds_up_and_stays_clean() {
    let coordinator = coordinator();
    for name in ["tasks", "mails"] {
        let waiter = Waiter::new(name, |_| async {
            Ok::<_, std::io::Error>(HandedBack::new(2).note("two are waiting"))
        });
        coordinator.register_waiter(waiter.in_phase(Phase::FLUSH)).unwrap();
    }
    let report = stop(&coordinator).await;
    assert_eq!((report.handed_back(), report.exit_code, report.is_clean()), (4, Some(0), true));
    let text = report.to_string();
    assert!(text.contains("done, 2 handed back: two are waiting"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_layer_runs_unchanged_with_the_noop() {
    async fn layer(coordinator: Arc<dyn ShutdownCoordinator>) -> usize {
        let calls = Arc::new(AtomicUsize::new(0));
        let count = calls.clone();
        coordinator.register_notification("layer", move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        });
        coordinator.register_waiter(idle("layer")).unwrap();
        coordinator.register_waiter(idle("layer")).unwrap();
        assert!(!coordinator.initiate(Cause::requested("test")));
        assert!(!coordinator.is_shutting_down());
        assert_eq!(coordinator.phase(), None);
        assert_eq!(coordinator.report().verdict, Verdict::Running);
        assert_eq!(coordinator.spawn("work", async { 7 }).await.unwrap(), 7);
        calls.load(Ordering::SeqCst)
    }
    assert_eq!(layer(Arc::new(NoopCoordinator::new())).await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_waiters_end_with_the_longest_of_them() {
    let coordinator = coordinator();
    for number in 0..1000_u64 {
        let waiter =
            Waiter::new(format!("w{number}"), move |_| sleep(Duration::from_millis(number)));
        coordinator.register_waiter(waiter).unwrap();
    }
    let began = Instant::now();
    let report = stop(&coordinator).await;
    assert!(report.is_clean());
    assert!(began.elapsed() <= Duration::from_millis(1005), "{:?}", began.elapsed());
}
