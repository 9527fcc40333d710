//! A deployment of the service, in which each test changes one thing.

use std::fs;

use sundown_drill::process::{Exit, Launch};

use crate::service::{PATIENCE, Scratch, sundown};

/// It adds up: 5 s + 30 s + 2 s ≤ 40 s, and 1 s × 1 + 1 s + 1 s ≤ 3 s.
const WEB: &str = r#"apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 40
      containers:
        - name: web
          image: example.org/sundown:1
          env:
            - { name: GRACEFUL_SHUTDOWN_TIMEOUT, value: "30" }
            - { name: SUNDOWN_CONFIG, value: /etc/sundown/sundown.toml }
            - name: SUNDOWN_WEB_TOKEN
              valueFrom: { secretKeyRef: { name: web, key: token } }
          lifecycle: { preStop: { sleep: { seconds: 5 } } }
          livenessProbe: { httpGet: { path: /healthz, port: 9090 } }
          readinessProbe:
            httpGet: { path: /readyz, port: 9090 }
            periodSeconds: 1
            failureThreshold: 1
          volumeMounts: [{ name: config, mountPath: /etc/sundown }]
      volumes: [{ name: config, configMap: { name: web } }]
---
apiVersion: v1
kind: ConfigMap
metadata: { name: web }
data:
  sundown.toml: |
    [web]
    listen = "0.0.0.0:8080"
    [admin]
    listen = "0.0.0.0:9090"
"#;

/// The deployment with these parts replaced.
pub(crate) fn web(changes: &[(&str, &str)]) -> String {
    let mut text = WEB.to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    text
}

/// Checks one file of this content.
pub(crate) fn check(scratch: &Scratch, content: &str, flags: &str) -> Exit {
    fs::write(scratch.path("web.yaml"), content).unwrap();
    run(sundown(&format!("check {} {flags}", scratch.path("web.yaml"))))
}

pub(crate) fn run(launch: Launch) -> Exit {
    launch.spawn().unwrap().wait(PATIENCE).unwrap()
}
