//! What a lock file names: the packages of registries, which advisories are about.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use semver::Version;
use toml::de::{DeTable, DeValue};

/// A package of a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: Version,
}

pub(super) fn read(root: &Path, path: &str) -> anyhow::Result<Vec<Package>> {
    let text =
        fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))?;
    parse(&text).with_context(|| format!("cannot understand {path}"))
}

fn parse(text: &str) -> anyhow::Result<Vec<Package>> {
    let table = DeTable::parse(text)?;
    let listed = table.get_ref().get("package").map(toml::Spanned::get_ref);
    let Some(DeValue::Array(listed)) = listed else { bail!("there is no list of packages") };
    let mut packages = Vec::new();
    for package in listed {
        let DeValue::Table(package) = package.get_ref() else { bail!("a package is a table") };
        let text = |key: &str| package.get(key).and_then(|value| value.get_ref().as_str());
        // What has no source stands in this repository.
        if text("source").is_none() {
            continue;
        }
        let name = text("name").context("a package has no name")?.to_owned();
        let version = text("version").context("a package has no version")?;
        let version = version.parse().with_context(|| format!("{name} {version}"))?;
        packages.push(Package { name, version });
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_this_repository_are_left_out() {
        let text = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.2.3\"\nsource = \"registry\"\n\
                    [[package]]\nname = \"sundown\"\nversion = \"0.1.0\"\n";
        let packages = parse(text).unwrap();
        assert_eq!(packages, [Package { name: "a".to_owned(), version: Version::new(1, 2, 3) }]);
        for broken in ["", "package = 1", "[[package]]\nsource = \"x\"\n"] {
            assert!(parse(broken).is_err(), "{broken}");
        }
    }
}
