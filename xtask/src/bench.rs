//! `bench AREA`: a comparison with peers, each area a nested workspace with a lock file of its own.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::step::Step;

/// Where the areas are.
const PEERS: &str = "crates/sundown-bench/peers";

/// Runs the area's comparison; without an area, lists what there is.
pub(crate) fn run(root: &Path, area: Option<&str>, json: bool) -> anyhow::Result<()> {
    let known = areas(&root.join(PEERS))?;
    let Some(area) = area else {
        println!("{}", list(&known));
        return Ok(());
    };
    if !known.iter().any(|name| name == area) {
        bail!("no area is called `{area}`; {}", list(&known));
    }
    // With --json, nothing but the figures may stand on standard output.
    let run = |step: Step| if json { step.run_bare() } else { step.run() };
    for aside in areas(&root.join(PEERS).join(area))? {
        run(build(&format!("{PEERS}/{area}/{aside}/Cargo.toml")))?;
    }
    run(step(&format!("{PEERS}/{area}/Cargo.toml"), json))
}

/// For each workspace of a bench: its lock file is that of what stands in the repository. Nothing else
/// looks at them before somebody measures, and then it is too late.
pub(crate) fn lock_checks(root: &Path) -> anyhow::Result<Vec<Step>> {
    let mut checks = Vec::new();
    for area in areas(&root.join(PEERS))? {
        checks.push(format!("{PEERS}/{area}/Cargo.toml"));
        for aside in areas(&root.join(PEERS).join(&area))? {
            checks.push(format!("{PEERS}/{area}/{aside}/Cargo.toml"));
        }
    }
    let check = |manifest| {
        let words = format!("update --workspace --locked --quiet --manifest-path {manifest}");
        Step::cargo("lock files of the benches", &words)
    };
    Ok(checks.into_iter().map(check).collect())
}

/// A peer that cannot live in one lock file with the others is a program of its own, in a workspace
/// inside the area's: the area finds it beside itself.
fn build(manifest: &str) -> Step {
    Step::cargo("build", &format!("build --release --locked --manifest-path {manifest}"))
        .env("CARGO_TARGET_DIR", "target/bench")
}

/// All areas share one target directory: what they have in common is built once.
fn step(manifest: &str, json: bool) -> Step {
    let json = if json { " --json" } else { "" };
    Step::cargo("bench", &format!("run --release --locked --manifest-path {manifest} --{json}"))
        .env("CARGO_TARGET_DIR", "target/bench")
}

/// The folders that hold a workspace, in order.
fn areas(peers: &Path) -> anyhow::Result<Vec<String>> {
    if !peers.is_dir() {
        return Ok(Vec::new());
    }
    let mut areas = Vec::new();
    for entry in fs::read_dir(peers).with_context(|| format!("cannot list {PEERS}"))? {
        let entry = entry.with_context(|| format!("cannot list {PEERS}"))?;
        if entry.path().join("Cargo.toml").is_file() {
            areas.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    areas.sort();
    Ok(areas)
}

fn list(areas: &[String]) -> String {
    if areas.is_empty() {
        format!("there is no area yet (an area is a folder with a workspace under {PEERS})")
    } else {
        format!("the areas are: {}", areas.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_passed_on_behind_the_dashes() {
        let line = step("p/core/Cargo.toml", true).line();
        assert_eq!(
            line,
            "CARGO_TARGET_DIR='target/bench' cargo run --release --locked \
             --manifest-path p/core/Cargo.toml -- --json"
        );
        assert!(step("p/core/Cargo.toml", false).line().ends_with("Cargo.toml --"));
    }

    #[test]
    fn a_peer_with_a_lock_file_of_its_own_is_built_before() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert_eq!(areas(&root.join(PEERS).join("tasks")).unwrap(), ["effectum"]);
        let line = build("p/tasks/effectum/Cargo.toml").line();
        assert!(line.ends_with("--locked --manifest-path p/tasks/effectum/Cargo.toml"), "{line}");
    }

    #[test]
    fn every_lock_file_in_the_repository_is_looked_at() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let checks = lock_checks(&root).unwrap();
        let lines: Vec<String> = checks.iter().map(Step::line).collect();
        let tracked = Step::git("ls-files", "ls-files --full-name :/*Cargo.lock").read().unwrap();
        let nested: Vec<&str> = tracked.lines().filter(|path| path.starts_with(PEERS)).collect();
        assert_eq!(lines.len(), nested.len(), "{lines:?}");
        for lock in nested {
            let manifest = lock.replace("Cargo.lock", "Cargo.toml");
            assert!(lines.iter().any(|line| line.ends_with(&manifest)), "{manifest}");
        }
    }

    #[test]
    fn an_unknown_area_is_answered_with_the_known_ones() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let error = run(&root, Some("no-such-area"), false).unwrap_err().to_string();
        assert!(error.starts_with("no area is called `no-such-area`; the"), "{error}");
        assert_eq!(list(&["core".to_owned(), "web".to_owned()]), "the areas are: core, web");
    }

    #[test]
    fn only_folders_with_a_workspace_are_areas() {
        let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates");
        assert!(areas(&crates).unwrap().contains(&"sundown-drill".to_owned()));
        assert!(areas(&crates.join("sundown-drill/src")).unwrap().is_empty());
        assert!(areas(&crates.join("no-such-folder")).unwrap().is_empty());
    }
}
