//! The times that pods and units give are those the service needs.

use std::fs;

use sundown_drill::process::Signal;

use crate::service::{PATIENCE, Scratch, launch, serving, start, sundown};
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
    let scratch = Scratch::new();
    fs::write(scratch.path("token"), "correct-horse").unwrap();
    for (manifest, containers) in [("dev", 1), ("e2e", 2), ("prod", 1), ("full", 1)] {
        let text = text(&format!("deploy/rendered/{manifest}.yaml"));
        let documents = text.split("\n---\n").filter(|it| it.contains("\nkind: Deployment\n"));
        // The clients of the end-to-end run, and its control, are told nothing of their pods.
        let documents: Vec<_> = documents.filter(|it| it.contains("SUNDOWN_POD_GRACE")).collect();
        assert_eq!(documents.len(), containers, "{manifest}");
        for document in documents {
            let mut plan = sundown("plan").env("KUBERNETES_SERVICE_HOST", "10.0.0.1");
            let variables = variables(document);
            assert!(variables.contains(&("GRACEFUL_SHUTDOWN_TIMEOUT", "30")), "{variables:?}");
            for (name, value) in variables {
                plan = match name {
                    "SUNDOWN_CONFIG" => plan.env(name, file("deploy/base/sundown.toml")),
                    _ if name.ends_with("_FILE") && name.contains("TOKEN") => {
                        plan.env(name, scratch.path("token"))
                    }
                    _ => plan.env(name, value),
                };
            }
            for (name, key) in secrets(document) {
                assert_eq!((name, key), ("SUNDOWN_TASKS_STORE", "store"), "{manifest}");
                plan = plan.env(name, "postgres://user:password@db/tasks");
            }
            let exit = plan.spawn().unwrap().wait(PATIENCE).unwrap();
            assert_eq!(exit.code, Some(0), "{manifest}: {}", exit.stderr);
            // What the readiness probe needs, and what the alert on long drains reckons with.
            assert!(exit.stdout.contains("announce 3 s + drain 16.75 s"), "{}", exit.stdout);
        }
    }
}

/// The variables that take their value from a secret, with its key.
fn secrets(manifest: &str) -> Vec<(&str, &str)> {
    let lines: Vec<_> = manifest.lines().map(str::trim_start).collect();
    let found = lines.windows(4).filter_map(|window| {
        let name = window[0].strip_prefix("- name: ")?;
        let is_secret = (window[1], window[2]) == ("valueFrom:", "secretKeyRef:");
        Some((name, window[3].strip_prefix("key: ").filter(|_| is_secret)?))
    });
    found.collect()
}

/// The words behind `args:` of a manifest's container.
fn arguments(manifest: &str) -> Vec<String> {
    let words = manifest.lines().map(str::trim_start).skip_while(|line| *line != "- args:");
    let words = words.skip(1).map_while(|line| line.strip_prefix("- "));
    words.map(|word| word.trim_matches('\'').to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_job_says_what_the_client_understands_and_shows_its_token() {
    let scratch = Scratch::new();
    let process = launch(&scratch, "--http-allow http://127.0.0.1:1/reports")
        .env("SUNDOWN_WEB_TOKEN", "correct-horse")
        .spawn()
        .unwrap();
    let mut service = serving(process);
    let text = text("deploy/rendered/job.yaml");
    assert_eq!(secrets(&text), [("SUNDOWN_WEB_TOKEN", "web-token")]);
    // All but the waiting: nobody answers at that address.
    let said = arguments(&text).into_iter().filter(|word| word != "--watch").map(|word| {
        word.replace("$(JOB_COMPLETION_INDEX)", "7")
            .replace("$(JOB_NAME)", "nightly")
            .replace("$(JOB_UID)", "0b5e")
            .replace("https://hooks.example.com", "http://127.0.0.1:1")
            .replace("http://sundown:8080", &format!("http://{}", service.web))
    });
    let said: Vec<_> = said.collect();
    assert!(said.len() > 6 && !said.concat().contains("$("), "{said:?}");
    let submit = |token: &str| {
        let client = sundown("").args(&said).env("SUNDOWN_WEB_TOKEN", token);
        client.spawn().unwrap().wait(PATIENCE).unwrap()
    };
    let refused = submit("battery-staple");
    assert_ne!(refused.code, Some(0), "{}", refused.stdout);
    assert!(refused.stderr.contains("SUNDOWN_WEB_TOKEN"), "{}", refused.stderr);
    for _ in 0..2 {
        // The pod that comes after gets the same task.
        let exit = submit("correct-horse");
        assert_eq!(exit.code, Some(0), "{}", exit.stderr);
        assert!(exit.stdout.contains("\"id\":\"1\""), "{}", exit.stdout);
    }
    service.signal(Signal::Term);
    service.ends_with(0);
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
    for line in [
        "Type=notify",
        "NotifyAccess=main",
        // It waits for its database, and is not ready before that is there.
        "TimeoutStartSec=infinity",
        "KillMode=mixed",
        "SendSIGHUP=no",
        "SuccessExitStatus=143",
    ] {
        assert!(unit.lines().any(|it| it == line), "{line}");
    }
}

/// kustomize can write a label of ours into the selectors of other people's pods. Then the policy lets the
/// pods talk to nobody: not even names are found.
#[test]
fn no_peer_of_a_network_policy_has_labels_of_ours() {
    for name in ["prod", "full"] {
        let text = text(&format!("deploy/rendered/{name}.yaml"));
        let is_policy = |object: &&str| object.contains("\nkind: NetworkPolicy\n");
        let policy = text.split("\n---\n").find(is_policy).unwrap_or_else(|| panic!("{name}"));
        let (_, rules) = policy.split_once("\n  egress:\n").unwrap();
        let (peers, own) = rules.split_once("\n  podSelector:\n").unwrap();
        assert!(peers.contains("k8s-app: kube-dns"), "{peers}");
        assert!(!peers.contains("app.kubernetes.io/"), "{name}: {peers}");
        assert!(own.contains("app.kubernetes.io/instance: sundown"), "{name}: {own}");
    }
}
