//! Deployments with tools that are tiny scripts: real processes, which write down what they were told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::plan::namespace;
use super::*;

/// A workspace and a `PATH` of its own, gone with its owner.
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    /// With these scripts for tools; all others succeed and say nothing.
    pub(crate) fn new(scripts: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("xtask-deploy-{}-{number}", std::process::id());
        let place = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(place.0.join("deploy/overlays/dev")).unwrap();
        let overlay = "kind: Kustomization\nnamespace: sundown-dev\n";
        fs::write(place.0.join("deploy/overlays/dev/kustomization.yaml"), overlay).unwrap();
        fs::create_dir_all(place.0.join("bin")).unwrap();
        for tool in ["docker", "kubectl", "cargo", "kind"] {
            let script = scripts.iter().find(|(name, _)| *name == tool).map_or("", |(_, it)| it);
            place.write(tool, script);
        }
        place
    }

    fn write(&self, tool: &str, script: &str) {
        let log = self.0.join("log").display().to_string();
        let text = format!("#!/bin/sh\nprintf '%s\\n' \"{tool} $*\" >> {log}\n{script}\n");
        self.install(tool, &text);
    }

    /// Puts a program into `bin`.
    pub(crate) fn install(&self, tool: &str, text: &str) {
        let path = self.0.join("bin").join(tool);
        fs::write(&path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn deploy(&self, flags: &str) -> anyhow::Result<Kubectl> {
        let words: Vec<&str> = flags.split_whitespace().collect();
        let target = Target::parse("dev", &words).unwrap();
        // Nothing of this machine's is found.
        let tools = Tools { path: self.0.join("bin").into(), is_watched: false };
        to_cluster(&self.0, &target, &tools)
    }

    /// kubectl from here, in a cluster that does not exist.
    pub(crate) fn kubectl(&self) -> Kubectl {
        let path = format!("{}:/usr/bin:/bin", self.0.join("bin").display()).into();
        Kubectl { context: "kind-test".to_owned(), namespace: "sundown-e2e".to_owned(), path }
    }

    /// The tools that were called, with what they were told.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join("log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A kubectl that knows one context, and does what it is told.
const KUBECTL: &str = "case \"$*\" in
  'config current-context') echo kind-test;;
  'config get-contexts'*) echo kind-test; echo production;;
  kustomize*) echo 'kind: List';;
esac";

const KUBECTL_CONTEXTS: &str = "case \"$*\" in 'config current-context') echo kind-test;; esac";

fn failing(words: &str) -> String {
    format!("{KUBECTL}\ncase \"$*\" in *'{words}'*) echo 'no: {words}' >&2; exit 1;; esac")
}

#[test]
fn a_deployment_is_these_commands_in_this_order_to_one_context_only() {
    let place = Place::new(&[("kubectl", KUBECTL)]);
    let image = "registry.example.com/sundown:7";
    place.deploy(&format!("--context production --image {image} --yes")).unwrap();
    let file = "target/deploy/dev/rendered.yaml";
    let log = place.log();
    let build = log.iter().find(|line| line.starts_with("docker build")).unwrap().clone();
    assert!(build.starts_with("docker build --file deploy/Dockerfile --build-arg BUILD_COMMIT="));
    assert!(build.ends_with(&format!(" --tag {image} .")), "{build}");
    let kubectl = |words: &str| format!("kubectl --context production {words}");
    let expected = [
        "kubectl config get-contexts --output=name".to_owned(),
        "docker info".to_owned(),
        "kubectl kustomize target/deploy/dev".to_owned(),
        format!("cargo run --quiet --locked --package sundown-cli -- check {file}"),
        build,
        format!("docker push {image}"),
        kubectl(&format!(
            "apply --filename {file} --selector=app.kubernetes.io/component=namespace"
        )),
        kubectl(&format!("apply --filename {file} --dry-run=server")),
        kubectl(&format!("apply --filename {file}")),
        kubectl("--namespace sundown-dev rollout status deployment/sundown --timeout=300s"),
    ];
    assert_eq!(log, expected);
    assert_eq!(fs::read_to_string(place.0.join(file)).unwrap(), "kind: List\n");
    let text = fs::read_to_string(place.0.join("target/deploy/dev/kustomization.yaml")).unwrap();
    assert!(text.contains("  - ../../../deploy/overlays/dev\n"), "{text}");
    assert!(
        text.contains("newName: \"registry.example.com/sundown\"\n    newTag: \"7\"\n"),
        "{text}"
    );
}

#[test]
fn a_cluster_on_this_machine_is_loaded_and_nothing_is_pushed() {
    let place = Place::new(&[("kubectl", KUBECTL)]);
    place.deploy("--yes").unwrap();
    let log = place.log().join("\n");
    assert!(log.contains("\nkind load docker-image sundown:"), "{log}");
    assert!(!log.contains("push"), "{log}");
}

#[test]
fn what_docker_has_not_built_is_loaded_through_an_archive() {
    let save = "save --format docker-archive --output target/deploy/dev/image.tar";
    // podman writes into no file that is there.
    let podman = format!(
        "case \"$*\" in '{save}'*) test ! -e target/deploy/dev/image.tar && : > target/deploy/dev/image.tar;; esac"
    );
    let place = Place::new(&[("kubectl", KUBECTL)]);
    fs::remove_file(place.0.join("bin/docker")).unwrap();
    place.write("podman", &podman.replace("target/", &format!("{}/target/", place.0.display())));
    for _ in 0..2 {
        place.deploy("--image sundown:7 --yes").unwrap();
    }
    let log = place.log().join("\n");
    let name = "docker.io/library/sundown:7";
    for line in [
        format!(" --tag {name} .\n"),
        format!("\npodman {save} {name}\n"),
        "\nkind load image-archive target/deploy/dev/image.tar --name test\n".to_owned(),
    ] {
        assert_eq!(log.matches(&line).count(), 2, "{line}{log}");
    }
}

#[test]
fn an_image_by_its_digest_is_there_already_and_needs_no_builder() {
    let place = Place::new(&[("kubectl", KUBECTL)]);
    fs::remove_file(place.0.join("bin/docker")).unwrap();
    place.deploy("--image registry.example.com/sundown@sha256:0f --yes").unwrap();
    let log = place.log().join("\n");
    assert!(!log.contains("build") && !log.contains("push") && !log.contains("kind "), "{log}");
    assert!(log.contains("rollout status deployment/sundown"), "{log}");
}

#[test]
fn nothing_is_done_that_nobody_agreed_to() {
    let place = Place::new(&[("kubectl", KUBECTL)]);
    let error = place.deploy("").unwrap_err().to_string();
    assert!(error.contains("--yes if kind-test is the one"), "{error}");
    assert_eq!(place.log(), ["kubectl config current-context"]);
}

#[test]
fn without_a_cluster_or_with_an_unknown_one_the_error_says_what_to_do() {
    let place = Place::new(&[("kubectl", "echo 'error: current-context is not set' >&2; exit 1")]);
    let error = format!("{:#}", place.deploy("--yes").unwrap_err());
    assert!(error.starts_with("no cluster to deploy to: "), "{error}");
    assert!(error.contains("set KUBECONFIG") && error.contains("is not set"), "{error}");
    let place = Place::new(&[("kubectl", KUBECTL)]);
    let error = place.deploy("--context elsewhere --yes").unwrap_err().to_string();
    assert!(error.contains("no context `elsewhere` (it knows: kind-test, production"), "{error}");
    fs::remove_file(place.0.join("bin/kubectl")).unwrap();
    let error = format!("{:#}", place.deploy("--yes").unwrap_err());
    assert!(error.contains("is kubectl on PATH?"), "{error}");
}

/// What fails, by which tool; what the error says; and what must not have been called.
#[test]
fn whatever_fails_is_the_last_that_runs_and_is_named() {
    let dry_run = failing("--dry-run=server");
    let kustomize = failing("kustomize");
    let cases: [(&str, &str, &str, &str); 5] = [
        ("docker", "[ $1 = info ] && exit 1", "`docker info` fails", "kubectl kustomize"),
        ("docker", "[ $1 = build ] && exit 1; exit 0", "step 4 of 9, image", "apply"),
        ("cargo", "exit 3", "step 2 of 9, check", "docker build"),
        ("kubectl", &kustomize, "step 1 of 9, render", "cargo run"),
        ("kubectl", &dry_run, "step 7 of 9, dry run", "rollout"),
    ];
    for (tool, script, said, never) in cases {
        let place = Place::new(&[("kubectl", KUBECTL), (tool, script)]);
        place.write(tool, script);
        let error = format!("{:#}", place.deploy("--yes").unwrap_err());
        assert!(error.contains(said), "{tool} {script}: {error}");
        let log = place.log().join("\n");
        assert!(!log.contains(never), "{tool} {script}: {log}");
    }
}

#[test]
fn without_a_default_storage_class_nothing_is_built_that_would_wait_for_a_volume() {
    let claim = |class: &str| {
        let object = format!("kind: PersistentVolumeClaim\nspec: {{}}{class}\n");
        let text = format!("apiVersion: v1\n{object}");
        format!(
            "case \"$*\" in kustomize*) printf '%s' '{text}';; *storageclass*) echo $CLASSES;; esac"
        )
    };
    let kubectl = |class: &str, classes: &str| {
        format!("{KUBECTL_CONTEXTS}\nCLASSES='{classes}'\n{}", claim(class))
    };
    let place = Place::new(&[("kubectl", &kubectl("", ""))]);
    let error = format!("{:#}", place.deploy("--yes").unwrap_err());
    assert!(error.contains("no default StorageClass"), "{error}");
    assert!(!place.log().join("\n").contains("docker build"));
    for (class, classes) in [("", "false true"), ("\nstorageClassName: fast", "")] {
        Place::new(&[("kubectl", &kubectl(class, classes))]).deploy("--yes").unwrap();
    }
}

#[test]
fn a_rollout_that_fails_is_explained_even_where_an_explanation_fails() {
    let script = format!("{}\ncase \"$*\" in *events*) exit 1;; esac", failing("rollout status"));
    let place = Place::new(&[("kubectl", &script)]);
    let error = format!("{:#}", place.deploy("--yes").unwrap_err());
    assert!(error.contains("the pods do not come up: see the reasons above"), "{error}");
    let log = place.log();
    let after = log.iter().position(|line| line.contains("rollout status")).unwrap();
    let told = log[after + 1..].join("\n");
    for (question, count) in
        [("get pods", 2), ("lastState.terminated.message", 1), ("get events", 1), (" logs ", 1)]
    {
        assert_eq!(told.matches(question).count(), count, "{question}: {told}");
    }
    assert!(
        told.lines().all(|line| line.contains(" --context kind-test --namespace sundown-dev "))
    );
}

#[test]
fn an_overlay_that_is_not_there_is_answered_with_those_that_are() {
    let place = Place::new(&[]);
    let target = Target::parse("stage", &["--yes"]).unwrap();
    let tools = Tools { path: place.0.join("bin").into(), is_watched: false };
    let error = to_cluster(&place.0, &target, &tools).unwrap_err().to_string();
    assert_eq!(error, "there is no overlay `stage` (there are: dev, prod, full, e2e)");
    assert!(place.log().is_empty());
}

#[test]
fn an_image_is_taken_apart_into_name_and_version() {
    let kubectl =
        Kubectl { context: String::new(), namespace: String::new(), path: OsString::new() };
    let image = |image: &str| {
        let deployment = Deployment {
            overlay: "dev".to_owned(),
            kubectl: kubectl.clone(),
            builder: Some("docker").filter(|_| !image.contains('@')),
            image: image.to_owned(),
            commit: String::new(),
        };
        let lines = Plan::of(&deployment).lines().join("\n");
        let is_tagged = lines.contains(&format!("--tag {image} ."));
        assert_eq!(is_tagged, !image.contains('@'), "{lines}");
        let text = deployment.kustomization();
        text.lines().rev().take(2).map(str::trim).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(image("sundown:dev"), "newTag: \"dev\" newName: \"sundown\"");
    assert_eq!(
        image("10.0.0.1:5000/sundown"),
        "newTag: \"latest\" newName: \"10.0.0.1:5000/sundown\""
    );
    assert_eq!(image("a.b/c@sha256:0f"), "digest: \"sha256:0f\" newName: \"a.b/c\"");
}

#[test]
fn the_namespace_stands_in_the_overlay() {
    assert_eq!(namespace("kind: K\nnamespace: a-b\nresources: []\n").unwrap(), "a-b");
    assert!(namespace("kind: K\n  namespace: a-b\n").is_err());
}

#[test]
fn every_flag_is_understood_and_no_other() {
    let parse = |line: &str| Deploy::parse(&line.split_whitespace().collect::<Vec<_>>());
    let target = |overlay: &str| Target {
        overlay: overlay.to_owned(),
        context: None,
        image: None,
        is_agreed: false,
    };
    assert_eq!(parse("").unwrap(), Deploy::To(target("dev")));
    assert_eq!(parse("prod").unwrap(), Deploy::To(target("prod")));
    let told = parse("--image a:1 --yes --context c").unwrap();
    let context = Some("c".to_owned());
    let image = Some("a:1".to_owned());
    assert_eq!(told, Deploy::To(Target { context, image, is_agreed: true, ..target("dev") }));
    assert_eq!(parse("binary --out x/y").unwrap(), Deploy::Binary { out: Some("x/y".into()) });
    for (line, named) in [
        ("check now", "`deploy check` does not take `now`"),
        ("prod --context", "--context takes a name"),
        ("prod --force", "`deploy prod` does not take `--force`"),
        ("binary --out", "`deploy binary` does not take `--out`"),
    ] {
        let error = parse(line).unwrap_err().to_string();
        assert!(error.contains(named), "{line}: {error}");
    }
}
