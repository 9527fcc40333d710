//! `tidy`: the rules of the house, each with its reason, checked over the whole repository.

mod code;
mod dependencies;
mod layers;
mod layout;
mod links;
mod metrics;
mod repository;
mod source;

use std::fmt;
use std::path::Path;

use anyhow::bail;
use repository::{File, Repository};

use crate::step::Step;

/// A rule over one file.
type FileRule = fn(&File) -> Vec<Finding>;

const FILE_RULES: &[FileRule] = &[
    source::begins_with_a_sentence,
    source::is_not_too_long,
    source::is_finished,
    source::names_modules_after_things,
    source::names_the_trait,
];

/// A rule over what the repository holds.
type RepositoryRule = fn(&Repository) -> Vec<Finding>;

const REPOSITORY_RULES: &[RepositoryRule] = &[
    layout::top_level_is_as_agreed,
    links::links_resolve,
    metrics::metrics_are_documented,
    dependencies::dependencies_are_decided,
];

/// An offence against a rule.
#[derive(Debug)]
struct Finding {
    path: String,
    line: usize,
    what: String,
    why: &'static str,
    fix: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, what, why, fix } = self;
        write!(f, "{path}:{line}: {what}; {why}; {fix}")
    }
}

/// Checks every rule and prints every offence.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let repository = Repository::read(root)?;
    let mut findings: Vec<Finding> = repository
        .files()
        .flat_map(|file| FILE_RULES.iter().flat_map(move |rule| rule(file)))
        .chain(REPOSITORY_RULES.iter().flat_map(|rule| rule(&repository)))
        .collect();
    let metadata = "metadata --no-deps --locked --format-version 1";
    let metadata = Step::cargo("metadata", metadata).read()?;
    findings.extend(layers::dependencies_point_inwards(&metadata, &repository)?);
    // Without a package named, cargo means the default members: the product.
    let tree = Step::cargo("tree", "tree --duplicates --edges normal --locked").read()?;
    findings.extend(dependencies::no_version_comes_twice(&tree));

    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    for finding in &findings {
        println!("{finding}");
    }
    let files = repository.files().count();
    match findings.len() {
        0 => println!("tidy: nothing to mend in {files} files"),
        1 => bail!("1 thing to mend, named above"),
        count => bail!("{count} things to mend, named above"),
    }
    Ok(())
}

/// For the rules' tests: the offences of one rule in one file, as lines that a person reads.
#[cfg(test)]
fn check(rule: FileRule, path: &str, text: &str) -> Vec<String> {
    rule(&File::new(path, text)).iter().map(ToString::to_string).collect()
}
