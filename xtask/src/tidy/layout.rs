//! The top level of the repository holds what was agreed, and nothing else.

use std::collections::BTreeSet;

use super::{Finding, Repository};

/// What a visitor finds first.
const REQUIRED: &[&str] = &["Cargo.toml", "README.md", "crates", "deploy", "docs", "xtask"];

/// What may stand beside it.
const ALLOWED: &[&str] = &[
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "SECURITY.md",
    "clippy.toml",
    "deny.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

/// A visitor understands the repository from its top level, so little stands there.
pub(super) fn top_level_is_as_agreed(repository: &Repository) -> Vec<Finding> {
    let top: BTreeSet<&str> =
        repository.names().filter_map(|name| name.split('/').next()).collect();
    let finding = |path: &str, what: &str, fix: String| Finding {
        path: path.to_owned(),
        line: 1,
        what: what.to_owned(),
        why: "a visitor understands the repository from its top level",
        fix,
    };
    let missing = REQUIRED
        .iter()
        .filter(|name| !top.contains(**name))
        .map(|name| finding(name, "missing at the top level", "write it".to_owned()));
    let agreed = |name: &str| {
        name.starts_with('.')
            || name.starts_with("LICENSE")
            || REQUIRED.contains(&name)
            || ALLOWED.contains(&name)
    };
    let folders = "move it under crates, xtask, deploy or docs, or have git ignore it";
    let strangers = top
        .iter()
        .filter(|name| !agreed(name))
        .map(|name| finding(name, "not agreed at the top level", folders.to_owned()));
    missing.chain(strangers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGREED: &[&str] = &[
        "Cargo.toml",
        "README.md",
        "crates/a/src/lib.rs",
        "deploy/Dockerfile",
        "docs/a.md",
        "xtask/src/main.rs",
    ];

    fn check(more: &[&str], without: &str) -> Vec<String> {
        let names = AGREED.iter().chain(more).filter(|name| **name != without);
        let files: Vec<_> = names.map(|name| (*name, "")).collect();
        let findings = top_level_is_as_agreed(&Repository::of(&files));
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_was_agreed_passes() {
        let more = [".ci/run", ".gitignore", "LICENSE-MIT", "Cargo.lock", "deploy/base/a.yaml"];
        assert!(check(&more, "").is_empty());
    }

    #[test]
    fn a_stranger_at_the_top_level_is_found() {
        for planted in ["scripts/run.sh", "notes.txt", "src/lib.rs"] {
            let found = check(&[planted], "");
            assert_eq!(found.len(), 1, "{planted}");
            assert!(found[0].contains(":1: not agreed at the top level; "), "{found:?}");
        }
    }

    #[test]
    fn what_is_missing_at_the_top_level_is_found() {
        let found = check(&[], "README.md");
        assert!(found[0].starts_with("README.md:1: missing at the top level; "), "{found:?}");
    }
}
