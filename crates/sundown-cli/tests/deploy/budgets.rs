//! The times that pods and units give are those the service needs.

use std::fs;

use sundown_drill::process::Signal;

use crate::service::{PATIENCE, Scratch, start, sundown};
use crate::{file, text};

#[test]
fn every_rendered_manifest_adds_up() {
    let mut checked = 0;
    for entry in fs::read_dir(file("deploy/rendered")).unwrap() {
        let path = entry.unwrap().path();
        let exit = sundown("check").arg(&path).spawn().unwrap().wait(PATIENCE).unwrap();
        let told = format!("{}{}", exit.stdout, exit.stderr);
        assert_eq!(exit.code, Some(0), "{}: {told}", path.display());
        checked += 1;
    }
    assert!(checked >= 5, "{checked} manifests");
}

/// The variables that a manifest's container sets to a value, by the text of the manifest.
fn variables(manifest: &str) -> Vec<(&str, &str)> {
    let mut lines = manifest.lines().map(str::trim_start);
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(name) = line.strip_prefix("- name: ") else { continue };
        let value = lines.clone().next().and_then(|next| next.strip_prefix("value: "));
        found.extend(value.map(|value| (name, value.trim_matches('"'))));
    }
    found
}

#[test]
fn what_the_pods_are_told_is_what_the_service_takes() {
    for (manifest, containers) in [("dev", 1), ("e2e", 2)] {
        let text = text(&format!("deploy/rendered/{manifest}.yaml"));
        let documents = text.split("\n---\n").filter(|it| it.contains("\nkind: Deployment\n"));
        let documents: Vec<_> = documents.collect();
        assert_eq!(documents.len(), containers, "{manifest}");
        for document in documents {
            let mut plan = sundown("plan").env("KUBERNETES_SERVICE_HOST", "10.0.0.1");
            let variables = variables(document);
            assert!(variables.contains(&("GRACEFUL_SHUTDOWN_TIMEOUT", "30")), "{variables:?}");
            for (name, value) in variables {
                let is_file = name == "SUNDOWN_CONFIG";
                let value = if is_file { file("deploy/base/sundown.toml") } else { value.into() };
                plan = plan.env(name, value);
            }
            let exit = plan.spawn().unwrap().wait(PATIENCE).unwrap();
            assert_eq!(exit.code, Some(0), "{manifest}: {}", exit.stderr);
            // What the readiness probe needs, and what the alert on long drains reckons with.
            assert!(exit.stdout.contains("announce 3 s + drain 16.75 s"), "{}", exit.stdout);
        }
    }
}

/// Containers' runtimes call the end by this signal 143.
const SIGTERM: i32 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_evicted_ends_as_its_job_expects() {
    let scratch = Scratch::new();
    let mut service = start(&scratch, "");
    let mut client = sundown("tasks submit count")
        .arg(r#"{"to": 100000, "pause_ms": 20}"#)
        .args(["--key", "nightly-0", "--watch", "--url", &format!("http://{}", service.web)])
        .spawn()
        .unwrap();
    client.wait_for_line(|line| line.contains("progress"), PATIENCE).unwrap();
    client.signal(Signal::Term).unwrap();
    assert_eq!(client.wait(PATIENCE).unwrap().signal, Some(SIGTERM));
    service.signal(Signal::Term);
    service.ends_with(0);
}

#[test]
fn the_unit_leaves_the_service_the_time_it_takes() {
    let unit = text("deploy/systemd/sundown.service");
    let seconds = |key: &str| {
        let value = unit.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        value.parse::<u32>().unwrap()
    };
    let cap = seconds("Environment=GRACEFUL_SHUTDOWN_TIMEOUT=");
    assert!(cap + 2 <= seconds("TimeoutStopSec="), "{unit}");
    for line in ["KillMode=mixed", "SendSIGHUP=no", "SuccessExitStatus=143"] {
        assert!(unit.lines().any(|it| it == line), "{line}");
    }
}
