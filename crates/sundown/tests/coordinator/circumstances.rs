//! Circumstances that are not in the textbook: runtimes that were held up, late starts, work that
//! begins more work, runs that are dropped.

use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sundown::{Cause, Coordinator, Outcome, Phase, PlanError, Priority, Report, Verdict, Waiter};
use tokio::time::{sleep, timeout};

use super::support::{SECOND, builder, coordinator, idle, outcome, stop};

/// Blocks the thread it is on, and with it a runtime of one thread.
#[expect(clippy::disallowed_methods, reason = "to block is what it is for")]
fn block(time: Duration) {
    std::thread::sleep(time);
}

#[tokio::test(start_paused = true)]
async fn work_begun_while_others_drain_is_run_and_waited_for() {
    let coordinator = coordinator();
    let inner = coordinator.clone();
    let sent = Arc::new(AtomicUsize::new(0));
    let count = sent.clone();
    let waiter = Waiter::new("requests", move |_| async move {
        sleep(SECOND).await;
        drop(inner.spawn("receipt", async move {
            sleep(SECOND).await;
            count.fetch_add(1, Ordering::SeqCst);
        }));
    });
    coordinator.register_waiter(waiter).unwrap();
    let report = stop(&coordinator).await;
    assert_eq!(sent.load(Ordering::SeqCst), 1, "{report}");
    assert!(report.is_clean() && report.refused == 0);
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_owned_work_cannot_begin_more_and_the_report_counts_it() {
    let coordinator = coordinator();
    let inner = coordinator.clone();
    let last = Waiter::new("last", move |_| async move {
        let late = inner.spawn("late", async { panic!("it must not be polled") });
        assert!(late.await.unwrap_err().is_cancelled());
    });
    coordinator.register_waiter(last).unwrap();
    coordinator.order([Coordinator::OWNED_WORK, "last"]).unwrap();
    let report = stop(&coordinator).await;
    assert_eq!(report.refused, 1);
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn work_that_fails_while_the_service_stops_is_no_clean_stop() {
    let alerts = Arc::new(Mutex::new(Vec::new()));
    let paged = alerts.clone();
    let coordinator = builder()
        .on_alert(move |alert| paged.lock().unwrap().push(alert.to_string()))
        .build()
        .unwrap();
    let shutdown = coordinator.shutdown();
    let losing = async move {
        shutdown.wait().await;
        Err("3 orders lost")
    };
    drop(coordinator.supervise("orders", losing));
    let report = stop(&coordinator).await;
    assert_eq!((report.verdict.clone(), report.exit_code), (Verdict::Failed, Some(3)));
    assert_eq!(report.failures[0].error, "3 orders lost");
    assert_eq!(*alerts.lock().unwrap(), ["orders failed: 3 orders lost"]);
}

#[test]
fn who_returned_in_time_is_not_taken_to_be_late_when_another_blocks_the_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let fallbacks = Arc::new(AtomicUsize::new(0));
    let count = fallbacks.clone();
    let report = runtime.block_on(async {
        let coordinator = Coordinator::builder()
            .cap(SECOND)
            .announce(Duration::ZERO)
            .budget(Phase::FLUSH, Duration::from_millis(100))
            .budget(Phase::RELEASE, Duration::from_millis(100))
            .build()
            .unwrap();
        let ledger = idle("ledger").fallback(move |_| async move {
            count.fetch_add(1, Ordering::SeqCst);
        });
        coordinator.register_waiter(ledger).unwrap();
        let blocks = Waiter::new("blocks", |_| async { block(Duration::from_millis(900)) });
        coordinator.register_waiter(blocks).unwrap();
        let save = idle("save").in_phase(Phase::FLUSH);
        coordinator.register_waiter(save).unwrap();
        stop(&coordinator).await
    });
    assert_eq!(outcome(&report, "ledger"), Some(Outcome::Done), "{report}");
    assert_eq!(fallbacks.load(Ordering::SeqCst), 0, "it would save twice");
    assert_eq!(outcome(&report, "save"), Some(Outcome::Done), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_starts_late_still_flushes_in_what_is_left() {
    for late in [25, 28] {
        let coordinator = coordinator();
        let save = Waiter::new("save", |_| sleep(Duration::from_millis(100)));
        coordinator.register_waiter(save.in_phase(Phase::FLUSH)).unwrap();
        coordinator.register_waiter(Waiter::new("drain", |_| pending::<()>())).unwrap();
        coordinator.initiate(Cause::requested("test"));
        sleep(late * SECOND).await;
        let report = coordinator.run().await;
        assert_eq!(outcome(&report, "save"), Some(Outcome::Done), "{report}");
        assert!(report.elapsed <= 30 * SECOND, "{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_while_run_waits_is_checked_when_it_comes() {
    let coordinator = coordinator();
    for name in ["a", "b"] {
        coordinator.register_waiter(idle(name)).unwrap();
    }
    let wire = async {
        sleep(SECOND).await;
        coordinator.order(["a", "b"]).unwrap();
        let cycle = coordinator.order(["b", "a"]);
        assert!(matches!(cycle, Err(PlanError::Cycle { .. })), "{cycle:?}");
        let greedy =
            coordinator.register_waiter(idle("c").in_phase(Phase::FLUSH).least(60 * SECOND));
        assert!(matches!(greedy, Err(PlanError::LeastTimes { .. })), "{greedy:?}");
        coordinator.initiate(Cause::requested("test"));
    };
    let (report, ()) = tokio::join!(coordinator.run(), wire);
    assert!(report.is_clean(), "{report}");
}

#[tokio::test(start_paused = true)]
async fn a_late_waiter_of_the_running_phase_gets_what_it_needs_or_is_refused() {
    let coordinator = coordinator();
    let inner = coordinator.clone();
    let slow = Waiter::new("slow", move |_| async move {
        sleep(15 * SECOND).await;
        let greedy = inner.register_waiter(idle("greedy").least(20 * SECOND));
        assert!(matches!(greedy, Err(PlanError::LeastTimes { .. })), "{greedy:?}");
        inner.register_waiter(idle("modest").least(SECOND)).unwrap();
    });
    coordinator.register_waiter(slow).unwrap();
    let report = stop(&coordinator).await;
    assert!(report.is_clean(), "{report}");
    assert!(report.waiter("greedy").is_none() && report.waiter("modest").is_some());
}

#[tokio::test(start_paused = true)]
async fn late_hooks_and_waiters_do_not_run_beside_a_hook() {
    let coordinator = coordinator();
    let inner = coordinator.clone();
    let first = Waiter::new("first", move |_| async move {
        let late = Waiter::new("late waiter", |_| sleep(SECOND));
        inner.register_waiter(late.in_phase(Phase::RELEASE)).unwrap();
        let hook = Waiter::new("late hook", |_| sleep(SECOND)).as_hook(Priority::Critical);
        inner.register_waiter(hook).unwrap();
        sleep(SECOND).await;
    });
    coordinator.register_waiter(first.as_hook(Priority::Normal)).unwrap();
    coordinator.register_waiter(idle("tidy").as_hook(Priority::Cleanup)).unwrap();
    let report = stop(&coordinator).await;
    assert!(report.is_clean(), "{report}");
    let row = |name| report.waiter(name).unwrap();
    for (before, after) in
        [("first", "late waiter"), ("late waiter", "late hook"), ("late hook", "tidy")]
    {
        assert!(row(before).end <= row(after).start, "{before} before {after}: {report}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_announcement_is_held_where_it_stands() {
    let coordinator = Coordinator::builder()
        .cap(30 * SECOND)
        .announce(2 * SECOND)
        .phase_before(Phase::ANNOUNCE, Phase::named("warn"), SECOND)
        .build()
        .unwrap();
    coordinator.register_waiter(idle("x")).unwrap();
    let report = stop(&coordinator).await;
    let took = |i: usize| report.phases[i].end.unwrap() - report.phases[i].start.unwrap();
    assert_eq!((took(0), took(1)), (Duration::ZERO, 2 * SECOND));
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("boom");
    }
}

struct Unspeakable;

impl std::fmt::Debug for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("words fail me")
    }
}

impl std::fmt::Display for Unspeakable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("words fail me")
    }
}

impl std::error::Error for Unspeakable {}

#[tokio::test(start_paused = true)]
async fn destructors_and_errors_that_panic_are_their_owners_affair() {
    let coordinator = coordinator();
    let bomb = Bomb;
    let armed = idle("armed").fallback(move |_| async move { drop(bomb) });
    coordinator.register_waiter(armed).unwrap();
    let speechless = Waiter::new("speechless", |_| async { Err::<(), _>(Unspeakable) });
    coordinator.register_waiter(speechless).unwrap();
    coordinator.register_waiter(idle("save").in_phase(Phase::FLUSH)).unwrap();
    let report = stop(&coordinator).await;
    assert_eq!(outcome(&report, "armed"), Some(Outcome::Done));
    assert_eq!(outcome(&report, "speechless"), Some(Outcome::Panicked));
    assert_eq!(outcome(&report, "save"), Some(Outcome::Done));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_dropped_can_be_called_again_even_in_its_last_words() {
    let (send, receive) = std::sync::mpsc::sync_channel::<()>(1);
    let receive = Mutex::new(receive);
    let coordinator =
        builder().on_alert(move |_| receive.lock().unwrap().recv().unwrap()).build().unwrap();
    let fails = Waiter::new("fails", |_| async { Err::<(), _>("x") });
    coordinator.register_waiter(fails).unwrap();
    coordinator.initiate(Cause::requested("test"));
    let last_words = async {
        let mut phases = coordinator.phases();
        while phases.next().await.is_some() {}
    };
    tokio::select! {
        biased;
        _ = coordinator.run() => panic!("the alert holds it"),
        () = last_words => {}
    }
    send.send(()).unwrap();
    let report: Report = timeout(10 * SECOND, coordinator.run()).await.expect("it ends");
    assert_eq!(report.verdict, Verdict::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_refused_plan_ends_for_its_subscribers_too() {
    let coordinator = coordinator();
    let mut phases = coordinator.phases();
    coordinator.initiate(Cause::requested("test"));
    assert_eq!(coordinator.run().await.exit_code, Some(2), "it is empty");
    assert_eq!(phases.next().await, None);
    assert_eq!(coordinator.phase(), None);
}

#[test]
fn times_that_nobody_can_mean_are_refused() {
    for build in [
        builder().cap(Duration::MAX),
        builder().linger(Duration::MAX),
        builder().budget(Phase::FLUSH, Duration::MAX).budget(Phase::RELEASE, Duration::MAX),
        builder().announce(Duration::MAX),
    ] {
        let error = build.build().unwrap_err().to_string();
        assert!(error.contains("longer than a year"), "{error}");
    }
    let coordinator = coordinator();
    let error = coordinator.register_waiter(idle("a").least(Duration::MAX)).unwrap_err();
    assert!(matches!(error, PlanError::TooLong { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn notifications_run_in_order_and_many_slow_ones_do_not_eat_the_cap() {
    let coordinator = coordinator();
    let order = Arc::new(Mutex::new(Vec::new()));
    for number in 0..20 {
        let order = order.clone();
        coordinator.register_notification(format!("n{number}"), move |_| {
            order.lock().unwrap().push(number);
        });
    }
    coordinator.register_waiter(idle("x")).unwrap();
    assert!(stop(&coordinator).await.is_clean());
    assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
}
