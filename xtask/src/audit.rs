//! `audit`: known vulnerabilities in what every lock file names. Offline against the advisories that are
//! pinned in this repository, and against the newest ones where cargo-deny is there and reaches them.

mod advisories;
mod answers;
mod lock;
mod pin;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use self::advisories::{Advisories, Advisory};
use self::answers::Answers;
use self::lock::Package;
use crate::step::Step;

/// Where the pinned advisories stand.
const PINNED: &str = "xtask/advisories.tsv";

/// Checks offline, and then with cargo-deny if that can be done; says which of both it did.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    println!("{}", offline(root)?);
    if Step::cargo("cargo-deny", "deny --version").read().is_err() {
        println!("audit: NOT RUN: cargo-deny, with the newest advisories (it is not installed)");
        return Ok(());
    }
    Step::cargo("licences", "deny --locked check licenses bans sources").run()?;
    let fetched = Step::cargo("advisories", "deny --locked fetch db").run();
    if let Err(error) = fetched {
        println!("audit: NOT RUN: the newest advisories: {error:#}");
        return Ok(());
    }
    Step::cargo("advisories", "deny --locked check --disable-fetch advisories").run()
}

/// Writes the pinned advisories anew from a checkout of the advisory database.
pub(crate) fn pin(root: &Path, checkout: &str) -> anyhow::Result<()> {
    let advisories = pin::read(Path::new(checkout))?;
    let file = root.join(PINNED);
    fs::write(&file, advisories.to_string()).with_context(|| format!("cannot write {PINNED}"))?;
    println!("{PINNED}: {} advisories of {}", advisories.list.len(), advisories.date);
    Ok(())
}

/// Checks every lock file against the pinned advisories; answers what was checked against what.
pub(crate) fn offline(root: &Path) -> anyhow::Result<String> {
    let pinned = fs::read_to_string(root.join(PINNED))
        .with_context(|| format!("cannot read {PINNED} (`cargo xtask audit pin DIR` writes it)"))?;
    let advisories = Advisories::parse(&pinned)?;
    let (mut findings, mut packages, mut files) = (Vec::new(), BTreeSet::new(), 0);
    for (answers, locks) in lock_files(root)? {
        let mut met = BTreeSet::new();
        for lock in locks {
            let named = lock::read(root, &lock)?;
            for (package, advisory) in advisories.concerning(&named) {
                met.insert(advisory.id.clone());
                if !answers.has(&advisory.id) {
                    findings.push(finding(&lock, package, advisory, &answers));
                }
            }
            packages.extend(named);
            files += 1;
        }
        findings.extend(answers.without_question(&met));
    }
    if files == 0 || packages.is_empty() {
        bail!("no lock file of this repository was found, so nothing was checked");
    }
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("{} to answer, named above", findings.len());
    }
    Ok(format!(
        "audit: {} packages of {files} lock files have no unanswered advisory among the {} of RustSec as of \
         {} (offline, commit {})",
        packages.len(),
        advisories.list.len(),
        advisories.date,
        advisories.commit,
    ))
}

fn finding(lock: &str, package: &Package, advisory: &Advisory, answers: &Answers) -> String {
    let Package { name, version } = package;
    let Advisory { id, kind, patched, .. } = advisory;
    let mend = if patched.is_empty() { "there is no mended version" } else { patched };
    format!(
        "{lock}: {id} ({kind}) concerns {name} {version}; mended in: {mend}; update it, or say in {} why it \
         does no harm",
        answers.path
    )
}

/// Every lock file of the repository, with the answers of the nearest `deny.toml` above it.
fn lock_files(root: &Path) -> anyhow::Result<Vec<(Answers, Vec<String>)>> {
    let words = "ls-files --full-name --cached --others --exclude-standard :/*Cargo.lock";
    let listed = Step::git("lock files", words);
    let mut groups: Vec<(PathBuf, Vec<String>)> = Vec::new();
    for lock in listed.read()?.lines().filter(|lock| root.join(lock).is_file()) {
        let above = Path::new(lock).ancestors().skip(1).map(|folder| folder.join("deny.toml"));
        let nearest = above.into_iter().find(|path| root.join(path).is_file());
        let nearest = nearest.with_context(|| format!("no deny.toml stands above {lock}"))?;
        match groups.iter_mut().find(|(path, _)| *path == nearest) {
            Some((_, locks)) => locks.push(lock.to_owned()),
            None => groups.push((nearest, vec![lock.to_owned()])),
        }
    }
    groups.into_iter().map(|(path, locks)| Ok((Answers::read(root, &path)?, locks))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    #[test]
    fn the_repository_says_what_it_was_checked_against() {
        let told = offline(&root()).unwrap();
        assert!(told.contains(" of RustSec as of 20") && told.contains("offline"), "{told}");
        assert!(!told.contains(" 0 packages") && !told.contains(" 0 lock files"), "{told}");
    }

    #[test]
    fn h2_is_concerned_and_answered_wherever_it_is_locked() {
        let pinned = fs::read_to_string(root().join(PINNED)).unwrap();
        let advisories = Advisories::parse(&pinned).unwrap();
        let product = lock::read(&root(), "Cargo.lock").unwrap();
        let concerned = advisories.concerning(&product);
        let h2 = concerned.iter().find(|(_, advisory)| advisory.id == "RUSTSEC-2026-0258");
        assert_eq!(h2.map(|(package, _)| package.name.as_str()), Some("h2"));
        let groups = lock_files(&root()).unwrap();
        let (answers, _) =
            groups.iter().find(|(_, locks)| locks.iter().any(|lock| lock == "Cargo.lock")).unwrap();
        assert!(answers.has("RUSTSEC-2026-0258"));
    }
}
