//! The pinned advisories: which versions of which package each one concerns.

use std::fmt;

use anyhow::{Context as _, bail};
use semver::VersionReq;

use super::lock::Package;

/// What stands before the commit and the date in the first line.
const HEAD: &str = "# Facts of RustSec's advisory-db, commit ";

/// What is known, and from when.
#[derive(Debug, Default)]
pub(super) struct Advisories {
    pub(super) commit: String,
    pub(super) date: String,
    pub(super) list: Vec<Advisory>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Advisory {
    pub(super) id: String,
    pub(super) package: String,
    /// `vulnerability`, `unsound`, `unmaintained` or `notice`.
    pub(super) kind: String,
    /// Requirements of versions, with `|` between them: those that are mended, and those that never had it.
    pub(super) patched: String,
    pub(super) unaffected: String,
}

impl Advisories {
    /// Reads what [`to_string`](ToString::to_string) wrote.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let mut lines = text.lines();
        let head = lines.next().and_then(|line| line.strip_prefix(HEAD)?.split_once(", "));
        let (commit, date) =
            head.with_context(|| format!("the first line is not `{HEAD}…, DATE`"))?;
        let mut list = Vec::new();
        for line in lines.filter(|line| !line.starts_with('#')) {
            let fields: Vec<&str> = line.split('\t').collect();
            let [id, package, kind, patched, unaffected] = fields[..] else {
                bail!("an advisory has five fields, not {}: {line}", fields.len());
            };
            let [id, package, kind, patched, unaffected] =
                [id, package, kind, patched, unaffected].map(str::to_owned);
            let advisory = Advisory { id, package, kind, patched, unaffected };
            for requirements in [&advisory.patched, &advisory.unaffected] {
                parsed(requirements).with_context(|| advisory.id.clone())?;
            }
            list.push(advisory);
        }
        Ok(Advisories { commit: commit.to_owned(), date: date.to_owned(), list })
    }

    /// The packages that an advisory concerns, each with it.
    pub(super) fn concerning<'a>(
        &'a self,
        packages: &'a [Package],
    ) -> Vec<(&'a Package, &'a Advisory)> {
        let pairs = packages.iter().flat_map(|package| {
            let ours = self.list.iter().filter(|advisory| advisory.package == package.name);
            ours.map(move |advisory| (package, advisory))
        });
        pairs.filter(|(package, advisory)| advisory.concerns(package)).collect()
    }
}

impl Advisory {
    fn concerns(&self, package: &Package) -> bool {
        ![&self.patched, &self.unaffected].into_iter().any(|requirements| {
            let requirements = parsed(requirements).expect("it was read when the file was");
            requirements.iter().any(|requirement| requirement.matches(&package.version))
        })
    }
}

fn parsed(requirements: &str) -> anyhow::Result<Vec<VersionReq>> {
    let requirements = requirements.split('|').filter(|requirement| !requirement.is_empty());
    requirements
        .map(|requirement| {
            requirement.parse().with_context(|| format!("`{requirement}` is no requirement"))
        })
        .collect()
}

impl fmt::Display for Advisories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}{}, {}", self.commit, self.date)?;
        writeln!(
            f,
            "# id\tpackage\tkind\tpatched\tunaffected; written by `cargo xtask audit pin`"
        )?;
        self.list.iter().try_for_each(|Advisory { id, package, kind, patched, unaffected }| {
            writeln!(f, "{id}\t{package}\t{kind}\t{patched}\t{unaffected}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Facts of RustSec's advisory-db, commit abc, 2026-08-21\n\
        RUSTSEC-1\th2\tvulnerability\t>= 0.4.16\t< 0.2\n\
        RUSTSEC-2\told\tunmaintained\t\t\n\
        RUSTSEC-3\trand\tunsound\t>= 0.10.1|< 0.10.0, >= 0.9.3\t\n";

    #[test]
    fn only_versions_that_are_neither_mended_nor_unaffected_are_concerned() {
        let advisories = Advisories::parse(TEXT).unwrap();
        for (name, version, expected) in [
            ("h2", "0.3.27", Some("RUSTSEC-1")),
            ("h2", "0.4.16", None),
            ("h2", "0.1.9", None),
            ("h3", "0.3.27", None),
            ("old", "9.0.0", Some("RUSTSEC-2")),
            ("rand", "0.9.2", Some("RUSTSEC-3")),
            ("rand", "0.9.3", None),
            ("rand", "0.10.0", Some("RUSTSEC-3")),
        ] {
            let package = Package { name: name.to_owned(), version: version.parse().unwrap() };
            let packages = [package];
            let found = advisories.concerning(&packages);
            let id = found.first().map(|(_, advisory)| advisory.id.as_str());
            assert_eq!(id, expected, "{name} {version}");
        }
    }

    #[test]
    fn what_is_written_is_read_and_what_is_cut_is_refused() {
        let advisories = Advisories::parse(TEXT).unwrap();
        let again = Advisories::parse(&advisories.to_string()).unwrap();
        assert_eq!((again.list, again.date), (advisories.list, "2026-08-21".to_owned()));
        for broken in
            ["", "RUSTSEC-1\th2\n", &TEXT.replace("\t< 0.2", ""), &TEXT.replace("0.2", "x")]
        {
            assert!(Advisories::parse(broken).is_err(), "{broken}");
        }
    }
}
