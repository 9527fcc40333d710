//! The one cluster that is talked to: by kubectl, and always by the name of its context.

use std::ffi::{OsStr, OsString};

use anyhow::{Context as _, bail};

use crate::step::Step;

/// kubectl, told which cluster and which namespace.
#[derive(Debug, Clone)]
pub(crate) struct Kubectl {
    pub(crate) context: String,
    pub(crate) namespace: String,
    pub(crate) path: OsString,
}

impl Kubectl {
    /// A step in the namespace.
    pub(crate) fn step(&self, name: &'static str, words: &[&str]) -> Step {
        self.anywhere(name, &[&["--namespace", &*self.namespace][..], words].concat())
    }

    /// A step that says itself where.
    pub(crate) fn anywhere(&self, name: &'static str, words: &[&str]) -> Step {
        let words = [&["--context", &*self.context][..], words].concat();
        let words = words.iter().map(|word| (*word).to_owned());
        Step::tool(name, "kubectl", words).on_path(&self.path)
    }

    /// Waits until everything of a Deployment is as it was said.
    pub(crate) fn rollout(&self, deployment: &str) -> Step {
        let deployment = format!("deployment/{deployment}");
        self.step("rollout", &["rollout", "status", &deployment, "--timeout=300s"])
    }

    /// Prints `true` for every `StorageClass` that is the default.
    pub(super) fn default_storage(&self) -> Step {
        let annotation = "storageclass\\.kubernetes\\.io/is-default-class";
        let path = format!("jsonpath={{.items[*].metadata.annotations.{annotation}}}");
        self.anywhere("storage", &["get", "storageclass", "--output", &path])
    }

    /// What tells why pods do not come up.
    pub(crate) fn explanations(&self) -> Vec<Step> {
        let words = "{range .items[*]}{.metadata.name}{\": \"}\
             {.status.containerStatuses[*].state.waiting.reason}{\" \"}\
             {.status.containerStatuses[*].state.waiting.message}{\" \"}\
             {.status.containerStatuses[*].state.terminated.message}{\" \"}\
             {.status.containerStatuses[*].lastState.terminated.message}{\"\\n\"}{end}";
        let last_words = format!("jsonpath={words}");
        vec![
            self.step("pods", &["get", "pods", "--output=wide"]),
            self.step("last words", &["get", "pods", "--output", &last_words]),
            self.step(
                "events",
                &["get", "events", "--sort-by=.lastTimestamp", "--field-selector=type=Warning"],
            ),
            self.step(
                "log",
                &["logs", "--selector=app.kubernetes.io/name=sundown", "--tail=10", "--prefix"],
            ),
        ]
    }
}

/// The context to talk to: the one that is named, if kubectl knows it, or the current one.
pub(super) fn context(named: Option<&str>, path: &OsStr) -> anyhow::Result<String> {
    let config = |words: &[&str]| {
        let words = ["config"].iter().chain(words).map(|word| (*word).to_owned());
        Step::tool("context", "kubectl", words).on_path(path).read()
    };
    let Some(named) = named else {
        let current = config(&["current-context"]).context(
            "no cluster to deploy to: kubectl has no current context (set KUBECONFIG, or name one \
             with --context)",
        )?;
        return Ok(current.trim().to_owned());
    };
    let known = config(&["get-contexts", "--output=name"])?;
    if !known.lines().any(|known| known == named) {
        let known = known.lines().collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        bail!("kubectl knows no context `{named}` (it knows: {known}; KUBECONFIG says from where)");
    }
    Ok(named.to_owned())
}
