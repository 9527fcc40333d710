//! Every relative link in a page leads to a file, and every anchor to a heading.

use super::{File, Finding, Repository};

/// A link in a page.
#[derive(Debug, PartialEq)]
struct Link {
    line: usize,
    target: String,
}

/// A reader who follows a link that leads nowhere does not follow the next one.
pub(super) fn links_resolve(repository: &Repository) -> Vec<Finding> {
    let pages = repository.files().filter(|file| file.is_markdown());
    pages.flat_map(|page| broken_links(page, repository)).collect()
}

fn broken_links(page: &File, repository: &Repository) -> Vec<Finding> {
    links(&page.text)
        .into_iter()
        .filter(|link| !is_elsewhere(&link.target))
        .filter_map(|link| {
            let what = fault(page, &link.target, repository)?;
            Some(Finding {
                path: page.path.clone(),
                line: link.line,
                what: format!("the link `{}` leads nowhere: {what}", link.target),
                why: "readers do not follow the link after a broken one",
                fix: "mend the path (relative to this page) or the anchor".to_owned(),
            })
        })
        .collect()
}

/// Links with a scheme lead out of the repository; nothing here asks the network.
fn is_elsewhere(target: &str) -> bool {
    target.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
    })
}

/// What is wrong with a relative link.
fn fault(page: &File, target: &str, repository: &Repository) -> Option<String> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { Some(page.path.clone()) } else { resolve(&page.path, path) };
    let Some(path) = path else { return Some("it leaves the repository".to_owned()) };
    if !repository.holds(&path) {
        return Some(format!("there is no {path}"));
    }
    let file = repository.file(&path).filter(|file| file.is_markdown())?;
    let known = anchor.is_empty() || anchors(&file.text).iter().any(|known| known == anchor);
    (!known).then(|| format!("{path} has no heading #{anchor}"))
}

/// A path relative to a page, seen from the repository's root.
fn resolve(page: &str, target: &str) -> Option<String> {
    let folder = page.rsplit_once('/').map_or("", |(folder, _)| folder);
    let from_root = target.starts_with('/');
    let mut parts: Vec<&str> = if from_root {
        Vec::new()
    } else {
        folder.split('/').filter(|part| !part.is_empty()).collect()
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The links of a page: `[text](target)`, `[name]: target`, `href="target"`, `src="target"`.
fn links(text: &str) -> Vec<Link> {
    let mut links = Vec::new();
    for (line, content) in prose(text) {
        let content: String = content.split('`').step_by(2).collect();
        for (start, end) in [("](", ')'), ("href=\"", '"'), ("src=\"", '"')] {
            for (_, rest) in
                content.match_indices(start).map(|(at, _)| content.split_at(at + start.len()))
            {
                let target = rest.split(end).next().unwrap_or(rest);
                // A title may follow the target.
                let target =
                    target.split_whitespace().next().unwrap_or("").trim_matches(['<', '>']);
                links.push(Link { line, target: target.to_owned() });
            }
        }
        let definition = content.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        if let Some(target) = definition.and_then(|(_, rest)| rest.split_whitespace().next()) {
            links.push(Link { line, target: target.to_owned() });
        }
    }
    links
}

/// The lines of a page outside its fenced code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fence = None;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (fence, mark) {
            (None, Some(mark)) => fence = Some(mark),
            (Some(open), Some(mark)) if open == mark => fence = None,
            (None, None) => return true,
            (Some(_), _) => {}
        }
        false
    })
}

/// The anchors of a page, made from its headings as GitHub makes them.
fn anchors(text: &str) -> Vec<String> {
    let mut anchors: Vec<String> = Vec::new();
    for (_, line) in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let slug = slug(heading);
        let again = (1..).map(|count| format!("{slug}-{count}"));
        let mut candidates = std::iter::once(slug.clone()).chain(again);
        anchors.extend(candidates.find(|candidate| !anchors.contains(candidate)));
    }
    anchors
}

fn slug(heading: &str) -> String {
    let mut text = heading.trim().to_lowercase();
    // Of a link, the reader sees the text alone.
    while let Some((before, rest)) = text.split_once("](") {
        let after = rest.split_once(')').map_or("", |(_, after)| after);
        text = before.to_owned() + after;
    }
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(page: &str) -> Vec<String> {
        let guide = "# The guide\n## What stops, and when?\n## Twice\n## Twice\n```\n# code\n```\n";
        let repository = Repository::of(&[
            ("docs/page.md", page),
            ("docs/guide/first.md", guide),
            ("README.md", "# Sundown\n"),
            ("crates/sundown/src/lib.rs", ""),
        ]);
        links_resolve(&repository).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        for clean in [
            "[a](guide/first.md)",
            "[a](./guide/first.md#what-stops-and-when \"title\")",
            "[a](guide/first.md#twice-1)",
            "[a](../README.md#sundown), [b](../crates/sundown), [c](/README.md)",
            "# Here\n[a](#here)",
            "[a](https://example.org/x), [b](mailto:a@example.org)",
            "```\n[a](none.md)\n```\nand `[a](none.md)`",
            "![a](guide/first.md)\n[b]: guide/first.md\n<img src=\"guide/first.md\">",
        ] {
            assert_eq!(check(clean), [""; 0], "{clean}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_found() {
        for (planted, fault) in [
            ("\n[a](none.md)", "there is no docs/none.md"),
            ("\n[a](guide/first.md#none)", "docs/guide/first.md has no heading #none"),
            ("\n[a](guide/first.md#code)", "no heading #code"),
            ("\n[a](guide/first.md#twice-2)", "no heading #twice-2"),
            ("\n[a](#none)", "docs/page.md has no heading #none"),
            ("\n[a](../../x.md)", "it leaves the repository"),
            ("\n[a]: none.md", "there is no docs/none.md"),
            ("\n<img src=\"none.png\">", "there is no docs/none.png"),
        ] {
            let found = check(planted);
            assert_eq!(found.len(), 1, "{planted}");
            assert!(found[0].starts_with("docs/page.md:2: the link"), "{found:?}");
            assert!(found[0].contains(fault), "{found:?}");
        }
    }
}
