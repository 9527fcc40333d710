//! Alerts and dashboards ask only for what is told, with values of labels that there are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::labels::has_value;
use crate::promql::{metrics, metrics_of_variable, selections};
use crate::{RULES, exposed, text};

/// What others tell of the service: Prometheus itself, and kube-state-metrics.
const OF_OTHERS: [&str; 3] = ["up", "kube_pod_status_phase", "kube_pod_status_ready"];

/// The expressions of the rules: what stands behind `expr:`, on its line or deeper below it.
fn expressions_of_rules(text: &str) -> Vec<String> {
    let mut lines = text.lines().peekable();
    let mut found = Vec::new();
    let depth = |line: &str| line.len() - line.trim_start().len();
    while let Some(line) = lines.next() {
        let Some(begin) = line.trim_start().trim_start_matches("- ").strip_prefix("expr:") else {
            continue;
        };
        let mut expression = begin.trim().trim_start_matches(['>', '|', '-']).to_owned();
        while let Some(more) = lines.next_if(|next| depth(next) > depth(line)) {
            expression = expression + " " + more.trim();
        }
        found.push(expression);
    }
    found
}

/// What a dashboard asks for: expressions of panels, queries of variables.
#[derive(Default)]
struct Dashboard {
    expressions: Vec<String>,
    queries: Vec<String>,
}

impl Dashboard {
    fn read(text: &str) -> Self {
        let mut dashboard = Self::default();
        dashboard.gather(&serde_json::from_str(text).unwrap());
        dashboard
    }

    fn gather(&mut self, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    match (name.as_str(), value.as_str()) {
                        ("expr", Some(expression)) => self.expressions.push(expression.to_owned()),
                        ("definition", Some(query)) => self.queries.push(query.to_owned()),
                        _ => self.gather(value),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| self.gather(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}

/// Who asks for which metric.
fn asked(rules: &str, dashboard: &str) -> BTreeMap<&'static str, BTreeSet<String>> {
    let dashboard = Dashboard::read(dashboard);
    let panels = dashboard.expressions.iter().flat_map(|expression| metrics(expression));
    let variables = dashboard.queries.iter().flat_map(|query| metrics_of_variable(query));
    let of_dashboard = panels.chain(variables).collect();
    let rules = expressions_of_rules(rules);
    let of_rules = rules.iter().flat_map(|expression| metrics(expression)).collect();
    BTreeMap::from([("the rules", of_rules), ("the dashboard", of_dashboard)])
}

/// What is asked for, and told by nobody.
fn unknown(rules: &str, dashboard: &str, told: &BTreeSet<String>) -> Vec<String> {
    let asked = asked(rules, dashboard);
    let metrics = asked.iter().flat_map(|(who, names)| names.iter().map(move |name| (who, name)));
    metrics
        .filter(|(_, name)| !told.contains(*name) && !OF_OTHERS.contains(&name.as_str()))
        .map(|(who, name)| format!("{who} ask for {name}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_dashboards_ask_only_for_what_the_binary_tells() {
    let (rules, dashboard) = (text(RULES), text("deploy/components/monitoring/dashboard.json"));
    let asked = asked(&rules, &dashboard);
    assert!(asked.values().all(|names| names.len() >= 8), "too few to be true: {asked:?}");
    let alerts = rules.matches("- alert: ").count();
    assert_eq!(expressions_of_rules(&rules).len(), alerts);

    let told = exposed::names().await;
    assert_eq!(unknown(&rules, &dashboard, &told), [""; 0], "told are {told:#?}");

    let planted = rules.replacen("sundown_forced_closes_total", "sundown_forced_close_total", 1);
    assert_eq!(
        unknown(&planted, &dashboard, &told),
        ["the rules ask for sundown_forced_close_total"]
    );
    let planted = dashboard.replace("process_open_fds", "process_open_files");
    assert_eq!(unknown(&rules, &planted, &told), ["the dashboard ask for process_open_files"]);
}

/// What is selected by a value that the label never has; and how many were looked at.
fn impossible(rules: &str, dashboard: &str) -> (Vec<String>, usize) {
    let expressions =
        [expressions_of_rules(rules), Dashboard::read(dashboard).expressions].concat();
    let known: BTreeSet<_> = expressions
        .iter()
        .flat_map(|expression| selections(expression))
        .filter_map(|selection| Some((has_value(&selection)?, selection)))
        .collect();
    let wrong = known.iter().filter(|(is_value, _)| !is_value);
    let wrong = wrong.map(|(_, it)| format!("{}{{{}={}}}", it.metric, it.label, it.value));
    (wrong.collect(), known.len())
}

#[test]
fn alerts_and_dashboards_select_by_values_that_there_are() {
    let (rules, dashboard) = (text(RULES), text("deploy/components/monitoring/dashboard.json"));
    let (wrong, looked_at) = impossible(&rules, &dashboard);
    assert_eq!(wrong, [""; 0]);
    assert!(looked_at >= 10, "only {looked_at} were looked at");
    for (right, wrong, noticed) in [
        ("done|recovered", "done|recoverd", "sundown_waiter_outcomes_total{outcome=recoverd}"),
        ("queue_full|store", "full|store", "sundown_tasks_refused_total{why=full}"),
        ("verdict!=\"clean\"", "verdict!=\"ok\"", "sundown_previous_stop{verdict=ok}"),
        (
            "phase=\"drain\"",
            "phase=\"draining\"",
            "sundown_phase_duration_seconds_bucket{phase=draining}",
        ),
        ("state=\"dead\"", "state=\"failed\"", "sundown_tasks_stored{state=failed}"),
        ("Running|Pending", "Runs|Pending", "kube_pod_status_phase{phase=Runs}"),
    ] {
        assert!(rules.contains(right), "{right}");
        let (found, _) = impossible(&rules.replacen(right, wrong, 1), &dashboard);
        assert_eq!(found, [noticed]);
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_takes() {
    let dashboard: Value =
        serde_json::from_str(&text("deploy/components/monitoring/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "ids come twice");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            let expression = target["expr"].as_str().unwrap();
            // The range of a rate follows from the scrape interval, and is not guessed.
            for (at, _) in expression.match_indices("rate(") {
                assert!(expression[at..].contains("[$__rate_interval]"), "{expression}");
            }
        }
    }
}
