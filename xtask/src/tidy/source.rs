//! The rules over one file of source.

use super::code::{code_only, lines_with_word, without_tests};
use super::layers::Role;
use super::{File, Finding};

/// Files end here at the latest; 100–250 lines are the aim.
const LONGEST: usize = 400;

/// Module names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc"];

/// Words for work left over. In two halves, so that this list is none.
const LEFT_OVER: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

/// Code for work left over, and tests that nobody runs.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "#[ignore"];

/// Every file says in a sentence what lives in it, so that a reader knows where to look.
pub(super) fn begins_with_a_sentence(file: &File) -> Vec<Finding> {
    if !file.is_rust() {
        return Vec::new();
    }
    let header: Vec<_> = file
        .text
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    if header.join(" ").contains(' ') && header.join(" ").ends_with(['.', '?', '!', ':']) {
        return Vec::new();
    }
    vec![Finding {
        path: file.path.clone(),
        line: 1,
        what: "does not begin with a sentence".to_owned(),
        why: "a reader must know what lives here before reading it",
        fix: "begin with `//! What lives here.`".to_owned(),
    }]
}

/// A long file holds more than one thing.
pub(super) fn is_not_too_long(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().count();
    if !file.is_rust() || lines <= LONGEST {
        return Vec::new();
    }
    vec![Finding {
        path: file.path.clone(),
        line: LONGEST + 1,
        what: format!("{lines} lines, {LONGEST} at most"),
        why: "a long file holds more than one thing",
        fix: "give one of them a module of its own (100 to 250 lines are the aim)".to_owned(),
    }]
}

/// What is committed is finished: a note to oneself is read by everybody and done by nobody, and
/// an ignored test promises what nobody checks.
pub(super) fn is_finished(file: &File) -> Vec<Finding> {
    let text = if file.is_markdown() { without_spans(&file.text) } else { file.text.clone() };
    let code = if file.is_rust() { code_only(&file.text) } else { String::new() };
    let words = LEFT_OVER.iter().map(|word| (&text, *word));
    let code = UNFINISHED.iter().map(|word| (&code, *word));
    words
        .chain(code)
        .flat_map(|(text, word)| lines_with_word(text, word).map(move |line| (line, word)))
        .map(|(line, word)| Finding {
            path: file.path.clone(),
            line,
            what: format!("`{word}`"),
            why: "what is committed is finished, and every test runs",
            fix: "do it now, or write it into docs/decisions.md as not done, and why".to_owned(),
        })
        .collect()
}

/// Text in backticks names a word and does not mean it.
fn without_spans(text: &str) -> String {
    let keep = |line: &str| line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    text.lines().map(keep).collect::<Vec<_>>().join("\n")
}

/// A module is named after the thing it holds; where anything fits, anything goes.
pub(super) fn names_modules_after_things(file: &File) -> Vec<Finding> {
    if !file.is_rust() {
        return Vec::new();
    }
    let finding = |line, name: &str| Finding {
        path: file.path.clone(),
        line,
        what: format!("a module called `{name}`"),
        why: "a module is a noun: where anything fits, anything goes",
        fix: "name it after the thing it holds, or move each thing to its user".to_owned(),
    };
    let folders = file.path.trim_end_matches(".rs").split('/');
    let mut findings: Vec<_> =
        folders.filter(|name| EMPTY_NAMES.contains(name)).map(|name| finding(1, name)).collect();
    let code = code_only(&file.text);
    for (line, number) in code.lines().zip(1..) {
        let inline = line.split_once("mod ").and_then(|(_, rest)| rest.split_once('{'));
        let name = inline.map_or("", |(name, _)| name.trim());
        if EMPTY_NAMES.contains(&name) {
            findings.push(finding(number, name));
        }
    }
    findings
}

/// A layer works with any coordinator: the real one, one that does nothing, one of a test. Its
/// tests and examples may name the real one.
pub(super) fn names_the_trait(file: &File) -> Vec<Finding> {
    let mut parts = file.path.split('/');
    let (Some("crates"), Some(name), Some("src")) = (parts.next(), parts.next(), parts.next())
    else {
        return Vec::new();
    };
    let is_test = parts.any(|part| matches!(part, "tests" | "tests.rs"));
    if Role::of(name) != Role::Layer || is_test || !file.is_rust() {
        return Vec::new();
    }
    lines_with_word(&without_tests(&code_only(&file.text)), "Coordinator")
        .map(|line| Finding {
            path: file.path.clone(),
            line,
            what: "names the concrete `Coordinator`".to_owned(),
            why: "a layer must work with every coordinator, the no-op one included",
            fix: "take `Arc<dyn ShutdownCoordinator>`".to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::check;
    use super::*;

    #[test]
    fn a_file_without_a_sentence_is_found() {
        let rule = begins_with_a_sentence;
        for clean in ["//! What lives here.\n", "//! Two lines\n//! of text.\n//!\n//! More\n"] {
            assert!(check(rule, "a.rs", clean).is_empty(), "{clean}");
        }
        for planted in
            ["", "use x;\n//! Late.\n", "//! Word.\n", "//! no full stop\n", "// A comment.\n"]
        {
            let found = check(rule, "a.rs", planted);
            assert!(found[0].starts_with("a.rs:1: does not begin with a sentence; "), "{planted}");
        }
        assert!(check(rule, "a.toml", "").is_empty());
    }

    #[test]
    fn a_file_too_long_is_found() {
        assert!(check(is_not_too_long, "a.rs", &"x\n".repeat(400)).is_empty());
        let found = check(is_not_too_long, "a.rs", &"x\n".repeat(401));
        assert!(found[0].starts_with("a.rs:401: 401 lines, 400 at most; "), "{found:?}");
        assert!(check(is_not_too_long, "a.md", &"x\n".repeat(401)).is_empty());
    }

    #[test]
    fn work_left_over_is_found() {
        for word in LEFT_OVER {
            let found = check(is_finished, "a.rs", &format!("x\n// {word}: later\n"));
            assert!(found[0].starts_with(&format!("a.rs:2: `{word}`; ")), "{found:?}");
            assert_eq!(check(is_finished, "a.md", &format!("{word} later")).len(), 1);
            assert!(check(is_finished, "a.md", &format!("no `{word}` here")).is_empty());
            assert!(check(is_finished, "a.rs", &format!("{word}S")).is_empty());
        }
        for planted in ["todo!()", "unimplemented!(\"x\")", "#[ignore]", "#[ignore = \"slow\"]"] {
            assert_eq!(check(is_finished, "a.rs", planted).len(), 1, "{planted}");
            assert!(
                check(is_finished, "a.rs", &format!("\"{}\"", planted.replace('"', ""))).is_empty()
            );
        }
    }

    #[test]
    fn a_module_named_after_nothing_is_found() {
        let rule = names_modules_after_things;
        for planted in ["src/utils.rs", "tests/common/mod.rs", "src/helpers/x.rs", "src/misc.rs"] {
            assert_eq!(check(rule, planted, "").len(), 1, "{planted}");
        }
        let found = check(rule, "src/lib.rs", "\npub(crate) mod helpers {\n}");
        assert!(found[0].starts_with("src/lib.rs:2: a module called `helpers`; "), "{found:?}");
        assert!(check(rule, "src/commons.rs", "mod cargo { }\n// mod misc {").is_empty());
    }

    #[test]
    fn a_layer_that_names_the_concrete_coordinator_is_found() {
        let path = "crates/sundown-web/src/serve.rs";
        let planted = "//! Serves.\nuse sundown::Coordinator;\n";
        let found = check(names_the_trait, path, planted);
        assert!(found[0].starts_with(&format!("{path}:2: names the concrete")), "{found:?}");
        let clean = "//! The Coordinator.\nuse sundown::{ShutdownCoordinator, NoopCoordinator};\n\
                     #[cfg(test)]\nmod tests { use sundown::Coordinator; }\n";
        assert!(check(names_the_trait, path, clean).is_empty());
        for exempt in [
            "crates/sundown/src/lib.rs",
            "crates/sundown-cli/src/main.rs",
            "crates/sundown-web/tests/drain.rs",
            "crates/sundown-web/src/serve/tests.rs",
            "crates/sundown-drill/src/lib.rs",
        ] {
            assert!(check(names_the_trait, exempt, planted).is_empty(), "{exempt}");
        }
    }
}
