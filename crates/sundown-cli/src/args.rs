//! What can be said on the command line.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
sundown stops Rust services without losing anything.

This version demonstrates its core: an order desk under load is stopped in the middle of its work,
by Ctrl-C, by `kill`, or by itself, and accounts for every order it accepted.

Usage: sundown [demo] [options]

  --for SECONDS     stop by itself after so long (default 3; 0: only on a signal)
  --clients N       how many clients send orders at once (default 8)
  --hang            one worker never finishes, to see it named and aborted
  --svg FILE        also write the timeline as a picture
  -h, --help        this text
  -V, --version     the version

Environment:
  GRACEFUL_SHUTDOWN_TIMEOUT   seconds that the whole stop may take (default 15)

Signals: once stops in good order, twice goes straight to saving, three times ends it.
Exit codes: 0 clean, 1 by force, 2 wrong usage, 3 something did not end well.
";

#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Demo(Options),
    Help,
    Version,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// When it stops by itself; `None` waits for a signal.
    pub(crate) stop_after: Option<Duration>,
    pub(crate) clients: usize,
    pub(crate) hangs: bool,
    pub(crate) svg: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        let stop_after = Some(Duration::from_secs(3));
        Options { stop_after, clients: 8, hangs: false, svg: None }
    }
}

/// Reads the arguments, without the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut options = Options::default();
    let mut arguments = arguments.into_iter().peekable();
    arguments.next_if(|first| first == "demo");
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-h" | "--help" => return Ok(Command::Help),
            "-V" | "--version" => return Ok(Command::Version),
            "--hang" => options.hangs = true,
            "--svg" => options.svg = Some(value("--svg", "a file", &mut arguments)?),
            "--for" => {
                let seconds: f64 = value("--for", "a number of seconds", &mut arguments)?;
                let time = Duration::try_from_secs_f64(seconds)
                    .map_err(|_| format!("--for takes a number of seconds, not `{seconds}`"))?;
                options.stop_after = (!time.is_zero()).then_some(time);
            }
            "--clients" => {
                options.clients = value("--clients", "a number from 1 to 1000", &mut arguments)?;
                if !(1..=1000).contains(&options.clients) {
                    let given = options.clients;
                    return Err(format!("--clients takes a number from 1 to 1000, not {given}"));
                }
            }
            unknown => return Err(format!("unknown argument `{unknown}` (see sundown --help)")),
        }
    }
    Ok(Command::Demo(options))
}

fn value<T: FromStr<Err: Display>>(
    flag: &str,
    wanted: &str,
    arguments: &mut impl Iterator<Item = String>,
) -> Result<T, String> {
    let text = arguments.next().ok_or_else(|| format!("{flag} takes {wanted}, and none came"))?;
    text.parse().map_err(|error| format!("{flag} takes {wanted}, not `{text}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_set_what_they_say_and_the_command_may_be_left_out() {
        let options =
            Options { stop_after: None, clients: 3, hangs: true, svg: Some("out.svg".to_owned()) };
        let line = "--for 0 --clients 3 --hang --svg out.svg";
        assert_eq!(parsed(line), Ok(Command::Demo(options.clone())));
        assert_eq!(parsed(&format!("demo {line}")), Ok(Command::Demo(options)));
        assert_eq!(parsed("--clients 3 --help"), Ok(Command::Help));
    }

    #[test]
    fn mistakes_are_named_with_what_is_wanted() {
        for (line, culprit) in [
            ("--clientz", "unknown argument `--clientz`"),
            ("--clients", "--clients takes a number from 1 to 1000, and none came"),
            ("--clients 0", "not 0"),
            ("--for soon", "--for takes a number of seconds, not `soon`"),
            ("--for -1", "not `-1`"),
            ("serve", "unknown argument `serve`"),
        ] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(culprit), "{error}");
        }
    }
}
