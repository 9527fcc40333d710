//! What the shim says to the service, over a socket that the command never gets hold of.

use rustix::process::Pid;

/// The most bytes of a line.
pub(super) const LONGEST: u64 = 64 * 1024;

/// A line of it. What was not said did not happen: an end without a word is one by force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// The command has begun, as the leader of this process group.
    Begun(Pid),
    /// The lease of the attempt had run out before the command could begin, so it did not.
    TooLate,
    /// It could not begin, or not be watched over.
    Failed(String),
    /// It has ended with this code, and nothing of it is left.
    Ended(i32),
}

impl Word {
    pub(super) fn line(&self) -> String {
        match self {
            Word::Begun(group) => format!("begun {}\n", group.as_raw_nonzero()),
            Word::TooLate => "too-late\n".to_owned(),
            Word::Failed(why) => format!("failed {}\n", printable(why)),
            Word::Ended(code) => format!("ended {code}\n"),
        }
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.strip_suffix('\n')?;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "begun" => group(rest).map(Word::Begun),
            "too-late" => Some(Word::TooLate),
            "failed" => Some(Word::Failed(printable(rest))),
            "ended" => rest.parse().ok().map(Word::Ended),
            _ => None,
        }
    }
}

/// The leader of a process group. A signal to the group 1 would go to every process there is, and one to
/// the group 0 to our own.
fn group(text: &str) -> Option<Pid> {
    text.parse().ok().filter(|id| *id > 1).and_then(Pid::from_raw)
}

/// A reason as one line that can go to a terminal.
fn printable(why: &str) -> String {
    why.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood_and_a_line_that_was_cut_is_none() {
        let group = Pid::from_raw(7).unwrap();
        let why = Word::Failed("no such file".to_owned());
        for word in [Word::Begun(group), Word::TooLate, why, Word::Ended(124), Word::Ended(-1)] {
            let line = word.line();
            assert_eq!(Word::parse(&line), Some(word), "{line}");
            for cut in 0..line.len() {
                assert_eq!(Word::parse(&line[..cut]), None, "{}", &line[..cut]);
            }
        }
        assert_eq!(Word::Failed("a\nb".to_owned()).line(), "failed a b\n");
    }

    #[test]
    fn a_number_that_is_no_process_group_is_refused() {
        for number in ["-1", "0", "1", "-7", "2147483648", "7 8", ""] {
            assert_eq!(Word::parse(&format!("begun {number}\n")), None, "{number}");
        }
        assert_eq!(Word::parse("begun 2\n"), Pid::from_raw(2).map(Word::Begun));
    }

    #[test]
    fn a_reason_moves_no_cursor() {
        let word = Word::parse("failed a\u{1b}[2Jb\n");
        assert_eq!(word, Some(Word::Failed("a [2Jb".to_owned())));
    }
}
