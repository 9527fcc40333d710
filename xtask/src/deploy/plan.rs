//! What a deployment comes to: a list of commands, made without looking at anything; and running it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::builder::{Load, build, loader, local_name, names_a_registry, save};
use super::cluster::Kubectl;
use super::render::kustomize;
use crate::step::{Step, timed};

/// What all the decisions came to.
#[derive(Debug)]
pub(super) struct Deployment {
    pub(super) overlay: String,
    pub(super) kubectl: Kubectl,
    /// Who builds the image; nobody, if it is one that was built.
    pub(super) builder: Option<&'static str>,
    pub(super) image: String,
    pub(super) commit: String,
}

impl Deployment {
    /// Where the overlay is rendered with this image in it.
    pub(super) fn folder(&self) -> String {
        format!("target/deploy/{}", self.overlay)
    }

    fn manifest(&self) -> String {
        format!("{}/rendered.yaml", self.folder())
    }

    /// Builds the image, and brings it where the cluster finds it.
    fn image(&self, builder: &'static str) -> Vec<Planned> {
        let on_path = |step: Step| step.on_path(&self.kubectl.path);
        let image = local_name(builder, &self.image);
        let build = Step::tool("image", builder, build(&image, &self.commit));
        let mut plan = vec![Planned::Run(on_path(build))];
        let archive = format!("{}/image.tar", self.folder());
        let load = match builder {
            "docker" => Load::OfDocker(&image),
            _ => Load::Archive(&archive),
        };
        if names_a_registry(&self.image) {
            let words = ["push", &*image].map(str::to_owned);
            plan.push(Planned::Run(on_path(Step::tool("push", builder, words))));
        } else if let Some((program, words)) = loader(&self.kubectl.context, load) {
            if let Load::Archive(file) = load {
                let save = Step::tool("save", builder, save(builder, &image, file));
                plan.push(Planned::Make(on_path(save), PathBuf::from(file)));
            }
            plan.push(Planned::Run(on_path(Step::tool("load", program, words))));
        }
        plan
    }

    /// The overlay with this image: kustomize takes it from a file, and from nowhere else.
    pub(super) fn kustomization(&self) -> String {
        let (name, version) = match self.image.split_once('@') {
            Some((name, digest)) => (name, format!("digest: {digest:?}")),
            None => match self.image.rsplit_once(':') {
                Some((name, tag)) if !tag.contains('/') => (name, format!("newTag: {tag:?}")),
                Some(_) | None => (&*self.image, "newTag: \"latest\"".to_owned()),
            },
        };
        format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n  \
             - ../../../deploy/overlays/{}\nimages:\n  - name: sundown\n    newName: {name:?}\n    \
             {version}\n",
            self.overlay
        )
    }
}

/// Whether a claim names no `StorageClass` of its own.
fn asks_for_default_storage(manifest: &str) -> bool {
    let is_claim = |object: &&str| object.contains("\nkind: PersistentVolumeClaim\n");
    let objects = manifest.split("\n---");
    objects.filter(is_claim).any(|claim| !claim.contains("storageClassName:"))
}

/// One command of a plan.
#[derive(Debug)]
enum Planned {
    /// It must succeed.
    Run(Step),
    /// It writes this file, which must not be there before.
    Make(Step, PathBuf),
    /// What it prints goes into this file.
    Write(Step, PathBuf),
    /// It must succeed; if it does not, these tell why.
    Explained(Step, Vec<Step>),
    /// Where the manifest asks for a volume of the default `StorageClass`, there must be one. The step
    /// prints which classes are the default.
    DefaultStorage { classes: Step, manifest: PathBuf },
}

impl Planned {
    fn step(&self) -> &Step {
        match self {
            Self::Run(step)
            | Self::Make(step, _)
            | Self::Write(step, _)
            | Self::Explained(step, _)
            | Self::DefaultStorage { classes: step, .. } => step,
        }
    }

    fn run(&self, root: &Path) -> anyhow::Result<()> {
        match self {
            Self::Run(step) => step.run(),
            Self::Make(step, file) => {
                let file = root.join(file);
                if file.exists() {
                    fs::remove_file(&file)
                        .with_context(|| format!("cannot remove {}", file.display()))?;
                }
                step.run()
            }
            Self::Write(step, file) => timed(step.name(), || {
                println!("   {} > {}", step.line(), file.display());
                fs::write(root.join(file), step.read()?)
                    .with_context(|| format!("cannot write {}", file.display()))
            }),
            Self::Explained(step, explanations) => {
                let Err(error) = step.run() else { return Ok(()) };
                for explanation in explanations {
                    // One that fails explains nothing, and that is all.
                    if let Err(error) = explanation.run() {
                        eprintln!("{error:#}");
                    }
                }
                Err(error.context("the pods do not come up: see the reasons above"))
            }
            Self::DefaultStorage { classes, manifest } => {
                let manifest = fs::read_to_string(root.join(manifest))
                    .with_context(|| format!("cannot read {}", manifest.display()))?;
                if !asks_for_default_storage(&manifest) || classes.read()?.contains("true") {
                    return Ok(());
                }
                bail!(
                    "the overlay asks for a volume and the cluster has no default StorageClass: the pod would \
                     stay Pending (set `storageClassName` in deploy/overlays/dev/volume.yaml to one of `kubectl \
                     get storageclass`, or mark one as the default)"
                )
            }
        }
    }
}

/// The commands, in order. The first that fails is the last that runs.
#[derive(Debug)]
pub(super) struct Plan(Vec<Planned>);

impl Plan {
    pub(super) fn of(deployment: &Deployment) -> Self {
        let kubectl = &deployment.kubectl;
        let manifest = deployment.manifest();
        let apply = |name, more: &[&str]| {
            let words = [&["apply", "--filename", &*manifest][..], more].concat();
            Planned::Run(kubectl.anywhere(name, &words))
        };
        let render = kustomize(&deployment.folder()).on_path(&kubectl.path);
        let mut plan = vec![
            Planned::Write(render, PathBuf::from(&manifest)),
            Planned::Run(check(&manifest).on_path(&kubectl.path)),
            Planned::DefaultStorage {
                classes: kubectl.default_storage(),
                manifest: (&manifest).into(),
            },
        ];
        plan.extend(deployment.builder.into_iter().flat_map(|builder| deployment.image(builder)));
        // Nothing can be tried in a namespace that is not there.
        plan.push(apply("namespace", &["--selector=app.kubernetes.io/component=namespace"]));
        plan.push(apply("dry run", &["--dry-run=server"]));
        plan.push(apply("apply", &[]));
        plan.push(Planned::Explained(kubectl.rollout("sundown"), kubectl.explanations()));
        Self(plan)
    }

    /// The commands as a person would type them.
    #[cfg(test)]
    pub(super) fn lines(&self) -> Vec<String> {
        self.0.iter().map(|planned| planned.step().line()).collect()
    }

    pub(super) fn run(&self, root: &Path) -> anyhow::Result<()> {
        for (index, planned) in self.0.iter().enumerate() {
            let (number, count) = (index + 1, self.0.len());
            planned
                .run(root)
                .with_context(|| format!("step {number} of {count}, {}", planned.step().name()))?;
        }
        Ok(())
    }
}

/// The step that asks the service's own checker whether manifests add up.
pub(super) fn check(manifest: &str) -> Step {
    let words = "run --quiet --locked --package sundown-cli -- check";
    let words = words.split(' ').chain([manifest]).map(str::to_owned);
    Step::tool("check", "cargo", words)
}

/// The namespace that a kustomization puts everything into.
pub(super) fn namespace(kustomization: &str) -> anyhow::Result<&str> {
    let named = kustomization.lines().find_map(|line| line.strip_prefix("namespace: "));
    match named.map(str::trim) {
        Some(namespace) if !namespace.is_empty() => Ok(namespace),
        Some(_) | None => bail!("a kustomization needs a line `namespace: NAME`"),
    }
}
