//! `e2e kubernetes`: replicas are rolled and evicted in a real cluster while they are asked without a
//! pause. Nobody may notice.
//!
//! The clients are tasks of the kind `http` of an instance of its own, in the same cluster: each asks once,
//! over a new connection, for an answer that takes its time. One attempt each, so that whatever goes
//! wrong ends as a dead task, and is counted.

mod forward;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use self::forward::Forward;
use crate::deploy::{Kubectl, Target, Tools, to_cluster};
use crate::step::timed;

/// How many requests, in batches of as many as the service takes at once.
const BATCHES: usize = 20;
const BATCH: usize = 1000;
/// How often all replicas are replaced.
const RESTARTS: usize = 2;
/// How long what is left of the load may take, and how long one eviction may be refused.
const PATIENCE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(2);

/// Runs it against the cluster, if there is one.
pub(crate) fn run(root: &Path, target: &Target) -> anyhow::Result<()> {
    if let Some(why) = reason_not_to(std::env::var_os("KUBECONFIG")) {
        println!("e2e kubernetes: not run: {why}");
        return Ok(());
    }
    let kubectl = to_cluster(root, target, &Tools::here())?;
    // What is counted in the end is this run's alone: its tasks live as long as the pod.
    kubectl.step("fresh load", &["rollout", "restart", "deployment/sundown-load"]).run()?;
    kubectl.rollout("sundown-load").run()?;
    timed("load", || {
        let way = Forward::open(&kubectl)?;
        (0..BATCHES).try_for_each(|number| submit(&way, number))
    })?;
    for _ in 0..RESTARTS {
        kubectl.step("restart", &["rollout", "restart", "deployment/sundown"]).run()?;
        kubectl.rollout("sundown").run()?;
    }
    let evicted = timed("evictions", || evict_all(&kubectl))?;
    let left = counts(&kubectl)?.pending;
    let after = timed("the rest of the load", || wait_for_the_end(&kubectl))?;
    verdict(left, after)?;
    println!(
        "e2e kubernetes: {} requests, {RESTARTS} rolling restarts, {evicted} evictions: 0 failed",
        BATCHES * BATCH
    );
    println!(
        "tidy up with: kubectl --context {} delete namespace {}",
        kubectl.context, kubectl.namespace
    );
    Ok(())
}

/// Why it is not run, if it is not.
fn reason_not_to(kubeconfig: Option<OsString>) -> Option<&'static str> {
    kubeconfig.is_none_or(|value| value.is_empty()).then_some("KUBECONFIG is not set")
}

/// How many tasks are where.
#[derive(Debug, Clone, Copy)]
struct Counts {
    /// Waiting, or running.
    pending: u64,
    /// Failed for good, or for the last time.
    failed: u64,
}

/// What the load says of those who were asked.
fn verdict(left: u64, after: Counts) -> anyhow::Result<()> {
    if after.failed > 0 {
        let failed = after.failed;
        bail!(
            "{failed} requests failed, or more: look at them with `/sundown tasks list --state dead` in the pod \
             of sundown-load"
        );
    }
    if left == 0 {
        bail!(
            "the load was over before the last eviction: nothing is known of it (a larger BATCHES)"
        );
    }
    Ok(())
}

/// Hands in some requests: answers that take from nothing to a second.
fn submit(way: &Forward, number: usize) -> anyhow::Result<()> {
    let tasks: Vec<Value> = (0..BATCH).map(|index| task(index * 7 % 1000)).collect();
    let body = json!({ "tasks": tasks }).to_string();
    let answer = way.post("/tasks/batch", &body);
    let answer = answer.with_context(|| format!("cannot hand in batch {number}"))?;
    if answer.contains("\"code\"") {
        bail!("batch {number} was refused: {answer}");
    }
    Ok(())
}

fn task(millis: usize) -> Value {
    let url = format!("http://sundown:8080/try/slow/{millis}");
    json!({ "kind": "http", "input": { "url": url, "method": "GET" }, "max_attempts": 1 })
}

/// The way to the load's service that leads through the API server.
fn service(kubectl: &Kubectl, path: &str) -> String {
    format!("/api/v1/namespaces/{}/services/sundown-load:http/proxy{path}", kubectl.namespace)
}

/// Takes every replica away as a machine that is drained does.
fn evict_all(kubectl: &Kubectl) -> anyhow::Result<usize> {
    let selector = "--selector=app.kubernetes.io/name=sundown";
    let names = kubectl
        .step("pods", &["get", "pods", selector, "--output=jsonpath={.items[*].metadata.name}"])
        .read()?;
    for name in names.split_whitespace() {
        let eviction = json!({
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": { "name": name, "namespace": kubectl.namespace },
        });
        let path = format!("/api/v1/namespaces/{}/pods/{name}/eviction", kubectl.namespace);
        let began = Instant::now();
        // The budget lets one go at a time, and the others wait for its successor.
        while let Err(error) = post(kubectl, &path, &eviction) {
            if began.elapsed() > PATIENCE || !error.to_string().contains("disruption budget") {
                return Err(error.context(format!("cannot evict {name}")));
            }
            thread::park_timeout(PAUSE);
        }
        println!("   evicted {name}");
    }
    kubectl.rollout("sundown").run()?;
    Ok(names.split_whitespace().count())
}

fn wait_for_the_end(kubectl: &Kubectl) -> anyhow::Result<Counts> {
    let began = Instant::now();
    loop {
        let counts = counts(kubectl)?;
        if counts.pending == 0 {
            return Ok(counts);
        }
        if began.elapsed() > PATIENCE {
            bail!("{} requests are still to be made after {PATIENCE:?}", counts.pending);
        }
        thread::park_timeout(PAUSE);
    }
}

/// Up to a page of each: enough to see whether there is any.
fn counts(kubectl: &Kubectl) -> anyhow::Result<Counts> {
    let count = |state: &str| -> anyhow::Result<u64> {
        let path = service(kubectl, &format!("/tasks?state={state}&limit=500"));
        let page = kubectl.anywhere("tasks", &["get", "--raw", &path]).read()?;
        let page: Value = serde_json::from_str(&page).context("the answer is no JSON")?;
        let tasks = page["tasks"].as_array().context("the answer is no page of tasks")?;
        Ok(tasks.len() as u64)
    };
    let pending = count("pending")? + count("running")?;
    Ok(Counts { pending, failed: count("dead")? + count("failed")? })
}

/// Sends JSON through the API server.
fn post(kubectl: &Kubectl, path: &str, body: &Value) -> anyhow::Result<String> {
    let mut child = Command::new("kubectl")
        .args(["--context", &kubectl.context, "create", "--raw", path, "--filename", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run kubectl")?;
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever does not read it says why.
        let _ = stdin.write_all(body.to_string().as_bytes());
    }
    let output = child.wait_with_output().context("cannot wait for kubectl")?;
    if !output.status.success() {
        bail!("POST {path}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_cluster_it_says_so() {
        assert_eq!(reason_not_to(None), Some("KUBECONFIG is not set"));
        assert_eq!(reason_not_to(Some(OsString::new())), Some("KUBECONFIG is not set"));
        assert_eq!(reason_not_to(Some("/some/where".into())), None);
    }

    #[test]
    fn one_failure_is_too_many_and_no_load_proves_nothing() {
        let counts = |failed| Counts { pending: 0, failed };
        assert!(verdict(100, counts(0)).is_ok());
        let failed = verdict(100, counts(1)).unwrap_err().to_string();
        assert!(failed.starts_with("1 requests failed"), "{failed}");
        let short = verdict(0, counts(0)).unwrap_err().to_string();
        assert!(short.contains("over before the last eviction"), "{short}");
    }

    #[test]
    fn each_request_is_made_once() {
        let task = task(500);
        assert_eq!(task["max_attempts"], 1);
        assert_eq!(task["input"]["url"], "http://sundown:8080/try/slow/500");
    }
}
