//! Every input that was ever kept is tried again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sundown_fuzz::{TARGETS, Target, corpus};

/// Tries the corpus of one target, and says which input fails.
fn replay(name: &str) {
    let Target { check, .. } = sundown_fuzz::target(name).expect(name);
    let inputs = corpus::read(&corpus::file(name)).expect(name);
    assert!(inputs.len() >= 20, "{name} has {} inputs", inputs.len());
    for input in &inputs {
        let tried = catch_unwind(AssertUnwindSafe(|| check(input)));
        assert!(tried.is_ok(), "{name} fails for {}", input.escape_ascii());
    }
}

#[test]
fn kept_configurations_hold() {
    replay("config");
}

#[test]
fn kept_manifests_hold() {
    replay("manifest");
}

#[test]
fn kept_postgres_urls_hold() {
    replay("postgres-url");
}

#[test]
fn kept_reports_hold() {
    replay("report");
}

#[test]
fn kept_settings_hold() {
    replay("setting");
}

#[test]
fn kept_words_of_the_shim_hold() {
    replay("shim");
}

#[test]
fn kept_tasks_hold() {
    replay("task");
}

#[test]
fn kept_urls_hold() {
    replay("url");
}

#[test]
fn all_corpora_together_are_thousands_of_inputs_and_small() {
    let (mut count, mut bytes) = (0, 0);
    for target in TARGETS {
        let file = corpus::file(target.name);
        bytes += std::fs::metadata(&file).expect(target.name).len();
        count += corpus::read(&file).expect(target.name).len();
    }
    assert!(count >= 2000, "{count} inputs");
    assert!(bytes <= 1_500_000, "{bytes} bytes");
}
