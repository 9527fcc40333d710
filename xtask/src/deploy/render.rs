//! `deploy render`: copies of the overlays as kustomize makes them, so that `kubectl apply -f` needs
//! nothing else; and how to tell whether they are still true.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::digest::{Digest, of_folders};
use crate::step::Step;

/// What is rendered: the name of the copy, and where it comes from.
pub(super) const COPIES: &[(&str, &str)] = &[
    ("dev", "deploy/overlays/dev"),
    ("prod", "deploy/overlays/prod"),
    ("full", "deploy/overlays/full"),
    ("e2e", "deploy/overlays/e2e"),
    ("job", "deploy/examples/job"),
];

/// All that may have a part in it. A change anywhere renders everything again: that is cheap, and
/// nobody has to follow who includes whom.
const SOURCES: &[&str] =
    &["deploy/base", "deploy/components", "deploy/examples", "deploy/overlays"];

/// Where a copy lies.
pub(super) fn path(name: &str) -> String {
    format!("deploy/rendered/{name}.yaml")
}

/// Writes all copies anew.
pub(super) fn run(root: &Path) -> anyhow::Result<()> {
    demand_kustomize()?;
    let sources = of_folders(root, SOURCES)?;
    for (name, source) in COPIES {
        let text = with_header(source, &sources, &kustomize(source).read()?);
        fs::write(root.join(path(name)), &text)
            .with_context(|| format!("cannot write {}", path(name)))?;
        println!("{}: {} lines", path(name), text.lines().count());
    }
    Ok(())
}

/// The step that prints what an overlay comes to.
pub(super) fn kustomize(folder: &str) -> Step {
    let arguments = ["kustomize".to_owned(), folder.to_owned()];
    Step::tool("render", "kubectl", arguments)
}

/// Says what is wrong with the copies, if anything is; without kustomize.
pub(super) fn faults(root: &Path) -> anyhow::Result<Vec<String>> {
    let sources = of_folders(root, SOURCES)?;
    let mut faults = Vec::new();
    for (name, source) in COPIES {
        let path = path(name);
        let text = fs::read_to_string(root.join(&path))
            .with_context(|| format!("cannot read {path} (run `cargo xtask deploy render`)"))?;
        faults.extend(fault(&text, source, &sources).map(|fault| format!("{path}: {fault}")));
    }
    Ok(faults)
}

/// What is wrong with one copy.
fn fault(text: &str, source: &str, sources: &str) -> Option<String> {
    let again = "run `cargo xtask deploy render`";
    let Some(body) = body(text) else { return Some(format!("it has no header ({again})")) };
    if text == with_header(source, sources, body) {
        return None;
    }
    let is_edited = !text.contains(&format!("# content {}\n", Digest::of(body)));
    let what = if is_edited { "was changed by hand" } else { "is older than its sources" };
    Some(format!("it {what} ({again})"))
}

/// What stands below the header.
pub(super) fn body(text: &str) -> Option<&str> {
    text.split_once("\n\n").map(|(_, body)| body)
}

fn with_header(source: &str, sources: &str, body: &str) -> String {
    format!(
        "# Written by `cargo xtask deploy render` from {source}: change it there.\n\
         # sources {sources}\n\
         # content {}\n\n{body}",
        Digest::of(body)
    )
}

/// Why fresh copies cannot be held against those that are kept, if they cannot.
pub(crate) fn reason_not_to_compare() -> Option<String> {
    demand_kustomize().err().map(|error| format!("{error:#}"))
}

/// Says in a sentence what is missing, if it is.
fn demand_kustomize() -> anyhow::Result<()> {
    let words = ["version", "--client", "--output=json"].map(str::to_owned);
    let told = Step::tool("version", "kubectl", words).read()?;
    match kustomize_version(&told) {
        Some(version) if version >= 5 => Ok(()),
        Some(version) => {
            bail!("kubectl has kustomize v{version}, and v5 is needed (a newer kubectl)")
        }
        None => bail!("kubectl does not say which kustomize it has (a newer kubectl is needed)"),
    }
}

/// The major version of kustomize in what `kubectl version` says.
fn kustomize_version(told: &str) -> Option<u32> {
    let told: Value = serde_json::from_str(told).ok()?;
    let version = told["kustomizeVersion"].as_str()?;
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    #[test]
    fn the_rendered_copies_are_those_of_their_sources() {
        assert_eq!(faults(&root()).unwrap(), [""; 0]);
    }

    #[test]
    fn where_there_is_kustomize_a_fresh_copy_is_the_same_byte_for_byte() {
        // The digests hold everywhere; only the comparison needs the program. `cargo xtask test` says at
        // its end that it was not made.
        if reason_not_to_compare().is_some() {
            return;
        }
        for (name, source) in COPIES {
            let folder = root().join(source);
            let fresh = kustomize(&folder.display().to_string()).read().unwrap();
            let copy = fs::read_to_string(root().join(path(name))).unwrap();
            assert!(body(&copy) == Some(&*fresh), "{name}: run `cargo xtask deploy render`");
        }
    }

    #[test]
    fn every_overlay_has_a_copy_and_no_copy_is_left_over() {
        let list = |folder: &str| {
            let names = fs::read_dir(root().join(folder)).unwrap();
            let mut names: Vec<_> = names
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .map(|name| name.trim_end_matches(".yaml").to_owned())
                .collect();
            names.sort();
            names
        };
        let mut sources = [list("deploy/overlays"), list("deploy/examples")].concat();
        sources.sort();
        assert_eq!(list("deploy/rendered"), sources);
    }

    #[test]
    fn a_copy_that_was_touched_and_one_that_is_old_are_told_apart() {
        let text = with_header("deploy/overlays/dev", "0123", "kind: List\n\nitems: []\n");
        let fault = |text: &str, sources| fault(text, "deploy/overlays/dev", sources);
        assert_eq!(fault(&text, "0123"), None);
        assert!(fault(&text, "4567").unwrap().contains("is older than its sources"));
        let touched = text.replace("items: []", "items: [1]");
        assert!(fault(&touched, "0123").unwrap().contains("was changed by hand"));
        let moved = text.replace("overlays/dev", "overlays/prod");
        assert!(fault(&moved, "0123").unwrap().contains("is older"));
        assert!(fault("kind: List\n", "0123").unwrap().contains("no header"));
    }

    #[test]
    fn the_version_of_kustomize_is_read() {
        assert_eq!(kustomize_version(r#"{"kustomizeVersion": "v5.5.0"}"#), Some(5));
        assert_eq!(kustomize_version(r#"{"kustomizeVersion": "v4.5.7"}"#), Some(4));
        assert_eq!(kustomize_version("{}"), None);
        assert_eq!(kustomize_version("Client Version: v1"), None);
    }
}
