//! What the repository holds: the names of all files, and the text of those the rules read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::step::Step;

/// Files the rules read, by the end of their name.
const READ: &[&str] = &[".rs", ".md", ".toml", ".sh", ".yml", ".yaml", ".ci/run"];

/// A file that the rules read.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

impl File {
    pub(super) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether it is Rust source.
    pub(super) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Whether it is a page of text.
    pub(super) fn is_markdown(&self) -> bool {
        self.path.ends_with(".md")
    }
}

/// Everything git would put into a commit: tracked, or new and not ignored.
#[derive(Debug)]
pub(super) struct Repository {
    names: BTreeSet<String>,
    files: BTreeMap<String, File>,
}

impl Repository {
    pub(super) fn read(root: &Path) -> anyhow::Result<Self> {
        let list = "ls-files -z --cached --others --exclude-standard";
        let listed = Step::git("files", list).read()?;
        // A file deleted but not committed yet is listed too.
        let there = |path: &&str| !path.is_empty() && root.join(path).is_file();
        let names: BTreeSet<String> = listed.split('\0').filter(there).map(str::to_owned).collect();
        let mut files = BTreeMap::new();
        for path in names.iter().filter(|path| READ.iter().any(|end| path.ends_with(end))) {
            let text = fs::read_to_string(root.join(path))
                .with_context(|| format!("cannot read {path} (is it UTF-8?)"))?;
            files.insert(path.clone(), File::new(path, &text));
        }
        Ok(Self { names, files })
    }

    /// The files the rules read.
    pub(super) fn files(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    /// One file the rules read.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// The paths of all files.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// Whether the path is a file, or a folder with a file in it.
    pub(super) fn holds(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.names.contains(path)
            || self
                .names
                .range(folder.clone()..)
                .next()
                .is_some_and(|next| next.starts_with(&folder))
    }

    /// A repository of these files, for tests.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let names = files.iter().map(|(path, _)| (*path).to_owned()).collect();
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), File::new(path, text)));
        Self { names, files: files.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_if_a_file_is_in_it() {
        let repository = Repository::of(&[("docs/guide/first.md", ""), ("docs/guided.md", "")]);
        for held in ["docs", "docs/guide", "docs/guide/first.md", "docs/guided.md", ""] {
            assert!(repository.holds(held), "{held}");
        }
        for absent in ["doc", "docs/guid", "docs/first.md"] {
            assert!(!repository.holds(absent), "{absent}");
        }
    }
}
