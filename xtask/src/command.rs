//! What can be asked for on the command line.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};

use crate::deploy::Deploy;
use crate::e2e::EndToEnd;
use crate::fuzz::Fuzz;

/// Shown by `help`, and after a wrong command line.
pub(crate) const HELP: &str = "\
usage: cargo xtask COMMAND

  cargo xtask test [--full]          everything that must hold before a change is accepted;
                                     --full also runs the long variants (XTASK_FULL=1)
  cargo xtask bench [AREA [--json]]  a comparison with peers in one run; without AREA, lists them
  cargo xtask torture tasks [--trials N] [--seed S]
                                     the task service under N kill -9 and every other sudden end
  cargo xtask torture judge DIR      the evidence that a failed run has kept, judged again
  cargo xtask fuzz [TARGET] [--seconds N] [--keep]
                                     libFuzzer on a parser, or on each; --keep adds what it finds to the corpus
  cargo xtask deploy [OVERLAY] [--context NAME] [--image REF] [--yes]
                                     checks, builds the image, applies, and waits until it serves
  cargo xtask deploy check           whether the manifests add up; needs no cluster
  cargo xtask deploy render          the rendered copies anew
  cargo xtask deploy binary [--out FILE]
                                     the static binary of the image
  cargo xtask e2e kubernetes [--context NAME] [--image REF] [--yes] [--requests N] [--restarts N]
                                     rolling restarts and evictions under load, in a cluster
  cargo xtask audit                  known vulnerabilities in what the lock files name
  cargo xtask audit pin DIR          the pinned advisories anew, from a checkout of RustSec's advisory-db
  cargo xtask mutants [FILE]         whether the unit tests of the core notice a changed line
  cargo xtask tidy                   the rules of the house: layers, layout, links, dependencies
  cargo xtask docs                   the pages of the API, built without a warning
  cargo xtask help                   this page";

/// A chore.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    /// Everything that must hold before a change is accepted.
    Test {
        /// The long variants too.
        full: bool,
    },
    /// A comparison with peers.
    Bench {
        /// The folder under the peers; none lists them.
        area: Option<String>,
        /// Figures for a program instead of a person.
        json: bool,
    },
    /// The task service under every sudden end.
    Torture(Torture),
    /// What a torture that failed has kept, judged again.
    Judge {
        /// Where it is.
        folder: String,
    },
    /// From the sources to pods that serve.
    Deploy(Deploy),
    /// Restarts and evictions under load, in a cluster.
    EndToEnd(EndToEnd),
    /// Inputs that nobody has thought of, for every parser.
    Fuzz(Fuzz),
    /// Known vulnerabilities in the dependencies.
    Audit,
    /// The pinned advisories anew.
    Pin {
        /// A checkout of the advisory database.
        checkout: String,
    },
    /// Changes to the core that its unit tests must notice.
    Mutants {
        /// One file; none is all pure parts.
        file: Option<String>,
    },
    /// The rules of the house.
    Tidy,
    /// The API's pages.
    Docs,
    /// The usage.
    Help,
}

/// How long a torture is, and what it is drawn from.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Torture {
    /// How many kills; none is what is usual.
    pub(crate) trials: Option<u32>,
    /// What faults are drawn from; none is by lot.
    pub(crate) seed: Option<u64>,
}

impl Torture {
    fn parse(words: &[&str]) -> anyhow::Result<Self> {
        let mut torture = Self::default();
        for pair in words.chunks(2) {
            match pair {
                ["--trials", count] => torture.trials = Some(number("--trials", count)?),
                ["--seed", seed] => torture.seed = Some(number("--seed", seed)?),
                _ => bail!("`torture tasks` does not take `{}`", pair.join(" ")),
            }
        }
        Ok(torture)
    }
}

fn number<T: FromStr>(flag: &str, text: &str) -> anyhow::Result<T> {
    text.parse().ok().with_context(|| format!("{flag} takes a number, not `{text}`"))
}

impl Command {
    /// Reads the command line, without the program's name.
    pub(crate) fn parse(arguments: &[String]) -> anyhow::Result<Self> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        Ok(match words.as_slice() {
            ["test"] => Self::Test { full: false },
            ["test", "--full"] => Self::Test { full: true },
            ["bench"] => Self::Bench { area: None, json: false },
            ["bench", "--json"] => {
                bail!("bench --json: which area? (`cargo xtask bench` lists them)")
            }
            ["bench", area, "--json"] | ["bench", "--json", area] => {
                Self::Bench { area: Some((*area).to_owned()), json: true }
            }
            ["bench", area] if !area.starts_with('-') => {
                Self::Bench { area: Some((*area).to_owned()), json: false }
            }
            ["torture", "tasks", rest @ ..] => Self::Torture(Torture::parse(rest)?),
            ["torture", "judge", folder] => Self::Judge { folder: (*folder).to_owned() },
            ["torture", ..] => {
                bail!("torture: what? (`cargo xtask torture tasks`, or `judge DIR`)")
            }
            ["deploy", rest @ ..] => Self::Deploy(Deploy::parse(rest)?),
            ["e2e", "kubernetes", flags @ ..] => Self::EndToEnd(EndToEnd::parse(flags)?),
            ["e2e", ..] => bail!("e2e: where? (`cargo xtask e2e kubernetes`)"),
            ["fuzz", rest @ ..] => Self::Fuzz(Fuzz::parse(rest)?),
            ["audit"] => Self::Audit,
            ["audit", "pin", checkout] => Self::Pin { checkout: (*checkout).to_owned() },
            ["mutants"] => Self::Mutants { file: None },
            ["mutants", file] if !file.starts_with('-') => {
                Self::Mutants { file: Some((*file).to_owned()) }
            }
            ["tidy"] => Self::Tidy,
            ["docs"] => Self::Docs,
            ["help" | "--help" | "-h"] => Self::Help,
            [] => bail!("no command given"),
            [first, ..]
                if ["test", "bench", "mutants", "audit", "tidy", "docs", "help"]
                    .contains(first) =>
            {
                bail!("`{first}` does not take `{}`", words[1..].join(" "))
            }
            [other, ..] => bail!("no command is called `{other}`"),
        })
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Test { .. } => "test",
            Self::Bench { .. } => "bench",
            Self::Torture(_) => "torture tasks",
            Self::Judge { .. } => "torture judge",
            Self::Deploy(_) => "deploy",
            Self::EndToEnd(_) => "e2e kubernetes",
            Self::Fuzz(_) => "fuzz",
            Self::Audit => "audit",
            Self::Pin { .. } => "audit pin",
            Self::Mutants { .. } => "mutants",
            Self::Tidy => "tidy",
            Self::Docs => "docs",
            Self::Help => "help",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Command> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        Command::parse(&words)
    }

    #[test]
    fn every_command_of_the_help_is_understood() {
        assert_eq!(parse("test").unwrap(), Command::Test { full: false });
        assert_eq!(parse("test --full").unwrap(), Command::Test { full: true });
        let core = |json| Command::Bench { area: Some("core".to_owned()), json };
        assert_eq!(parse("bench core").unwrap(), core(false));
        assert_eq!(parse("bench core --json").unwrap(), core(true));
        assert_eq!(parse("bench --json core").unwrap(), core(true));
        assert_eq!(parse("bench").unwrap(), Command::Bench { area: None, json: false });
        let torture = |trials, seed| Command::Torture(Torture { trials, seed });
        assert_eq!(parse("torture tasks").unwrap(), torture(None, None));
        let told = parse("torture tasks --seed 3 --trials 20").unwrap();
        assert_eq!(told, torture(Some(20), Some(3)));
        let judge = Command::Judge { folder: "/tmp/kept".to_owned() };
        assert_eq!(parse("torture judge /tmp/kept").unwrap(), judge);
        assert_eq!(parse("deploy check").unwrap(), Command::Deploy(Deploy::Check));
        assert_eq!(parse("deploy render").unwrap(), Command::Deploy(Deploy::Render));
        let dev = Deploy::parse(&["--yes"]).unwrap();
        assert_eq!(parse("deploy --yes").unwrap(), Command::Deploy(dev));
        let small = EndToEnd::parse(&["--yes", "--requests", "50"]).unwrap();
        assert_eq!(parse("e2e kubernetes --yes --requests 50").unwrap(), Command::EndToEnd(small));
        let url = Fuzz::parse(&["url", "--keep"]).unwrap();
        assert_eq!(parse("fuzz url --keep").unwrap(), Command::Fuzz(url));
        assert_eq!(parse("audit").unwrap(), Command::Audit);
        let pin = Command::Pin { checkout: "/tmp/db".to_owned() };
        assert_eq!(parse("audit pin /tmp/db").unwrap(), pin);
        let file = Some("crates/sundown/src/dag.rs".to_owned());
        assert_eq!(parse("mutants").unwrap(), Command::Mutants { file: None });
        assert_eq!(parse("mutants crates/sundown/src/dag.rs").unwrap(), Command::Mutants { file });
        assert_eq!(parse("tidy").unwrap(), Command::Tidy);
        assert_eq!(parse("docs").unwrap(), Command::Docs);
        assert_eq!(parse("--help").unwrap(), Command::Help);
    }

    #[test]
    fn a_wrong_command_line_is_refused_by_name() {
        for (line, named) in [
            ("tset", "`tset`"),
            ("test --ful", "`test` does not take `--ful`"),
            ("bench core web", "`bench` does not take `core web`"),
            ("bench --jsn", "`--jsn`"),
            ("fuzz --jsn", "`--jsn`"),
            ("audit --jsn", "`--jsn`"),
            ("deploy --jsn", "`--jsn`"),
            ("mutants --all", "`mutants` does not take `--all`"),
            ("e2e", "e2e kubernetes"),
            ("torture", "torture tasks"),
            ("torture tasks --trials", "`--trials`"),
            ("torture tasks --trials many", "`many`"),
            ("torture tasks --speed 3", "`--speed 3`"),
            ("bench --json", "which area"),
            ("", "no command"),
        ] {
            let message = parse(line).unwrap_err().to_string();
            assert!(message.contains(named), "{line}: {message}");
        }
    }
}
