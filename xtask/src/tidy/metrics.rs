//! Every metric stands in the operators' page, and every metric of that page is told.

use std::collections::BTreeMap;

use super::{Finding, Repository};

/// Where operators look.
const PAGE: &str = "docs/operations.md";

/// How names of metrics begin: ours, and those of the seeds and of Prometheus' own habit.
const BEGINNINGS: [&str; 5] = ["sundown_", "application_", "graceful_", "active_", "process_"];

/// What an operator cannot find does not exist, and what does not exist must not be looked for.
pub(super) fn metrics_are_documented(repository: &Repository) -> Vec<Finding> {
    let told = told(repository);
    let documented = documented(repository);
    let finding = |(path, line): &(String, usize), what: String, fix: &str| Finding {
        path: path.clone(),
        line: *line,
        what,
        why: "operators know of a metric what stands in docs/operations.md",
        fix: fix.to_owned(),
    };
    let missing =
        told.iter().filter(|(name, _)| !documented.contains_key(*name)).map(|(name, at)| {
            finding(at, format!("{name} is not documented"), "give it a line in docs/operations.md")
        });
    let untold = documented.iter().filter(|(name, _)| !told.contains_key(*name));
    let untold = untold
        .map(|(name, at)| finding(at, format!("nobody tells {name}"), "take it out of the table"));
    missing.chain(untold).collect()
}

type Places = BTreeMap<String, (String, usize)>;

/// Names in the modules of metrics, as constants or in a table.
fn told(repository: &Repository) -> Places {
    let is_module = |path: &str| {
        path.starts_with("crates/")
            && path.contains("/src/")
            && (path.ends_with("/metrics.rs") || path.ends_with("/names.rs"))
    };
    let mut places = Places::new();
    for file in repository.files().filter(|file| is_module(&file.path)) {
        for (index, line) in file.text.lines().enumerate() {
            for name in line.split('"').skip(1).step_by(2).filter(|text| is_name(text)) {
                places.entry(name.to_owned()).or_insert((file.path.clone(), index + 1));
            }
        }
    }
    places
}

/// Names in the first cells of the page's tables.
fn documented(repository: &Repository) -> Places {
    let Some(page) = repository.file(PAGE) else { return Places::new() };
    let cells = page.text.lines().enumerate().filter_map(|(index, line)| {
        let (cell, _) = line.strip_prefix("| `")?.split_once(" |")?;
        Some((index, cell))
    });
    let names = cells.flat_map(|(index, cell)| {
        cell.split('`').filter(|text| is_name(text)).map(move |name| (name, index))
    });
    names.map(|(name, index)| (name.to_owned(), (PAGE.to_owned(), index + 1))).collect()
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    BEGINNINGS.iter().any(|beginning| text.starts_with(beginning)) && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(source: &str, page: &str) -> Vec<String> {
        let files = [("crates/a/src/metrics.rs", source), (PAGE, page)];
        metrics_are_documented(&Repository::of(&files)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_told_and_written_down_passes() {
        let source = "const A: &str = \"sundown_a_total\";\nconst WHY: &str = \"sundown is down\";";
        let page = "| metric | type |\n|---|---|\n| `sundown_a_total` | counter |\n| `other` | – |";
        assert!(check(source, page).is_empty());
    }

    #[test]
    fn one_without_the_other_is_found() {
        let found = check("const A: &str = \"sundown_a_total\";", "| `process_b` | gauge |");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("crates/a/src/metrics.rs:1: sundown_a_total is not doc"));
        assert!(
            found[1].starts_with("docs/operations.md:1: nobody tells process_b; "),
            "{found:?}"
        );
    }
}
