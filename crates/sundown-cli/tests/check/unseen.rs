//! What the manifests do not show is not taken for a default, and what they hide is not shown.

use serde_json::Value;

use crate::manifest::{check, web};
use crate::service::Scratch;

const CAP: &str = r#"- { name: GRACEFUL_SHUTDOWN_TIMEOUT, value: "30" }"#;

/// Rules of errors and warnings, whether the sum fits, and the report.
fn checked(manifest: &str) -> (Vec<String>, Value, String) {
    let exit = check(&Scratch::new(), manifest, "--json");
    let report: Value = serde_json::from_str(&exit.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap();
    let counted = findings.iter().filter(|found| found["severity"] != "note");
    let rules = counted.map(|found| found["rule"].as_str().unwrap().to_owned());
    (rules.collect(), report["pods"][0]["containers"][0]["cap_ms"].clone(), exit.stdout)
}

#[test]
fn a_cap_that_cannot_be_seen_is_not_the_default() {
    for told in [
        "- { name: GRACEFUL_SHUTDOWN_TIMEOUT, valueFrom: { configMapKeyRef: { name: elsewhere, key: cap } } }",
        "- { name: GRACEFUL_SHUTDOWN_TIMEOUT, valueFrom: { secretKeyRef: { name: elsewhere, key: cap } } }",
        "- { name: CAP, valueFrom: { configMapKeyRef: { name: elsewhere, key: cap } } }\n            \
         - { name: GRACEFUL_SHUTDOWN_TIMEOUT, value: $(CAP) }",
        "- { name: SUNDOWN_CONFIG, valueFrom: { configMapKeyRef: { name: elsewhere, key: path } } }",
    ] {
        let (rules, cap, report) = checked(&web(&[
            (CAP, told),
            ("            - { name: SUNDOWN_CONFIG, value: /etc/sundown/sundown.toml }\n", ""),
        ]));
        assert!(rules.is_empty() && cap.is_null(), "{told}: {report}");
    }
    for source in ["secretRef: { name: elsewhere }", "configMapRef: { name: elsewhere }"] {
        let image = "image: example.org/sundown:1\n          ";
        let with = format!("{image}envFrom: [{{ {source} }}]\n          ");
        let (rules, cap, report) = checked(&web(&[(CAP, ""), (image, &with)]));
        assert!(rules.is_empty() && cap.is_null(), "{source}: {report}");
        // What the container says itself stands above it.
        let (rules, cap, report) = checked(&web(&[(image, &with), ("Seconds: 40", "Seconds: 36")]));
        assert!(rules == ["grace-too-short"] && cap == 30_000, "{source}: {report}");
    }
    let argument =
        "image: example.org/sundown:1\n          args: [serve, --shutdown-timeout=$(CAP)]";
    let unknown = "- { name: CAP, valueFrom: { fieldRef: { fieldPath: metadata.name } } }";
    let (rules, cap, report) =
        checked(&web(&[(CAP, unknown), ("image: example.org/sundown:1", argument)]));
    assert!(rules.is_empty() && cap.is_null(), "{report}");
}

#[test]
fn a_secret_among_the_files_is_read_and_not_shown() {
    let told = "- { name: GRACEFUL_SHUTDOWN_TIMEOUT, valueFrom: { secretKeyRef: { name: cap, key: cap } } }";
    let secret = |cap: &str| {
        format!(
            "{}---\napiVersion: v1\nkind: Secret\nmetadata: {{ name: cap }}\n{cap}\n",
            web(&[(CAP, told)])
        )
    };
    for data in ["stringData: { cap: \"60\" }", "data: { cap: NjA= }"] {
        let (rules, cap, report) = checked(&secret(data));
        assert!(rules == ["grace-too-short"] && cap == 60_000, "{data}: {report}");
    }
    let (rules, _, report) = checked(&secret("stringData: { cap: hunter2000 }"));
    assert_eq!(rules, ["service-refuses"], "{report}");
    assert!(!report.contains("hunter2000"), "{report}");
    let (rules, _, report) = checked(&secret("data: { cap: hunter2000! }"));
    assert!(rules == ["wrong-value"] && !report.contains("hunter2000"), "{report}");
}

#[test]
fn a_program_is_known_by_its_command() {
    let image = "image: example.org/sundown:1\n";
    for (command, announce) in [
        ("command: [/sundown]\n          args: [serve]", Value::from(3000)),
        ("command: [tini, -s, --, sundown, serve]", 3000.into()),
        ("command: [/usr/bin/dumb-init, /sundown, serve]", 3000.into()),
        ("command: [catatonit, --, /sundown]\n          args: [serve]", 3000.into()),
        ("args: [serve]", 3000.into()),
        // Nobody looks into these, but the cap is told.
        ("command: [sh, -c, exec sundown serve]", Value::Null),
        ("command: [dumb-init, -r, \"15:2\", sundown, serve]", Value::Null),
    ] {
        let with = format!("{image}          {command}\n");
        let (rules, cap, report) = checked(&web(&[(image, &with)]));
        assert!(rules.is_empty() && cap == 30_000, "{command}: {report}");
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!(report["pods"][0]["containers"][0]["announce_ms"], announce, "{command}");
    }
}
