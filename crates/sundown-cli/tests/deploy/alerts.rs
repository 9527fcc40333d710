//! The alerts: promtool understands them and runs their tests, each has one, and each leads to a section
//! of the operator's page.

use std::fs;
use std::process::Command;

use crate::service::Scratch;
use crate::{RULES, text};

const TESTS: &str = "deploy/components/monitoring/tests.yaml";

/// The `spec` of the manifest: what Prometheus itself reads.
fn groups() -> String {
    let text = text(RULES);
    let (_, spec) = text.split_once("\nspec:\n").unwrap();
    let outdented = |line: &str| format!("{}\n", line.strip_prefix("  ").unwrap_or(line));
    spec.lines().map(outdented).collect()
}

fn promtool(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("promtool").args(arguments).output().expect(
        "promtool (apt-get install -y prometheus; `cargo xtask test` does it where it may)",
    );
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told).into_owned();
    if output.status.success() { Ok(told) } else { Err(told) }
}

/// Runs these tests over these rules.
fn run_tests(rules: &str, tests: &str) -> Result<String, String> {
    let scratch = Scratch::new();
    fs::write(scratch.path("rules.yaml"), rules).unwrap();
    fs::write(scratch.path("tests.yaml"), tests).unwrap();
    promtool(&["test", "rules", &scratch.path("tests.yaml")])
}

/// The tests without those in which this alert is not asked for.
fn tests_of(alert: &str, tests: &str) -> String {
    let (head, cases) = tests.split_once("\ntests:\n").unwrap();
    let cases = cases.split("\n\n").filter(|case| {
        let asked = values(case, "alertname: ");
        asked.contains(&alert) || case.contains(&format!("alertname: {alert},"))
    });
    format!("{head}\ntests:\n{}\n", cases.collect::<Vec<_>>().join("\n\n"))
}

/// The words behind this key, wherever it stands alone on a line or begins a list's item.
fn values<'a>(text: &'a str, key: &str) -> Vec<&'a str> {
    let lines = text.lines().map(|line| line.trim_start().trim_start_matches("- "));
    lines.filter_map(|line| line.strip_prefix(key)).map(str::trim).collect()
}

#[test]
fn the_rules_pass_their_tests() {
    let scratch = Scratch::new();
    fs::write(scratch.path("rules.yaml"), groups()).unwrap();
    promtool(&["check", "rules", &scratch.path("rules.yaml")]).unwrap();
    let told = run_tests(&groups(), &text(TESTS)).unwrap_or_else(|told| panic!("{told}"));
    assert!(told.contains("SUCCESS"), "{told}");
}

#[test]
fn the_tests_notice_a_rule_that_is_wrong() {
    let (groups, tests) = (groups(), text(TESTS));
    for (alert, right, wrong) in [
        (
            "SundownForcedCloses",
            "sundown_forced_closes_total[15m])) > 0",
            "sundown_forced_closes_total[15m])) > 3",
        ),
        (
            "SundownStopNearCap",
            "application_shutting_down == 1\n",
            "application_shutting_down == 0\n",
        ),
        ("SundownStopFailed", "done|recovered", "done"),
        ("SundownDrainNearBudget", "> 0.8 * max", "> 8 * max"),
        ("SundownPreviousStop", "verdict!=\"clean\"", "verdict!=\"lost\""),
        ("SundownProcessLost", "unless sundown_tasks_rescued_total offset 15m", ""),
        ("SundownTasksUnserved", "(sundown_tasks_unserved) > 0", "(sundown_tasks_unserved) > 3"),
        ("SundownNotReady", "[a-z0-9]{5}", "[a-z0-9]{9}"),
        ("SundownNotReady", "Running|Pending", "Running|Pending|Failed"),
        ("SundownNotReady", "Running|Pending", "Running"),
        ("SundownStoreUnavailable", "sundown_tasks_healthy == 1", "sundown_tasks_healthy"),
        ("SundownStoreUnavailable", "for: 1m", "for: 0m"),
    ] {
        assert!(groups.contains(right), "{right}");
        let tests = tests_of(alert, &tests);
        assert!(tests.matches("- name: ").count() < 4, "{tests}");
        let noticed = run_tests(&groups.replacen(right, wrong, 1), &tests).expect_err(wrong);
        assert!(noticed.contains(&format!("alertname: {alert}")), "{wrong}: {noticed}");
    }
}

#[test]
fn every_alert_fires_in_a_test_and_has_a_section_to_read() {
    let (rules, tests, page) = (text(RULES), text(TESTS), text("docs/operations.md"));
    let alerts = values(&rules, "alert: ");
    assert!(alerts.len() > 8, "{alerts:?}");
    let firing = values(&tests, "alertname: ");
    let urls = values(&rules, "runbook_url: ");
    assert_eq!(alerts.len(), urls.len());
    for (alert, url) in alerts.into_iter().zip(urls) {
        assert!(firing.contains(&alert), "no test in which {alert} fires");
        let anchor = format!("alert-{}", alert.to_lowercase());
        assert_eq!(url, format!("docs/operations.md#{anchor}"));
        assert!(page.contains(&format!("\n### Alert: {alert}\n")), "no section on {alert}");
    }
    for key in ["severity: ", "summary: ", "description: "] {
        assert_eq!(values(&rules, key).len(), values(&rules, "alert: ").len(), "{key}");
    }
}
