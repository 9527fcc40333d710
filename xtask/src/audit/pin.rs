//! From a checkout of the advisory database to the facts that are pinned: no sentence of it is copied.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use toml::de::{DeTable, DeValue};

use super::advisories::{Advisories, Advisory};
use crate::step::Step;

pub(super) fn read(checkout: &Path) -> anyhow::Result<Advisories> {
    let words = ["-C", &checkout.display().to_string(), "log", "-1", "--format=%H %cs"];
    let head = Step::tool("commit", "git", words.map(str::to_owned)).read()?;
    let (commit, date) = head.trim().split_once(' ').context("git tells no commit and date")?;
    let mut list = Vec::new();
    for folder in entries(&checkout.join("crates"))? {
        for file in entries(&folder)? {
            let text = fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            let read = advisory(&text).with_context(|| format!("in {}", file.display()))?;
            list.extend(read);
        }
    }
    if list.is_empty() {
        bail!("there is no advisory under {}/crates", checkout.display());
    }
    list.sort();
    Ok(Advisories { commit: commit.to_owned(), date: date.to_owned(), list })
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let cannot = || format!("cannot list {}", folder.display());
    let entries = fs::read_dir(folder).with_context(cannot)?;
    entries.map(|entry| Ok(entry.with_context(cannot)?.path())).collect()
}

/// The advisory in a file; none if it was withdrawn.
fn advisory(text: &str) -> anyhow::Result<Option<Advisory>> {
    let front = text.split_once("```toml").and_then(|(_, rest)| rest.split_once("```"));
    let (front, _) = front.context("it has no TOML in front")?;
    let table = DeTable::parse(front)?;
    let section = |name: &str| match table.get_ref().get(name).map(toml::Spanned::get_ref) {
        Some(DeValue::Table(section)) => Some(section),
        Some(_) | None => None,
    };
    let about = section("advisory").context("it has no section `advisory`")?;
    if about.get("withdrawn").is_some() {
        return Ok(None);
    }
    let text = |key: &str| about.get(key).and_then(|value| value.get_ref().as_str());
    let versions = |key: &str| -> String {
        let listed = section("versions").and_then(|versions| versions.get(key));
        let Some(DeValue::Array(listed)) = listed.map(toml::Spanned::get_ref) else {
            return String::new();
        };
        let listed: Vec<&str> =
            listed.iter().filter_map(|value| value.get_ref().as_str()).collect();
        listed.join("|")
    };
    Ok(Some(Advisory {
        id: text("id").context("it has no id")?.to_owned(),
        package: text("package").context("it names no package")?.to_owned(),
        kind: text("informational").unwrap_or("vulnerability").to_owned(),
        patched: versions("patched"),
        unaffected: versions("unaffected"),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_facts_are_taken_and_what_was_withdrawn_is_not() {
        let front = "[advisory]\nid = \"RUSTSEC-1\"\npackage = \"a\"\ndate = \"2020-01-01\"\n";
        let file = |more: &str| {
            format!(
                "```toml\n{front}{more}[versions]\npatched = [\">= 1.2\", \"^0.3\"]\n```\n# Title\n"
            )
        };
        let read = advisory(&file("informational = \"unsound\"\n")).unwrap().unwrap();
        assert_eq!(
            (&*read.kind, &*read.patched, &*read.unaffected),
            ("unsound", ">= 1.2|^0.3", "")
        );
        assert_eq!(advisory(&file("")).unwrap().unwrap().kind, "vulnerability");
        assert_eq!(advisory(&file("withdrawn = \"2021-01-01\"\n")).unwrap(), None);
        assert!(advisory("# no front").is_err());
    }
}
