//! What is rendered, read strictly.

use metrics::{counter, gauge, histogram, with_local_recorder};
use sundown::NoopCoordinator;
use sundown_metrics::{MetricsService, StartError};

use crate::support::{SECOND, coordinator, scrape, slow, standalone, stop};

fn start(settings: sundown_metrics::Settings) -> Result<MetricsService, StartError> {
    MetricsService::start(std::sync::Arc::new(NoopCoordinator::new()), settings)
}

#[tokio::test]
async fn the_seeds_metrics_are_there_from_the_first_scrape_with_their_types() {
    let scrape = scrape(&start(standalone()).unwrap());
    for (name, kind) in [
        ("application_shutting_down", "gauge"),
        ("graceful_shutdown_duration_seconds", "histogram"),
        ("active_tasks_at_shutdown", "gauge"),
    ] {
        assert_eq!(scrape.families[name].kind, kind, "{name}");
        assert!(scrape.families[name].help.is_some(), "{name}");
    }
    assert_eq!(scrape.value("application_shutting_down"), 0.0);
    assert_eq!(scrape.value("active_tasks_at_shutdown"), 0.0);
    assert_eq!(scrape.value("graceful_shutdown_duration_seconds_count"), 0.0);
}

#[tokio::test]
async fn the_seeds_methods_set_the_seeds_metrics() {
    let metrics = start(standalone()).unwrap();
    metrics.set_shutdown_state(true);
    metrics.record_active_tasks_at_shutdown(7);
    metrics.record_shutdown_duration(12 * SECOND);
    metrics.record_shutdown_duration(700 * SECOND);
    let said = scrape(&metrics);
    assert_eq!(said.value("application_shutting_down"), 1.0);
    assert_eq!(said.value("active_tasks_at_shutdown"), 7.0);
    let name = "graceful_shutdown_duration_seconds";
    let bucket = |le| said.labelled(&format!("{name}_bucket"), &[("le", le)]);
    assert_eq!((bucket("10"), bucket("15"), bucket("600")), (0.0, 1.0, 1.0));
    assert_eq!(said.value(&format!("{name}_count")), 2.0);
    assert_eq!(said.value(&format!("{name}_sum")), 712.0);
    metrics.set_shutdown_state(false);
    assert_eq!(scrape(&metrics).value("application_shutting_down"), 0.0);
}

#[tokio::test]
async fn whatever_goes_through_the_facade_is_valid_text_and_no_histogram_is_a_summary() {
    let metrics = start(standalone().buckets("own_seconds", [1.0, 2.0]).label("pod", "a")).unwrap();
    with_local_recorder(metrics.recorder(), || {
        counter!("jobs_total", "queue" => "quo\"te\\ and\nline").increment(3);
        counter!("9 lives!", "a b" => "ö").increment(1);
        gauge!("odd").set(f64::NEG_INFINITY);
        gauge!("unknown").set(f64::NAN);
        histogram!("own_seconds").record(1.5);
        histogram!("usual_seconds").record(0.02);
    });
    metrics.watch("depth", "With a \\ and\na line.", || 4.0);
    metrics.watch(("depths", &[("queue", "mail")]), "By queue.", || 5.0);
    let said = scrape(&metrics);
    let jobs = [("pod", "a"), ("queue", "quo\"te\\ and\nline")];
    assert_eq!(said.labelled("jobs_total", &jobs), 3.0);
    assert_eq!(said.labelled("depth", &[("pod", "a")]), 4.0);
    assert_eq!(said.labelled("depths", &[("pod", "a"), ("queue", "mail")]), 5.0);
    let bucket = said.labelled("own_seconds_bucket", &[("pod", "a"), ("le", "2")]);
    assert_eq!(bucket, 1.0);
    assert!(said.families.values().all(|family| family.kind != "summary"), "{said:#?}");
    assert_eq!(said.families["usual_seconds"].kind, "histogram");
}

#[tokio::test]
async fn the_process_is_there_under_the_standard_names() {
    let metrics = start(standalone()).unwrap();
    let said = scrape(&metrics);
    for name in ["process_resident_memory_bytes", "process_open_fds", "process_start_time_seconds"]
    {
        assert_eq!(said.families[name].kind, "gauge", "{name}");
        assert!(said.value(name) > 0.0, "{name}");
    }
    assert_eq!(said.families["process_cpu_seconds_total"].kind, "counter");
    assert!(said.value("process_uptime_seconds") >= 0.0);
}

/// So that the names here and those in the core cannot drift apart.
#[test]
fn everything_the_core_records_is_described_and_has_buckets() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let metrics = runtime.block_on(async { start(standalone()) }).unwrap();
    with_local_recorder(metrics.recorder(), || {
        runtime.block_on(async {
            let coordinator = coordinator();
            coordinator.register_waiter(slow("slow", 2 * SECOND)).unwrap();
            drop(coordinator.spawn("stuck", std::future::pending::<()>()));
            stop(&coordinator).await;
        });
    });
    let said = scrape(&metrics);
    let core = said.families.iter().filter(|(name, _)| name.starts_with("sundown_"));
    let kinds: Vec<_> = core
        .map(|(name, family)| {
            assert!(family.help.is_some(), "{name} has no HELP");
            (name.as_str(), family.kind.as_str())
        })
        .collect();
    assert_eq!(
        kinds,
        [
            ("sundown_cap_seconds", "gauge"),
            ("sundown_owned_work_aborted_total", "counter"),
            ("sundown_phase_budget_seconds", "gauge"),
            ("sundown_phase_duration_seconds", "histogram"),
            ("sundown_shutting_down", "gauge"),
            ("sundown_waiter_duration_seconds", "histogram"),
            ("sundown_waiter_outcomes_total", "counter"),
        ]
    );
    let bucket = |le| {
        let labels = [("phase", "drain"), ("waiter", "slow"), ("le", le)];
        said.labelled("sundown_waiter_duration_seconds_bucket", &labels)
    };
    assert_eq!((bucket("1"), bucket("2.5"), bucket("600")), (0.0, 1.0, 1.0));
    assert_eq!(
        said.labelled(
            "sundown_phase_duration_seconds_bucket",
            &[("phase", "drain"), ("le", "600")]
        ),
        1.0
    );
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused() {
    let error = start(standalone().interval(std::time::Duration::ZERO)).unwrap_err();
    assert!(matches!(error, StartError::Interval), "{error}");
    let error = start(standalone().buckets("x", [2.0, 1.0])).unwrap_err();
    assert!(matches!(&error, StartError::Buckets { metric, .. } if metric == "x"), "{error}");
}
