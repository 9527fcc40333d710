//! What the shim says to the service, over a socket that the command never gets hold of.

use rustix::process::Pid;

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
            Word::Failed(why) => format!("failed {}\n", why.replace('\n', " ")),
            Word::Ended(code) => format!("ended {code}\n"),
        }
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        let line = line.strip_suffix('\n')?;
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "begun" => rest.parse().ok().and_then(Pid::from_raw).map(Word::Begun),
            "too-late" => Some(Word::TooLate),
            "failed" => Some(Word::Failed(rest.to_owned())),
            "ended" => rest.parse().ok().map(Word::Ended),
            _ => None,
        }
    }
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
        assert_eq!(Word::parse("begun 0\n"), None);
    }
}
