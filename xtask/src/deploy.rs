//! `deploy`: from the sources to pods that serve, with the tools that are there: kubectl, and whatever
//! builds images. `deploy check`, `render` and `binary` need no cluster.

mod binary;
mod builder;
mod cluster;
mod digest;
mod plan;
mod render;
#[cfg(test)]
pub(crate) mod tests;

use std::ffi::OsString;
use std::fs;
use std::io::{IsTerminal as _, Write as _, stdin, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use plan::{Deployment, Plan};

use crate::step::Step;

pub(crate) use binary::{
    VARIABLE as IMAGE_BINARY, path as image_binary, step as build_image_binary,
};
pub(crate) use cluster::Kubectl;
pub(crate) use render::reason_not_to_compare;

/// What of it is wanted.
#[derive(Debug, PartialEq)]
pub(crate) enum Deploy {
    /// An overlay, to a cluster.
    To(Target),
    /// Whether the manifests add up.
    Check,
    /// The copies that need no kustomize.
    Render,
    /// The image's binary.
    Binary {
        /// Where it is wanted; none leaves it where it was built.
        out: Option<PathBuf>,
    },
}

/// What goes where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) overlay: String,
    /// Which cluster; none is the current one.
    pub(crate) context: Option<String>,
    /// What the image is called; none is after the commit.
    pub(crate) image: Option<String>,
    /// Nobody is to be asked.
    pub(crate) is_agreed: bool,
}

impl Deploy {
    /// Reads what stands behind `deploy`.
    pub(crate) fn parse(words: &[&str]) -> anyhow::Result<Self> {
        match words {
            ["check"] => Ok(Self::Check),
            ["render"] => Ok(Self::Render),
            ["binary"] => Ok(Self::Binary { out: None }),
            ["binary", "--out", file] => Ok(Self::Binary { out: Some(PathBuf::from(file)) }),
            [part @ ("check" | "render" | "binary"), rest @ ..] => {
                bail!("`deploy {part}` does not take `{}`", rest.join(" "))
            }
            [overlay, rest @ ..] if !overlay.starts_with('-') => {
                Target::parse(overlay, rest).map(Self::To)
            }
            flags => Target::parse("dev", flags).map(Self::To),
        }
    }
}

impl Target {
    /// Reads the flags behind an overlay's name.
    pub(crate) fn parse(overlay: &str, flags: &[&str]) -> anyhow::Result<Self> {
        let mut target =
            Self { overlay: overlay.to_owned(), context: None, image: None, is_agreed: false };
        let mut words = flags.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} takes a name"));
            match *word {
                "--context" => target.context = Some((*value()?).to_owned()),
                "--image" => target.image = Some((*value()?).to_owned()),
                "--yes" => target.is_agreed = true,
                other => bail!("`deploy {overlay}` does not take `{other}`"),
            }
        }
        Ok(target)
    }
}

/// Where tools are looked for.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    pub(crate) path: OsString,
    /// Whether there is somebody to ask.
    pub(crate) is_watched: bool,
}

impl Tools {
    /// Those of whoever started us.
    pub(crate) fn here() -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        Self { path, is_watched: stdin().is_terminal() }
    }
}

/// Does what is wanted.
pub(crate) fn run(root: &Path, wanted: &Deploy) -> anyhow::Result<()> {
    match wanted {
        Deploy::To(target) => to_cluster(root, target, &Tools::here()).map(drop),
        Deploy::Check => check(root),
        Deploy::Render => render::run(root),
        Deploy::Binary { out } => binary::run(root, out.as_deref()),
    }
}

/// Whether the rendered copies are true, and add up.
fn check(root: &Path) -> anyhow::Result<()> {
    let faults = render::faults(root)?;
    if !faults.is_empty() {
        bail!("{}", faults.join("\n"));
    }
    // Each by itself: they are alternatives, and never applied together.
    render::COPIES.iter().try_for_each(|(name, _)| plan::check(&render::path(name)).run())
}

/// Builds, checks, applies, and waits until the pods serve. Answers with the cluster it talked to.
pub(crate) fn to_cluster(root: &Path, target: &Target, tools: &Tools) -> anyhow::Result<Kubectl> {
    let overlay = root.join("deploy/overlays").join(&target.overlay).join("kustomization.yaml");
    let overlay = fs::read_to_string(&overlay).with_context(|| {
        format!("there is no overlay `{}` (there are: {})", target.overlay, overlays())
    })?;
    let namespace = plan::namespace(&overlay).context("the overlay names no namespace")?;
    let context = cluster::context(target.context.as_deref(), &tools.path)?;
    let commit = commit()?;
    let image = target.image.clone().unwrap_or_else(|| format!("sundown:{commit}"));
    agree(target, &context, &image, tools)?;
    let is_built = builder::is_digest(&image);
    let deployment = Deployment {
        overlay: target.overlay.clone(),
        kubectl: Kubectl { context, namespace: namespace.to_owned(), path: tools.path.clone() },
        builder: if is_built { None } else { Some(builder::find(&tools.path)?) },
        image,
        commit,
    };
    let folder = root.join(deployment.folder());
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join("kustomization.yaml"), deployment.kustomization()))
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    let plan = Plan::of(&deployment);
    plan.run(root)?;
    println!("deploy: {} serves in {}", deployment.image, deployment.kubectl.context);
    Ok(deployment.kubectl)
}

fn overlays() -> String {
    let names = render::COPIES.iter().filter(|(_, source)| source.contains("/overlays/"));
    names.map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// What is deployed, in a word that may be part of an image's name. What is not committed has a name of
/// its own each time, or the pods would not notice that it has changed.
fn commit() -> anyhow::Result<String> {
    let commit = Step::git("commit", "describe --always --abbrev=12 --dirty --exclude=*").read()?;
    let commit = commit.trim();
    let is_dirty = commit.ends_with("-dirty");
    Ok(if is_dirty { format!("{commit}-{}", std::process::id()) } else { commit.to_owned() })
}

/// Nothing is done to a cluster that nobody has agreed to.
fn agree(target: &Target, context: &str, image: &str, tools: &Tools) -> anyhow::Result<()> {
    println!("deploy: overlay {}, image {image}, context {context}", target.overlay);
    if target.is_agreed {
        return Ok(());
    }
    if !tools.is_watched {
        bail!(
            "nobody is here to agree: repeat it with --yes if {context} is the one that is meant"
        );
    }
    print!("Deploy to {context}? [y/N] ");
    stdout().flush().context("cannot write to standard output")?;
    let mut answer = String::new();
    stdin().read_line(&mut answer).context("cannot read the answer")?;
    if !["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) {
        bail!("not agreed; nothing was done");
    }
    Ok(())
}
