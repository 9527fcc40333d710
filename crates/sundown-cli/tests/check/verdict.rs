//! What it says of the service's own pods, and with which exit code.

use std::fs;

use serde_json::Value;

use crate::manifest::{check, run, web};
use crate::service::{Scratch, sundown};

#[test]
fn what_adds_up_passes_with_its_timeline() {
    let scratch = Scratch::new();
    let exit = check(&scratch, &web(&[]), "--strict");
    assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
    assert!(exit.stdout.contains("preStop 5 s + cap 30 s + margin 2 s = 37 s ≤ 40 s"));
    for part in ["announce", "drain", "flush", "release", "last words", "SIGTERM", "SIGKILL"] {
        assert!(exit.stdout.contains(part), "{part}: {}", exit.stdout);
    }
}

#[test]
fn the_services_own_configuration_is_read_as_the_service_reads_it() {
    let scratch = Scratch::new();
    let timeout = (r#"- { name: GRACEFUL_SHUTDOWN_TIMEOUT, value: "30" }"#, "");
    let file = |section: &str| format!("sundown.toml: |\n    {section}\n    [web]");
    let with = |line: &str| file(&format!("[shutdown]\n    {line}"));
    let head = "sundown.toml: |\n    [web]";
    for (changes, rule, words) in [
        // Nothing set is ten minutes.
        (vec![timeout], "grace-too-short", "cap 10 min"),
        (vec![timeout, (head, &*with("timeout = \"34s\""))], "grace-too-short", "cap 34 s"),
        (vec![(head, &*with("announce = 1"))], "announce-too-short", "for 1 s"),
        (vec![(head, &*with("anounce = 1"))], "service-refuses", "unknown key `anounce`"),
        (vec![("9090\"\n", "8080\"\n")], "service-refuses", "choose another port"),
        (
            vec![("/readyz", "/healthz")],
            "readiness-not-asked",
            "/healthz on port 9090, which says yes",
        ),
        (vec![("/healthz", "/readyz")], "probes-share-a-path", "/readyz"),
        (vec![("/readyz, port: 9090", "/readyz, port: 8080")], "readiness-not-asked", "port 8080"),
        (
            vec![("httpGet: { path: /readyz, port: 9090 }", "tcpSocket: { port: 8080 }")],
            "readiness-not-asked",
            "open",
        ),
        (
            vec![("/etc/sundown/sundown.toml", "/etc/sundown/typo.toml")],
            "service-refuses",
            "typo.toml",
        ),
        (
            vec![("image:", "command: [serve]\n          image:")],
            "service-refuses",
            "no program `serve`",
        ),
        (
            vec![("            - name: SUNDOWN_WEB_TOKEN\n", "            - name: OTHER\n")],
            "service-refuses",
            "`web.open`",
        ),
        (
            vec![("SUNDOWN_WEB_TOKEN\n", "SUNDOWN_WEB_TOKN\n")],
            "service-refuses",
            "(is SUNDOWN_WEB_TOKEN meant?)",
        ),
        (
            vec![(
                "            - name: SUNDOWN_WEB_TOKEN\n",
                "            - { name: SUNDOWN_POD_GRACE, value: 50s }\n            - name: SUNDOWN_WEB_TOKEN\n",
            )],
            "told-otherwise",
            "50 s",
        ),
    ] {
        let exit = check(&scratch, &web(&changes), "--json");
        assert_eq!(exit.code, Some(3), "{changes:?}: {}{}", exit.stdout, exit.stderr);
        let report: Value = serde_json::from_str(&exit.stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let errors: Vec<_> = findings.iter().filter(|found| found["severity"] == "error").collect();
        assert!(errors.len() == 1 && errors[0]["rule"] == rule, "{changes:?}: {findings:#?}");
        assert!(errors[0]["what"].as_str().unwrap().contains(words), "{words}: {findings:#?}");
    }
}

#[test]
fn a_configuration_that_is_not_among_the_manifests_is_no_reason_to_fail() {
    let scratch = Scratch::new();
    let elsewhere = ("configMap: { name: web }", "secret: { secretName: web }");
    let exit = check(&scratch, &web(&[elsewhere]), "--json");
    assert_eq!(exit.code, Some(0), "{}", exit.stdout);
    let timeout = (r#"- { name: GRACEFUL_SHUTDOWN_TIMEOUT, value: "30" }"#, "");
    let exit = check(&scratch, &web(&[elsewhere, timeout]), "--json");
    assert_eq!(exit.code, Some(0), "{}", exit.stdout);
    assert!(exit.stdout.contains("stop-time-unknown"), "{}", exit.stdout);
    let exit = check(&scratch, &web(&[elsewhere, timeout]), "--stop-timeout web=36");
    assert_eq!(exit.code, Some(3), "{}", exit.stdout);
}

#[test]
fn what_cannot_be_read_is_named() {
    let scratch = Scratch::new();
    let empty = scratch.path("empty");
    fs::create_dir(&empty).unwrap();
    for (arguments, words) in [
        ("check".to_owned(), "check what?"),
        ("check /no/such.yaml".to_owned(), "cannot read /no/such.yaml"),
        (format!("check {empty}"), "has no manifest"),
        ("check a.yaml --sctrict".to_owned(), "`--sctrict` is no flag"),
        (format!("check {empty} --svg /proc/no/such"), "has no manifest"),
    ] {
        let exit = run(sundown(&arguments));
        assert_eq!(exit.code, Some(2), "{arguments}: {}", exit.stderr);
        assert!(exit.stderr.contains(words), "{arguments}: {}", exit.stderr);
    }
    let broken = check(&scratch, "a: [1\nb: }", "");
    assert_eq!(broken.code, Some(3), "{}", broken.stdout);
    assert!(broken.stdout.contains("web.yaml:"), "{}", broken.stdout);
}

#[test]
fn folders_are_read_and_pictures_left() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("all")).unwrap();
    fs::write(scratch.path("all/web.yml"), web(&[])).unwrap();
    fs::write(scratch.path("all/notes.txt"), "not: [a manifest").unwrap();
    fs::create_dir_all(scratch.path("all/more/below")).unwrap();
    fs::write(
        scratch.path("all/more/below/other.yaml"),
        web(&[]).replace("name: web", "name: other"),
    )
    .unwrap();
    fs::create_dir(scratch.path("all/.git")).unwrap();
    fs::write(scratch.path("all/.git/config.yaml"), "not: [a manifest").unwrap();
    let (all, pictures) = (scratch.path("all"), scratch.path("pictures"));
    let exit = run(sundown(&format!("check {all} --svg {pictures}")));
    assert_eq!(exit.code, Some(0), "{}{}", exit.stdout, exit.stderr);
    let picture = fs::read_to_string(scratch.path("pictures/deployment-web.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("SIGKILL"), "{picture}");
    assert!(exit.stdout.contains("Deployment other"), "{}", exit.stdout);
    fs::write(scratch.path("all/more/kustomization.yaml"), "resources: [below]").unwrap();
    let exit = run(sundown(&format!("check {all}")));
    assert_eq!(exit.code, Some(2), "{}{}", exit.stdout, exit.stderr);
    assert!(exit.stderr.contains("all/more holds a kustomization"), "{}", exit.stderr);
}
