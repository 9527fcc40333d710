//! The configuration file: what is printed of it loads again and says the same.

use sundown_cli::fuzzing;

use crate::message;

/// How many things may be wrong with one file and be said in one message.
const PROBLEMS: usize = 200;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match fuzzing::config(text) {
        Ok(printed) => says_the_same(&printed),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a word");
            message::is_plain(&problems);
            for problem in problems.lines().take(PROBLEMS) {
                message::is_readable(problem);
            }
        }
    }
}

fn says_the_same(printed: &str) {
    let again = fuzzing::config(&with_tokens(printed));
    let again = again.unwrap_or_else(|problems| panic!("{problems}\n{printed}"));
    assert_eq!(without_origins(&again), without_origins(printed));
}

/// A token is never printed; one that stands in no file must be given again.
fn with_tokens(printed: &str) -> String {
    const HIDDEN: &str = "# token = \"(a secret)\"";
    let sections = printed.split_inclusive("\n\n").map(|section| {
        if section.contains("\ntoken_file = \"off\"") {
            section.replace(HIDDEN, "token = \"a-token-from-a-file\"")
        } else {
            section.to_owned()
        }
    });
    sections.collect()
}

/// The file without what it says of where each value came from.
fn without_origins(printed: &str) -> String {
    let lines = printed.lines().map(|line| {
        let line = line.rsplit_once(" # ").map_or(line, |(line, _)| line);
        line.trim_end().to_owned() + "\n"
    });
    lines.collect()
}
