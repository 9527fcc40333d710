//! Who is believed about a stop time, and what comes out of a check as a whole.

use std::time::Duration;

use sundown_check::{Check, Container, Report, Rule, Severity, StopBudget, Sum};

/// A deployment of one container, with more of the template's annotations and of the container.
fn deployment(annotations: &str, grace: u64, container: &str) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{ name: web, namespace: shop }}\n\
         spec:\n  selector: {{ matchLabels: {{ app: web }} }}\n  template:\n    metadata:\n      \
         labels: {{ app: web }}\n      annotations: {{ {annotations} }}\n    spec:\n      \
         terminationGracePeriodSeconds: {grace}\n      containers:\n        - name: web\n          \
         image: example.com/web:1\n          {container}\n"
    )
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn budget(cap: u64) -> StopBudget {
    StopBudget {
        cap: secs(cap),
        announce: None,
        phases: vec![("drain".to_owned(), secs(cap))],
        source: "somebody".to_owned(),
        told_grace: None,
        told_prestop: None,
        tells_interruption: Some(false),
        readiness: None,
        liveness: None,
    }
}

fn sum(report: &Report) -> Option<Sum> {
    report.pods()[0].sum().map(|known| *known.sum())
}

fn cap(check: Check<'_>, manifest: &str) -> Option<u64> {
    sum(&check.file("web.yaml", manifest.as_bytes()).run()).map(|sum| sum.cap.as_secs())
}

const GUNICORN: &str = "command: [gunicorn, --graceful-timeout, \"11\"]";
const SUNDOWN: &str = "env: [{ name: GRACEFUL_SHUTDOWN_TIMEOUT, value: \"12\" }]";

#[test]
fn the_annotation_is_believed_before_everybody_else() {
    let knows = |_: &Container| Some(Ok(budget(13)));
    let annotated = deployment("sundown/stop-timeout: 14s", 60, SUNDOWN);
    assert_eq!(cap(Check::new().knows(knows), &annotated), Some(14));
    assert_eq!(cap(Check::new().knows(knows), &deployment("", 60, SUNDOWN)), Some(13));
    assert_eq!(cap(Check::new(), &deployment("", 60, SUNDOWN)), Some(12));
    assert_eq!(
        cap(Check::new().stop_timeout(None, secs(9)), &deployment("", 60, GUNICORN)),
        Some(11)
    );
    assert_eq!(cap(Check::new().stop_timeout(None, secs(9)), &deployment("", 60, "")), Some(9));
    assert_eq!(cap(Check::new(), &deployment("", 60, "")), None);
}

#[test]
fn the_container_of_that_name_comes_before_all() {
    let check = || Check::new().stop_timeout(None, secs(5)).stop_timeout(Some("web"), secs(6));
    assert_eq!(cap(check(), &deployment("", 60, "")), Some(6));
    assert_eq!(cap(Check::new().stop_timeout(Some("api"), secs(6)), &deployment("", 60, "")), None);
}

#[test]
fn the_first_one_who_knows_is_believed() {
    let check = Check::new()
        .knows(|_| None)
        .knows(|container| (container.image == "example.com/web:1").then(|| Ok(budget(21))))
        .knows(|_| Some(Ok(budget(22))));
    assert_eq!(cap(check, &deployment("", 60, "")), Some(21));
}

#[test]
fn a_container_is_shown_with_what_other_documents_say() {
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: settings }\ndata:\n  \
                    PORT: \"80\"\n  app.toml: |\n    port = 80\n---\napiVersion: v1\nkind: Pod\n\
                    metadata: { name: web }\nspec:\n  containers:\n    - name: web\n      image: web\n      \
                    command: [web]\n      args: [\"--port=$(P_PORT)\", \"$(SECRET)\"]\n      \
                    envFrom: [{ prefix: P_, configMapRef: { name: settings } }]\n      env:\n        \
                    - { name: URL, value: \"http://0:$(P_PORT)\" }\n        - name: SECRET\n          \
                    valueFrom: { secretKeyRef: { name: a, key: b } }\n      volumeMounts:\n        \
                    - { name: all, mountPath: /etc/web/ }\n        \
                    - { name: one, mountPath: /app/web.toml, subPath: web.toml }\n  volumes:\n    \
                    - { name: all, configMap: { name: settings } }\n    \
                    - name: one\n      configMap: { name: settings, items: [{ key: app.toml, path: web.toml }] }\n";
    let seen = std::cell::RefCell::new(Vec::new());
    let check = Check::new().knows(|container| {
        seen.borrow_mut().push(container.clone());
        None
    });
    let report = check.file("web.yaml", manifest.as_bytes()).run();
    assert!(!report.fails(), "{report}");
    let seen = seen.borrow();
    let container = &seen[0];
    assert_eq!(
        (&*container.command, &*container.args),
        (&["web".to_owned()][..], &["--port=80".to_owned(), "$(SECRET)".to_owned()][..])
    );
    assert!(container.is_command_partial && !container.is_environment_partial);
    assert_eq!(container.environment["URL"].as_deref(), Some("http://0:80"));
    assert_eq!(container.environment["SECRET"], None);
    let files: Vec<&str> = container.files.keys().map(String::as_str).collect();
    assert_eq!(files, ["/app/web.toml", "/etc/web/PORT", "/etc/web/app.toml"]);
    assert_eq!(container.files["/app/web.toml"], "port = 80\n");
}

#[test]
fn sidecars_stop_last_and_in_reverse() {
    let sidecars = "initContainers:\n        - { name: first, image: a, restartPolicy: Always }\n        \
                    - { name: second, image: b, restartPolicy: Always }\n      containers:";
    let annotations = "sundown/stop-timeout: 20s, sundown/stop-timeout.first: 5s, \
                       sundown/stop-timeout.second: 10s";
    let manifest = deployment(annotations, 40, "").replace("containers:", sidecars);
    let report = Check::new().file("web.yaml", manifest.as_bytes()).run();
    assert!(!report.fails(), "{report}");
    assert_eq!(sum(&report).map(|sum| (sum.cap, sum.need())), Some((secs(35), secs(37))));
    let text = report.pods()[0].timeline().to_string();
    for mark in ["0 ms  SIGTERM to web", "20 s  SIGTERM to second", "30 s  SIGTERM to first"] {
        assert!(text.contains(mark), "{mark}\n{text}");
    }
}

#[test]
fn warnings_fail_only_where_it_is_strict() {
    let manifest = deployment("", 60, "command: [sh, -c, \"prepare; serve\"]");
    let run =
        |is_strict| Check::new().file("web.yaml", manifest.as_bytes()).strict(is_strict).run();
    assert!(!run(false).fails());
    assert!(run(true).fails());
    let severities: Vec<Severity> = run(true).findings().iter().map(|f| f.severity).collect();
    assert_eq!(severities, [Severity::Note, Severity::Warning]);
}

#[test]
fn the_margin_is_part_of_the_sum() {
    let manifest = deployment("sundown/stop-timeout: 28s", 30, "");
    let run =
        |margin| Check::new().margin(secs(margin)).file("web.yaml", manifest.as_bytes()).run();
    assert!(!run(2).fails());
    assert!(run(3).fails());
    assert_eq!(sum(&run(3)).map(|sum| sum.margin), Some(secs(3)));
}

#[test]
fn a_hook_that_nobody_sees_into_counts_when_it_is_told() {
    let hook = "lifecycle: { preStop: { exec: { command: [/drain] } } }";
    let run = |annotations: &str| {
        let manifest = deployment(annotations, 30, hook);
        Check::new().file("web.yaml", manifest.as_bytes()).run()
    };
    assert!(!run("sundown/stop-timeout: 20s").fails());
    let report = run("sundown/stop-timeout: 20s, sundown/prestop: 10s");
    assert_eq!(report.findings()[0].rule, Rule::GraceTooShort);
    assert_eq!(sum(&report).map(|sum| sum.prestop), Some(secs(10)));
}

#[test]
fn an_announce_counts_although_the_cap_is_not_known() {
    let probe = "readinessProbe: { httpGet: { port: 80 }, periodSeconds: 2 }";
    let run = |announce: &str| {
        let manifest = deployment(&format!("sundown/announce: {announce}"), 30, probe);
        Check::new().file("web.yaml", manifest.as_bytes()).run()
    };
    assert!(!run("8s").fails());
    let report = run("7s");
    let rules: Vec<Rule> = report.findings().iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, [Rule::StopTimeUnknown, Rule::AnnounceTooShort]);
}

#[test]
fn files_are_looked_at_together_and_reported_in_order() {
    let service = "apiVersion: v1\nkind: Service\nmetadata: { name: web, namespace: shop }\nspec:\n  \
                   selector: { app: web }\n  ports: [{ port: 80 }]\n";
    let silent = |_: &Container| Some(Ok(StopBudget { announce: Some(secs(0)), ..budget(5) }));
    let report = Check::new()
        .knows(silent)
        .file("b.yaml", deployment("", 30, "").as_bytes())
        .file("a.yaml", service.as_bytes())
        .file("c.yaml", deployment("", 5, "").replace("web,", "other,").as_bytes())
        .run();
    let found: Vec<(Rule, &str, usize)> =
        report.findings().iter().map(|f| (f.rule, f.place.file.as_str(), f.place.line)).collect();
    let expected = [
        (Rule::NoAnnounce, "b.yaml", 13),
        (Rule::GraceTooShort, "c.yaml", 11),
        (Rule::NoAnnounce, "c.yaml", 13),
    ];
    assert_eq!(found, expected);
    let text = report.to_string();
    assert!(text.ends_with("1 error, 2 warnings in 3 objects of 3 files"), "{text}");
}

#[test]
fn who_names_no_namespace_is_where_the_release_is() {
    let service = |namespace: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{ name: web{namespace} }}\nspec:\n  \
             selector: {{ app: web }}\n  ports: [{{ port: 80 }}]\n"
        )
    };
    // The deployment is in the namespace shop.
    let found = |check: Check<'_>, service: &str| {
        let check = check.file("service.yaml", service.as_bytes());
        let report = check.file("web.yaml", deployment("", 60, GUNICORN).as_bytes()).run();
        report.findings().iter().any(|finding| finding.rule == Rule::NoAnnounce)
    };
    assert!(found(Check::new(), &service(", namespace: shop")));
    assert!(!found(Check::new(), &service("")));
    assert!(found(Check::new().namespace("shop"), &service("")));
    let check = Check::new().file("web.yaml", deployment("", 60, GUNICORN).as_bytes());
    let report = check.file("service.yaml", service("").as_bytes()).namespace("shop").run();
    assert!(report.findings().iter().any(|finding| finding.rule == Rule::NoAnnounce));
    let twice = [service(""), "---\n".to_owned(), service(", namespace: default")].concat();
    let report = Check::new().file("service.yaml", twice.as_bytes()).run();
    assert_eq!(report.findings()[0].rule, Rule::TwiceTheSame, "{report}");
}

#[test]
fn a_time_that_may_be_milliseconds_is_asked_about() {
    let millis = SUNDOWN.replace("\"12\"", "\"30000\"");
    let run = |check: Check<'_>, annotations: &str, grace: u64| {
        let manifest = deployment(annotations, grace, &millis);
        check.file("web.yaml", manifest.as_bytes()).run()
    };
    let report = run(Check::new(), "", 40);
    let finding = &report.findings()[0];
    assert_eq!((finding.rule, finding.severity), (Rule::StopTimeUnknown, Severity::Warning));
    assert!(finding.what.contains("milliseconds") && sum(&report).is_none(), "{report}");
    // Whoever says more is believed, and a grace period that holds so many seconds says it, too.
    let declared = Check::new().stop_timeout(Some("web"), secs(30));
    for (report, cap) in [
        (run(declared, "", 40), 30),
        (run(Check::new(), "sundown/stop-timeout: 29s", 40), 29),
        (run(Check::new(), "", 30_002), 30_000),
    ] {
        assert_eq!(sum(&report).map(|sum| sum.cap), Some(secs(cap)), "{report}");
    }
}

#[test]
fn the_timeline_marks_signals_where_they_come() {
    let text = |grace: u64, hook: u64| {
        let hook = format!("lifecycle: {{ preStop: {{ sleep: {{ seconds: {hook} }} }} }}");
        let manifest = deployment("sundown/stop-timeout: 5s", grace, &hook);
        let report = Check::new().file("web.yaml", manifest.as_bytes()).run();
        report.pods()[0].timeline().to_string()
    };
    for (grace, hook, term, kill) in [(30, 5, 5, 30), (30, 29, 29, 31), (30, 45, 30, 32)] {
        let text = text(grace, hook);
        let marks: Vec<&str> = text.lines().filter(|line| line.contains(" SIG")).collect();
        assert_eq!(marks.len(), 2, "{text}");
        assert!(marks[0].trim() == format!("{term} s  SIGTERM"), "{text}");
        assert!(marks[1].trim() == format!("{kill} s  SIGKILL"), "{text}");
    }
}

#[test]
fn a_sum_of_what_is_not_all_known_says_so() {
    let hook =
        format!("{SUNDOWN}\n          lifecycle: {{ preStop: {{ httpGet: {{ port: 80 }} }} }}");
    let report = Check::new().file("web.yaml", deployment("", 30, &hook).as_bytes()).run();
    let text = report.to_string();
    assert!(text.contains("  at least preStop 0 s + cap 12 s + margin 2 s = 14 s"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    let sum = &json["pods"][0]["sum"];
    assert_eq!((&sum["fits"], &sum["is_at_least"]), (&serde_json::Value::Null, &true.into()));
}

#[test]
fn a_sleep_that_the_api_server_refuses_is_called_so() {
    let why = |hook: &str| {
        let hook = format!("lifecycle: {{ preStop: {{ {hook} }} }}");
        let report = Check::new().file("web.yaml", deployment("", 30, &hook).as_bytes()).run();
        let mut findings = report.findings().iter();
        findings.find(|f| f.rule == Rule::PrestopExceedsGrace).unwrap().why.clone()
    };
    assert!(why("sleep: { seconds: 31 }").contains("the API server refuses"));
    assert!(!why("sleep: { seconds: 30 }").contains("the API server refuses"));
    assert!(!why("exec: { command: [sleep, \"45\"] }").contains("the API server refuses"));
}

#[test]
fn files_with_nothing_in_them_are_told() {
    let empty = |text: &str| Check::new().file("a.yaml", text.as_bytes()).run().empty_files().len();
    assert_eq!((empty(""), empty("# nothing\n---\n"), empty("kind: List\nitems: []")), (1, 1, 1));
    assert_eq!((empty("a: ["), empty(&deployment("", 30, ""))), (0, 0));
}

#[test]
fn it_prints_the_timeline_the_sum_and_each_finding() {
    let manifest = deployment("", 30, SUNDOWN).replace("\"12\"", "\"29\"");
    let report = Check::new().file("web.yaml", manifest.as_bytes()).run();
    let text = report.to_string();
    for line in [
        "Deployment shop/web\n",
        "GRACEFUL_SHUTDOWN_TIMEOUT",
        "SIGKILL",
        "  preStop 0 s + cap 29 s + margin 2 s = 31 s > 30 s of grace: 1 s too few\n",
        "web.yaml:11 error grace-too-short Deployment shop/web \
         spec.template.spec.terminationGracePeriodSeconds\n  web: preStop",
        "1 error in 1 object of 1 file",
    ] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["fails"], true);
    assert_eq!(json["findings"][0]["rule"], "grace-too-short");
    assert_eq!(json["findings"][0]["line"], 11);
    let pod = &json["pods"][0];
    assert_eq!((&pod["object"], &pod["grace_ms"]), (&"Deployment shop/web".into(), &30_000.into()));
    assert_eq!(pod["containers"][0]["cap_ms"], 29_000);
    assert_eq!((&pod["sum"]["need_ms"], &pod["sum"]["fits"]), (&31_000.into(), &false.into()));
}

#[test]
fn manifests_cannot_write_to_the_terminal() {
    let manifest = deployment("\"sundown/stop-timeout\": \"\\e[2J\"", 30, "");
    let text = Check::new().file("web\u{1b}.yaml", manifest.as_bytes()).run().to_string();
    assert!(text.contains("is no duration") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_stop_without_end_is_no_panic() {
    let endless = format!("sundown/stop-timeout: {}s", u64::MAX);
    let hook =
        format!("lifecycle: {{ preStop: {{ exec: {{ command: [sleep, \"{}\"] }} }} }}", u64::MAX);
    let manifest = deployment(&endless, 9_000_000_000_000_000_000, &hook);
    let report = Check::new().file("web.yaml", manifest.as_bytes()).run();
    assert!(report.to_string().contains("SIGKILL"));
    assert!(report.pods()[0].timeline().to_svg().contains("SIGKILL"));
}

#[test]
fn odd_shapes_are_no_panic() {
    let odd = [
        "spec: []",
        "spec: { template: 3 }",
        "spec: { template: { spec: { containers: {} } } }",
        "spec: { template: { spec: { containers: [1, null, [], { name: [] , env: 3, command: { a: b } }] } } }",
        "spec: { template: { spec: { terminationGracePeriodSeconds: x, containers: [{ lifecycle: { preStop: [] } }] } } }",
        "spec: { template: { metadata: { annotations: { sundown/ignore: 3, sundown/: x, sundown/prestop.: 3s } }, spec: {} } }",
    ];
    for spec in odd {
        for kind in ["apps/v1\nkind: Deployment", "batch/v1\nkind: Job", "apps/v1\nkind: DaemonSet"]
        {
            let manifest = format!("apiVersion: {kind}\nmetadata: {{ name: odd }}\n{spec}\n");
            let report = Check::new().file("odd.yaml", manifest.as_bytes()).run();
            assert!(!report.to_string().is_empty());
        }
    }
}

#[test]
fn many_objects_that_mean_each_other_do_not_take_long() {
    let mut manifest = String::new();
    for number in 0..700 {
        let web = deployment("", 30, "").replace("name: web,", &format!("name: web-{number},"));
        let budget = format!(
            "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{ name: all-{number}, \
             namespace: shop }}\nspec: {{ maxUnavailable: 0, selector: {{}} }}\n"
        );
        manifest.push_str(&format!("{web}---\n{budget}---\n"));
    }
    let start = std::time::Instant::now();
    let report = Check::new().file("web.yaml", manifest.as_bytes()).run();
    let blocks = report.findings().iter().filter(|f| f.rule == Rule::PdbBlocksEviction).count();
    assert_eq!(blocks, 700 + 699);
    assert!(start.elapsed() < secs(20), "{:?}", start.elapsed());
}

#[test]
fn a_large_config_map_for_many_containers_does_not_take_all_memory() {
    let mut manifest = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{ name: large }}\ndata: {{ a: \"{}\" }}\n---\n\
         apiVersion: v1\nkind: Pod\nmetadata: {{ name: many }}\nspec:\n  volumes:\n    \
         - {{ name: v, configMap: {{ name: large }} }}\n  containers:\n",
        "x".repeat(900_000)
    );
    for number in 0..500 {
        manifest.push_str(&format!(
            "    - {{ name: c{number}, image: i, envFrom: [{{ configMapRef: {{ name: large }} }}], \
             volumeMounts: [{{ name: v, mountPath: /etc }}] }}\n"
        ));
    }
    let largest = std::cell::Cell::new(0);
    let check = Check::new().knows(|container| {
        largest.set(container.files.values().map(String::len).sum::<usize>().max(largest.get()));
        None
    });
    let report = check.file("pod.yaml", manifest.as_bytes()).run();
    assert!(!report.fails());
    assert_eq!(largest.get(), 900_000);
}
