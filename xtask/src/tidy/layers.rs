//! Dependencies between our crates point inwards: core ← layers ← binary.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::Value;

use super::{Finding, Repository};

/// What a crate of the workspace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `sundown`: every layer stands on it.
    Core,
    /// One capability, usable alone.
    Layer,
    /// `sundown-drill`: tests of all crates may use it.
    Drill,
    /// `sundown-cli`: introduces the layers to one another.
    Binary,
    /// Measures and checks the product, and is no part of it.
    Workshop,
}

impl Role {
    pub(super) fn of(name: &str) -> Self {
        match name {
            "sundown" => Self::Core,
            "sundown-drill" => Self::Drill,
            "sundown-cli" => Self::Binary,
            "sundown-bench" | "sundown-fuzz" | "xtask" => Self::Workshop,
            _ => Self::Layer,
        }
    }
}

/// What a dependency is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    Build,
    Dev,
}

/// One crate of the workspace depends on another.
#[derive(Debug)]
struct Dependency {
    from: String,
    to: String,
    kind: Kind,
}

/// Layers are usable one by one only while none needs another; so dependencies point to the core,
/// and the binary alone knows everybody.
pub(super) fn dependencies_point_inwards(
    metadata: &str,
    repository: &Repository,
) -> anyhow::Result<Vec<Finding>> {
    let found = dependencies(metadata)?.into_iter().filter_map(|dependency| {
        let why = objection(&dependency)?;
        let Dependency { from, to, kind } = dependency;
        let folder = if from == "xtask" { "" } else { "crates/" };
        let path = format!("{folder}{from}/Cargo.toml");
        let text = repository.file(&path).map_or("", |file| file.text.as_str());
        let names = |line: &str| line.split(['.', '=', ' ']).next() == Some(to.as_str());
        let line = text.lines().position(names).map_or(1, |index| index + 1);
        let kind = match kind {
            Kind::Normal => "depends",
            Kind::Build => "build-depends",
            Kind::Dev => "dev-depends",
        };
        let fix = "let sundown-cli introduce the two, through a closure or a trait of the core";
        Some(Finding {
            path,
            line,
            what: format!("{from} {kind} on {to}"),
            why,
            fix: fix.to_owned(),
        })
    });
    Ok(found.collect())
}

/// What speaks against a dependency.
fn objection(dependency: &Dependency) -> Option<&'static str> {
    match (Role::of(&dependency.from), Role::of(&dependency.to), dependency.kind) {
        (_, Role::Workshop, _) => Some("the workshop is no part of the product"),
        (_, Role::Drill, Kind::Dev) => None,
        (
            Role::Binary | Role::Workshop,
            Role::Core | Role::Layer | Role::Drill | Role::Binary,
            _,
        )
        | (Role::Layer | Role::Drill, Role::Core, _) => None,
        (Role::Core, Role::Core | Role::Layer | Role::Drill | Role::Binary, _) => {
            Some("the core stands alone, and everything stands on it")
        }
        (Role::Layer | Role::Drill, Role::Binary, _) => Some("the binary depends on layers"),
        (Role::Layer | Role::Drill, Role::Layer | Role::Drill, _) => {
            Some("a layer is usable alone, so it depends on the core and on no sibling")
        }
    }
}

/// Reads the dependencies inside the workspace from what `cargo metadata` printed.
fn dependencies(metadata: &str) -> anyhow::Result<Vec<Dependency>> {
    let metadata: Value = serde_json::from_str(metadata)
        .context("cannot parse the output of `cargo metadata` (has its format changed?)")?;
    let packages = list(&metadata, "packages")?;
    let names: BTreeSet<&str> =
        packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut dependencies = Vec::new();
    for package in packages {
        let from = package["name"].as_str().context("a package has no name")?;
        for dependency in list(package, "dependencies")? {
            let to = dependency["name"].as_str().context("a dependency has no name")?;
            if !names.contains(to) || dependency["path"].is_null() {
                continue;
            }
            let kind = match dependency["kind"].as_str() {
                None => Kind::Normal,
                Some("build") => Kind::Build,
                Some(_) => Kind::Dev,
            };
            dependencies.push(Dependency { from: from.to_owned(), to: to.to_owned(), kind });
        }
    }
    Ok(dependencies)
}

fn list<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("`cargo metadata` told no list of {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The findings when `from` has one dependency, of this kind, on `to`.
    fn check(from: &str, kind: &str, to: &str) -> Vec<String> {
        let metadata = serde_json::json!({ "packages": [
            { "name": from, "dependencies": [
                { "name": to, "kind": (kind != "normal").then_some(kind), "path": "/w" },
                { "name": "serde", "kind": null },
            ] },
            { "name": to, "dependencies": [] },
        ] });
        let manifest = format!("[dependencies]\nserde = \"1\"\n{to}.workspace = true\n");
        let path = format!("crates/{from}/Cargo.toml");
        let repository = Repository::of(&[(&path, &manifest)]);
        let findings = dependencies_point_inwards(&metadata.to_string(), &repository).unwrap();
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn dependencies_towards_the_core_pass() {
        for (from, kind, to) in [
            ("sundown-web", "normal", "sundown"),
            ("sundown-web", "build", "sundown"),
            ("sundown-web", "dev", "sundown-drill"),
            ("sundown", "dev", "sundown-drill"),
            ("sundown-drill", "normal", "sundown"),
            ("sundown-cli", "normal", "sundown-web"),
            ("sundown-cli", "normal", "sundown-drill"),
            ("sundown-bench", "normal", "sundown-tasks"),
        ] {
            assert!(check(from, kind, to).is_empty(), "{from} {kind} {to}");
        }
    }

    #[test]
    fn dependencies_sideways_and_outwards_are_found() {
        for (from, kind, to) in [
            ("sundown-web", "normal", "sundown-tasks"),
            ("sundown-web", "build", "sundown-tasks"),
            ("sundown-web", "dev", "sundown-tasks"),
            ("sundown-web", "normal", "sundown-drill"),
            ("sundown-web", "dev", "sundown-cli"),
            ("sundown", "normal", "sundown-drill"),
            ("sundown", "dev", "sundown-web"),
            ("sundown-cli", "normal", "sundown-bench"),
            ("sundown-web", "dev", "sundown-bench"),
            ("sundown-cli", "build", "xtask"),
            ("sundown-drill", "normal", "sundown-web"),
        ] {
            let found = check(from, kind, to);
            assert_eq!(found.len(), 1, "{from} {kind} {to}");
            assert!(
                found[0].starts_with(&format!("crates/{from}/Cargo.toml:3: {from} ")),
                "{found:?}"
            );
        }
    }
}
