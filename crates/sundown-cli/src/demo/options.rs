//! What the demonstration can be told.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Options {
    /// When it stops by itself; `None` waits for a signal.
    pub(super) stop_after: Option<Duration>,
    pub(super) clients: usize,
    pub(super) hangs: bool,
    pub(super) svg: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        let stop_after = Some(Duration::from_secs(3));
        Options { stop_after, clients: 8, hangs: false, svg: None }
    }
}

impl Options {
    pub(crate) const HELP: &str = "\
An order desk under load is stopped in the middle of its work, by Ctrl-C, by `kill`, or by itself,
and accounts for every order it accepted.

Usage: sundown demo [flags]

  --for SECONDS     stop by itself after so long (default 3; 0: only on a signal)
  --clients N       how many clients send orders at once (default 8)
  --hang            one worker never finishes, to see it named and aborted
  --svg FILE        also write the timeline as a picture

Environment:
  GRACEFUL_SHUTDOWN_TIMEOUT   seconds that the whole stop may take (default 15)
";

    /// Reads the arguments of `sundown demo`.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Options::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--hang" => options.hangs = true,
                "--svg" => options.svg = Some(value("--svg", "a file", &mut arguments)?),
                "--for" => {
                    let seconds: f64 = value("--for", "a number of seconds", &mut arguments)?;
                    let time = Duration::try_from_secs_f64(seconds)
                        .map_err(|_| format!("--for takes a number of seconds, not `{seconds}`"))?;
                    options.stop_after = (!time.is_zero()).then_some(time);
                }
                "--clients" => {
                    options.clients =
                        value("--clients", "a number from 1 to 1000", &mut arguments)?;
                    if !(1..=1000).contains(&options.clients) {
                        let given = options.clients;
                        return Err(format!(
                            "--clients takes a number from 1 to 1000, not {given}"
                        ));
                    }
                }
                unknown => {
                    return Err(format!("unknown argument `{unknown}` (see sundown demo --help)"));
                }
            }
        }
        Ok(options)
    }
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

    fn parsed(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_set_what_they_say() {
        let options =
            Options { stop_after: None, clients: 3, hangs: true, svg: Some("out.svg".to_owned()) };
        assert_eq!(parsed("--for 0 --clients 3 --hang --svg out.svg"), Ok(options));
    }

    #[test]
    fn mistakes_are_named_with_what_is_wanted() {
        for (line, culprit) in [
            ("--clientz", "unknown argument `--clientz`"),
            ("--clients", "--clients takes a number from 1 to 1000, and none came"),
            ("--clients 0", "not 0"),
            ("--for soon", "--for takes a number of seconds, not `soon`"),
            ("--for -1", "not `-1`"),
        ] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(culprit), "{error}");
        }
    }
}
