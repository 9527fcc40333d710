//! Whole manifests and what is found in them: what is bad is found where it stands, and what
//! well-known charts look like is no false alarm.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sundown_check::{Check, Container, Report, Severity, StopBudget};

/// The manifests of a folder, in order.
fn manifests(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/manifests").join(folder);
    let entries = fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// A program of these tests, which says in its environment how it stops.
fn known(container: &Container) -> Option<Result<StopBudget, String>> {
    if container.image != "example.com/known:1" {
        return None;
    }
    let said = |name: &str| container.environment.get(name).cloned().flatten();
    let time = |name: &str| said(name).map(|text| Duration::from_secs(text.parse().unwrap()));
    if let Some(refusal) = said("REFUSES") {
        return Some(Err(refusal));
    }
    Some(Ok(StopBudget {
        cap: time("CAP").unwrap_or(Duration::from_secs(10)),
        announce: time("ANNOUNCE"),
        phases: Vec::new(),
        source: "the test".to_owned(),
        told_grace: time("TOLD_GRACE"),
        told_prestop: time("TOLD_PRESTOP"),
        tells_interruption: Some(said("TELLS").is_some()),
        readiness: said("PORT").map(|port| ("/readyz".to_owned(), port.parse().unwrap())),
        liveness: said("PORT").map(|port| ("/healthz".to_owned(), port.parse().unwrap())),
    }))
}

fn check(file: &Path) -> Report {
    Check::new().file("m.yaml", &fs::read(file).unwrap()).knows(known).run()
}

/// What of the findings counts, as `rule line N`.
fn found(report: &Report) -> Vec<String> {
    let counts = report.findings().iter().filter(|f| f.severity != Severity::Note);
    let mut found: Vec<String> =
        counts.map(|f| format!("{} line {}", name(f.rule), f.place.line)).collect();
    found.sort();
    found
}

fn name(rule: sundown_check::Rule) -> String {
    serde_json::to_value(rule).unwrap().as_str().unwrap().to_owned()
}

#[test]
fn every_bad_manifest_has_exactly_the_findings_it_expects() {
    let files = manifests("bad");
    assert!(files.len() >= 25, "{}", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let expects = text.lines().filter_map(|line| line.strip_prefix("# expect: "));
        let mut expected: Vec<String> = expects.map(str::to_owned).collect();
        expected.sort();
        assert!(!expected.is_empty(), "{file:?} expects nothing");
        let report = check(&file);
        if found(&report) != expected {
            wrong.push(format!("{file:?}\n  expects {expected:?}\n{report}\n"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_good_manifest_has_an_error_or_a_warning() {
    let files = manifests("good");
    assert!(files.len() >= 15, "{}", files.len());
    let reports: Vec<(PathBuf, Report)> =
        files.into_iter().map(|file| (file.clone(), check(&file))).collect();
    let alarms = reports.iter().filter(|(_, report)| !found(report).is_empty());
    let alarms: Vec<String> = alarms.map(|(file, r)| format!("{file:?}\n{r}\n")).collect();
    assert!(alarms.is_empty(), "{}", alarms.join("\n"));
    assert!(reports.iter().all(|(_, report)| !report.fails()));
}

#[test]
fn each_manifest_describes_pods() {
    for file in manifests("bad").into_iter().chain(manifests("good")) {
        let report = check(&file);
        assert!(!report.pods().is_empty(), "{file:?}");
        for pod in report.pods() {
            let svg = pod.timeline().to_svg();
            assert!(svg.contains("SIGKILL") && svg.contains("SIGTERM"), "{file:?}");
        }
    }
}

#[test]
fn any_line_may_be_missing_without_a_panic() {
    for file in manifests("bad").into_iter().chain(manifests("good")) {
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for missing in 0..lines.len() {
            let rest = [&lines[..missing], &lines[missing + 1..]].concat().join("\n");
            let report = Check::new().file("m.yaml", rest.as_bytes()).run();
            assert!(!report.to_string().is_empty());
        }
    }
}

#[test]
fn local_volumes_are_noted_until_somebody_says_that_they_may_go() {
    let notes = |annotation: &str, volumes: &str| {
        let text = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: shop }}\nspec:\n  \
             selector: {{ matchLabels: {{ app: shop }} }}\n  template:\n    metadata:\n      \
             labels: {{ app: shop }}\n      annotations: {{ {annotation} }}\n    spec:\n      \
             containers: [{{ name: shop, image: shop:1 }}]\n      volumes: [{volumes}]\n"
        );
        let report = Check::new().file("m.yaml", text.as_bytes()).run();
        let found = report.findings().iter();
        let mut found = found.filter(|f| f.rule == sundown_check::Rule::LocalVolumesHoldTheNode);
        found.next().map(|finding| (finding.what.clone(), finding.mend.clone()))
    };
    let evict = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    let both = "{ name: tmp, emptyDir: {} }, { name: cache, emptyDir: { sizeLimit: 1Gi } }";
    let (what, mend) = notes("", both).unwrap();
    assert!(what.ends_with("its pod: tmp, cache"), "{what}");
    assert!(mend.ends_with(&format!("{evict}-local-volumes: \"tmp,cache\"")), "{mend}");
    let (what, mend) = notes(&format!("{evict}-local-volumes: \"tmp\""), both).unwrap();
    assert!(what.ends_with("its pod: cache") && mend.ends_with("\"tmp,cache\""), "{what} {mend}");
    for (annotation, volumes) in [
        (format!("{evict}-local-volumes: \"tmp, cache\""), both),
        (format!("{evict}: \"true\""), both),
        (format!("{evict}: \"false\""), both),
        (String::new(), "{ name: tmp, emptyDir: { medium: Memory } }"),
        (String::new(), "{ name: conf, configMap: { name: conf } }"),
    ] {
        assert_eq!(notes(&annotation, volumes), None, "{annotation} {volumes}");
    }
}

#[test]
fn names_with_line_breaks_give_no_commands_to_whoever_reads_the_output() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: { name: \"a\\n::error::b\" }\nspec:\n  \
                containers:\n    - name: \"c\\n::error::d\"\n      image: x\n      lifecycle: { \
                preStop: { exec: { command: [\"e\\n::error::f\"] } } }\n    - image: y\n";
    let printed = Check::new().file("m\n::error::g", text.as_bytes()).run().to_string();
    assert!(printed.contains("::error::b") && printed.contains("::error::g"), "{printed}");
    for line in printed.lines() {
        assert!(!line.trim_start().starts_with("::"), "{printed}");
    }
    assert!(printed.contains("how long containers[1] takes to stop"), "{printed}");
    assert!(printed.contains("`name` is missing"), "{printed}");
}
