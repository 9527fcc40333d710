//! `e2e kubernetes`: replicas are rolled and evicted in a real cluster while they are asked without a
//! pause. Nobody may notice.
//!
//! Most clients are tasks of the kind `http` of an instance of its own, in the same cluster, each over a new
//! connection. Most ask once, for an answer that takes its time. Some follow a stream of events, which ends
//! when its replica does, and must end whole. One attempt each, so that whatever goes wrong ends as a dead
//! task, and is counted. Others keep their connections between two requests, or read slowly. Beside the
//! service a control is rolled that does not wait for anybody: its clients have to notice it.

mod clients;
mod forward;
mod tally;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use self::clients::{Clients, OF_THE_CONTROL, OF_THE_SERVICE};
use self::forward::Forward;
use self::tally::Tally;
use crate::deploy::{Kubectl, Target, Tools, to_cluster};
use crate::step::timed;

/// As many as the service takes at once.
const BATCH: usize = 1000;
/// How many streams are followed over each restart.
const FOLLOWERS: usize = 32;
/// For how long nothing of the load may end, and how long one eviction may be refused.
const PATIENCE: Duration = Duration::from_secs(600);
const PAUSE: Duration = Duration::from_secs(2);

/// Where, and how much of it.
#[derive(Debug, PartialEq)]
pub(crate) struct EndToEnd {
    target: Target,
    /// How many requests are made.
    requests: usize,
    /// How often all replicas are replaced.
    restarts: usize,
}

impl EndToEnd {
    /// Reads the flags.
    pub(crate) fn parse(flags: &[&str]) -> anyhow::Result<Self> {
        let (mut requests, mut restarts, mut others) = (100_000, 10, Vec::new());
        let mut words = flags.iter();
        while let Some(word) = words.next() {
            let wanted = match *word {
                "--requests" => &mut requests,
                "--restarts" => &mut restarts,
                other => {
                    others.push(other);
                    continue;
                }
            };
            let count =
                words.next().and_then(|count| count.parse().ok()).filter(|count| *count > 0);
            *wanted = count.with_context(|| format!("{word} takes a number from 1 on"))?;
        }
        Ok(Self { target: Target::parse("e2e", &others)?, requests, restarts })
    }

    fn followers(&self) -> usize {
        self.restarts * FOLLOWERS
    }
}

/// Runs it against the cluster, if there is one.
pub(crate) fn run(root: &Path, wanted: &EndToEnd) -> anyhow::Result<()> {
    if let Some(why) = reason_not_to(std::env::var_os("KUBECONFIG")) {
        println!("e2e kubernetes: not run: {why}");
        return Ok(());
    }
    let kubectl = to_cluster(root, &wanted.target, &Tools::here())?;
    // What is counted in the end is this run's alone: its tasks live as long as the pod.
    for deployment in ["sundown-naive", "sundown-load", OF_THE_SERVICE, OF_THE_CONTROL] {
        restart(&kubectl, deployment)?;
    }
    timed("load", || submit(&kubectl, (0..wanted.requests).map(|index| asking(index * 7 % 1000))))?;
    for _ in 0..wanted.restarts {
        timed("followers", || submit(&kubectl, (0..FOLLOWERS).map(|_| following())))?;
        restart(&kubectl, "sundown")?;
        restart(&kubectl, "sundown-naive")?;
    }
    let evicted = timed("evictions", || evict_all(&kubectl))?;
    let submitted = (wanted.requests + wanted.followers()) as u64;
    let during = tally(&kubectl)?;
    let after = timed("the rest of the load", || wait_for_the_end(&kubectl, submitted))?;
    after.judge(during, submitted)?;
    let control = Clients::read(&kubectl, OF_THE_CONTROL)?;
    let others = Clients::read(&kubectl, OF_THE_SERVICE)?.judge(&control)?;
    println!("e2e kubernetes: {}; {others}", covered(wanted, evicted));
    println!(
        "tidy up with: kubectl --context {} delete namespace {}",
        kubectl.context, kubectl.namespace
    );
    Ok(())
}

/// Replaces all pods of a deployment, and waits until that is done.
fn restart(kubectl: &Kubectl, deployment: &str) -> anyhow::Result<()> {
    kubectl.step("restart", &["rollout", "restart", &format!("deployment/{deployment}")]).run()?;
    kubectl.rollout(deployment).run()
}

/// Why it is not run, if it is not.
fn reason_not_to(kubeconfig: Option<OsString>) -> Option<&'static str> {
    kubeconfig.is_none_or(|value| value.is_empty()).then_some("KUBECONFIG is not set")
}

/// What is known now, and what is not.
fn covered(wanted: &EndToEnd, evicted: usize) -> String {
    let EndToEnd { requests, restarts, .. } = wanted;
    let streams = wanted.followers();
    format!(
        "{restarts} rolling restarts, {evicted} evictions: {requests} of {requests} requests and {streams} of \
         {streams} streams of events succeeded, each over a fresh connection"
    )
}

/// Hands tasks in.
fn submit(kubectl: &Kubectl, tasks: impl Iterator<Item = Value>) -> anyhow::Result<()> {
    // A way of its own each time: between two restarts whoever stands in between may close it.
    let way = Forward::open(kubectl)?;
    let tasks: Vec<Value> = tasks.collect();
    for (number, batch) in tasks.chunks(BATCH).enumerate() {
        let body = json!({ "tasks": batch }).to_string();
        let answer = way.post("/tasks/batch", &body);
        let answer = answer.with_context(|| format!("cannot hand in batch {number}"))?;
        if answer.contains("\"code\"") {
            bail!("batch {number} was refused: {answer}");
        }
    }
    Ok(())
}

/// One request: an answer that takes so long.
fn asking(millis: usize) -> Value {
    let url = format!("http://sundown:8080/try/slow/{millis}");
    json!({ "kind": "http", "input": { "url": url, "method": "GET" }, "max_attempts": 1 })
}

/// One stream, which begins before the requests that wait.
fn following() -> Value {
    let input = json!({ "url": "http://sundown:8080/try/events", "method": "GET" });
    json!({ "kind": "http", "input": input, "max_attempts": 1, "priority": 10 })
}

/// Evicts every replica as a drain of its node does, and waits for its successor. Answers how many
/// were evicted: one that goes by itself meanwhile does not count.
fn evict_all(kubectl: &Kubectl) -> anyhow::Result<usize> {
    let before = pods(kubectl)?;
    let mut evicted = Vec::new();
    for Pod { name, uid } in &before {
        if evict(kubectl, name, uid)? {
            println!("   evicted {name}");
            evicted.push(uid);
        }
        kubectl.rollout("sundown").run()?;
    }
    let after = pods(kubectl)?;
    if let Some(pod) = after.iter().find(|pod| evicted.contains(&&pod.uid)) {
        bail!("{} was evicted and is still there", pod.name);
    }
    if evicted.is_empty() {
        bail!("no pod could be evicted: all {} were gone before", before.len());
    }
    Ok(evicted.len())
}

struct Pod {
    name: String,
    uid: String,
}

/// The replicas that are not on their way out.
fn pods(kubectl: &Kubectl) -> anyhow::Result<Vec<Pod>> {
    let selector = "--selector=app.kubernetes.io/name=sundown";
    let fields = "jsonpath={range .items[*]}{.metadata.name}{\" \"}{.metadata.uid}{\" \"}\
                  {.metadata.deletionTimestamp}{\"\\n\"}{end}";
    let text = kubectl.step("pods", &["get", "pods", selector, "--output", fields]).read()?;
    let pod = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [name, uid] => Some(Pod { name: name.to_owned(), uid: uid.to_owned() }),
        _ => None,
    };
    Ok(text.lines().filter_map(pod).collect())
}

/// Whether this very pod was evicted; no, if it was gone before.
fn evict(kubectl: &Kubectl, name: &str, uid: &str) -> anyhow::Result<bool> {
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": name, "namespace": kubectl.namespace },
        "deleteOptions": { "preconditions": { "uid": uid } },
    });
    let path = format!("/api/v1/namespaces/{}/pods/{name}/eviction", kubectl.namespace);
    let began = Instant::now();
    loop {
        let Err(error) = post(kubectl, &path, &eviction) else { return Ok(true) };
        let said = error.to_string();
        if ["NotFound", "not found", "precondition"].iter().any(|gone| said.contains(gone)) {
            return Ok(false);
        }
        // The budget lets one go at a time, and the others wait for its successor.
        if began.elapsed() > PATIENCE || !said.contains("disruption budget") {
            return Err(error.context(format!("cannot evict {name}")));
        }
        thread::park_timeout(PAUSE);
    }
}

/// Waits until all have ended, as long as any do.
fn wait_for_the_end(kubectl: &Kubectl, submitted: u64) -> anyhow::Result<Tally> {
    let (mut last, mut moved) = (tally(kubectl)?, Instant::now());
    while last.ended() < submitted {
        if moved.elapsed() > PATIENCE {
            let left = submitted - last.ended();
            bail!("{left} tasks are still to end, and none has for {PATIENCE:?}");
        }
        thread::park_timeout(PAUSE);
        let now = tally(kubectl)?;
        if now != last {
            (last, moved) = (now, Instant::now());
        }
    }
    Ok(last)
}

/// How the load stands, by its own figures.
fn tally(kubectl: &Kubectl) -> anyhow::Result<Tally> {
    let namespace = &kubectl.namespace;
    let path = format!("/api/v1/namespaces/{namespace}/services/sundown-load:admin/proxy/metrics");
    Ok(Tally::read(&kubectl.anywhere("figures", &["get", "--raw", &path]).read()?))
}

/// Sends JSON through the API server.
fn post(kubectl: &Kubectl, path: &str, body: &Value) -> anyhow::Result<String> {
    let mut child = Command::new("kubectl")
        .args(["--context", &kubectl.context, "create", "--raw", path, "--filename", "-"])
        .env("PATH", &kubectl.path)
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
    use crate::deploy::tests::Place;

    /// Three pods: one terminates already, one is gone when it is to be evicted.
    const KUBECTL: &str = r#"#!/bin/sh
here=$(dirname "$0")
case "$*" in
  *"get pods"*)
    if [ -e "$here/evicted" ]; then
      printf 'new-1 u5\nnew-2 u6\n'
    else
      printf 'stays u1\ngoes u2\nterminating u3 2026-01-01T00:00:00Z\n'
    fi;;
  *pods/stays/eviction*) cat >"$here/evicted";;
  *pods/goes/eviction*) echo 'Error from server (NotFound): pods "goes" not found' >&2; exit 1;;
  *eviction*) echo 'no such eviction expected' >&2; exit 1;;
esac
"#;

    #[test]
    fn only_pods_that_were_there_are_evicted_and_counted() {
        let place = Place::new(&[]);
        place.install("kubectl", KUBECTL);
        assert_eq!(evict_all(&place.kubectl()).unwrap(), 1);
        let sent = std::fs::read_to_string(place.0.join("bin/evicted")).unwrap();
        let sent: Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(sent["deleteOptions"]["preconditions"]["uid"], "u1");
    }

    #[test]
    fn without_a_cluster_it_says_so() {
        assert_eq!(reason_not_to(None), Some("KUBECONFIG is not set"));
        assert_eq!(reason_not_to(Some(OsString::new())), Some("KUBECONFIG is not set"));
        assert_eq!(reason_not_to(Some("/some/where".into())), None);
    }

    #[test]
    fn it_is_large_unless_told_otherwise() {
        let usual = EndToEnd::parse(&["--yes"]).unwrap();
        assert!(usual.requests >= 100_000 && usual.restarts >= 10, "{usual:?}");
        let small = EndToEnd::parse(&["--restarts", "1", "--yes", "--requests", "50"]).unwrap();
        assert_eq!((small.requests, small.restarts), (50, 1));
        assert_eq!(small.target, usual.target);
        for flags in [&["--requests"][..], &["--requests", "0"], &["--restarts", "many"], &["--x"]]
        {
            assert!(EndToEnd::parse(flags).is_err(), "{flags:?}");
        }
    }

    #[test]
    fn what_was_tried_is_said() {
        let wanted = EndToEnd::parse(&["--requests", "50", "--restarts", "2"]).unwrap();
        assert_eq!(
            covered(&wanted, 3),
            "2 rolling restarts, 3 evictions: 50 of 50 requests and 64 of 64 streams of events succeeded, each \
             over a fresh connection"
        );
    }

    #[test]
    fn each_is_made_once_and_streams_begin_first() {
        for task in [asking(500), following()] {
            assert_eq!(task["max_attempts"], 1);
        }
        assert_eq!(asking(500)["input"]["url"], "http://sundown:8080/try/slow/500");
        assert!(asking(500)["priority"].is_null() && following()["priority"].as_u64() > Some(0));
    }
}
