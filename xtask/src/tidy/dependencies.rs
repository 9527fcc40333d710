//! Foreign crates: each is a decision that was written down, and none is built in two versions.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Repository};

/// Where the reason for each dependency stands.
const DECISIONS: &str = "docs/decisions.md";

/// Crates that may come in two versions, each with the reason. Best empty.
const TWICE: &[(&str, &str)] = &[
    ("base64", "ureq is on 0.23, the PostgreSQL protocol still on 0.22"),
    ("fallible-iterator", "rusqlite is on 0.3, the PostgreSQL protocol still on 0.2"),
    ("getrandom", "comes with both versions of rand"),
    ("http", "actix is on 0.2, and ureq like the rest of the world on 1"),
    ("rand", "actix-http's websockets are on 0.10, the Prometheus exporter is still on 0.9"),
    ("rand_core", "comes with both versions of rand"),
    ("syn", "built only: serde's derive is on 3, the derives that actix uses are still on 2"),
];

/// A dependency is a promise of others that we pass on: why it, instead of what, is written down.
pub(super) fn dependencies_are_decided(repository: &Repository) -> Vec<Finding> {
    let manifest = repository.file("Cargo.toml").map_or("", |file| file.text.as_str());
    let decisions = repository.file(DECISIONS).map_or("", |file| file.text.as_str());
    direct_dependencies(manifest)
        .filter(|(_, name)| !decisions.lines().any(|line| names(line, name)))
        .map(|(line, name)| Finding {
            path: "Cargo.toml".to_owned(),
            line,
            what: format!("no line of {DECISIONS} names the dependency `{name}`"),
            why: "a dependency is a decision, and its reason must be found later",
            fix: format!("write there why {name}, instead of what"),
        })
        .collect()
}

/// The foreign crates in `[workspace.dependencies]`, with their lines.
fn direct_dependencies(manifest: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(manifest.lines())
        .skip_while(|(_, line)| line.trim() != "[workspace.dependencies]")
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('['))
        .filter(|(_, line)| !line.contains("path ="))
        .filter_map(|(number, line)| Some((number, line.split_once('=')?.0)))
        .map(|(number, key)| (number, key.split('.').next().unwrap_or(key).trim()))
        .filter(|(_, name)| !name.starts_with('#'))
}

/// Whether the line holds the name as a word; `-` and `_` belong to words here.
fn names(line: &str, name: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '-' && c != '_').any(|word| word == name)
}

/// A crate in two versions is built twice and shipped twice, and their types do not fit together.
pub(super) fn no_version_comes_twice(tree: &str) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    // The lines that are not indented name the duplicates; those below say who wants them.
    for line in tree.lines() {
        let mut words = line.split(' ');
        if let (Some(name), Some(version)) = (words.next(), words.next())
            && version.starts_with('v')
        {
            versions.entry(name).or_default().insert(version);
        }
    }
    versions
        .into_iter()
        .filter(|(name, versions)| {
            versions.len() > 1 && !TWICE.iter().any(|(allowed, _)| allowed == name)
        })
        .map(|(name, versions)| {
            let versions: Vec<_> = versions.into_iter().collect();
            Finding {
                path: "Cargo.lock".to_owned(),
                line: 1,
                what: format!("{name} comes as {}", versions.join(" and ")),
                why: "it is built and shipped twice, and the types of one do not fit the other",
                fix: format!("align who wants it: `cargo tree --edges normal --invert {name}`"),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = "[workspace]\nresolver = \"3\"\n\n[workspace.dependencies]\n\
        # A comment = none.\nmetrics = \"0.24\"\nrustix = { version = \"1\" }\n\
        sundown = { path = \"crates/sundown\" }\n\n[profile.dev]\ndebug = 1\n";

    fn check(decisions: &str) -> Vec<String> {
        let repository = Repository::of(&[("Cargo.toml", MANIFEST), (DECISIONS, decisions)]);
        dependencies_are_decided(&repository).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_dependency_that_was_never_decided_is_found() {
        let found = check("| `metrics` | the facade |\n| metrics-exporter, not rustix-x |\n");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("Cargo.toml:7: no line of docs/decisions.md names"));
        assert!(found[0].contains("`rustix`"));
        assert_eq!(check("").len(), 2);
    }

    #[test]
    fn decided_dependencies_pass() {
        assert!(check("- **metrics**: the facade.\n- rustix: safe system calls.\n").is_empty());
    }

    #[test]
    fn a_crate_in_two_versions_is_found() {
        let tree = "nys v2.0.1\n└── a v1.0.0\n\nnys v3.0.9\n└── b v1.0.0\n";
        let found: Vec<_> = no_version_comes_twice(tree).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("nys comes as v2.0.1 and v3.0.9"), "{found:?}");
    }

    #[test]
    fn one_version_with_two_sets_of_features_passes() {
        let tree = "serde v1.0.2\n└── a v1.0.0\n\nserde v1.0.2\n└── b v1.0.0\n";
        assert!(no_version_comes_twice(tree).is_empty());
        assert!(no_version_comes_twice("").is_empty());
    }
}
