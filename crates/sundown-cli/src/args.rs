//! What can be said on the command line.

use std::path::PathBuf;

use crate::config::{CONFIG_VARIABLE, Flag, Key, flags_help};
use crate::demo::Options;

#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Serve(Given),
    Plan(Given, PlanForm),
    Config(Given),
    Demo(Options),
    Help(String),
    Version,
}

/// What was given to configure the service: a file, and flags over it.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Given {
    pub(crate) file: Option<PathBuf>,
    pub(crate) flags: Vec<Flag>,
}

/// How a plan is shown.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PlanForm {
    pub(crate) json: bool,
    pub(crate) svg: Option<PathBuf>,
}

const HELP: &str = "\
sundown stops Rust services without losing anything.

Usage: sundown COMMAND [flags]

  serve     serves until it is told to stop, and then stops without losing anything
  plan      checks the configuration, and shows the plan of the stop with its sum
  config    shows the configuration in force, and where each value came from
  demo      an order desk under load is stopped, and accounts for every order it accepted
  help      this text; `sundown COMMAND --help` tells more
  version   the version and its commit

Signals: once stops in good order, twice goes straight to saving, three times ends it.
Exit codes: 0 clean, 1 by force, 2 wrong usage or configuration, 3 something did not end well.
";

const CONFIGURING: &str = "
The configuration comes from a file, over it the environment, and over that the flags:

  --config FILE
          a TOML file; else SUNDOWN_CONFIG, else none. `sundown config` prints one.
";

const SERVE: &str = "\
Serves until it is told to stop, and then stops without losing anything.

Usage: sundown serve [flags]
";

const PLAN: &str = "\
Checks the configuration and shows the plan of the stop as a timeline, with its sum.

Usage: sundown plan [flags]

  --json        as JSON
  --svg FILE    also as a picture
";

const CONFIG: &str = "\
Shows the configuration in force as a file that says the same, with where each value came from.

Usage: sundown config [flags]
";

/// Reads the arguments, without the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
    let mut arguments = arguments.into_iter();
    let Some(command) = arguments.next() else { return Ok(Command::Help(HELP.to_owned())) };
    let rest: Vec<String> = arguments.collect();
    let wants_help = rest.iter().any(|argument| argument == "--help" || argument == "-h");
    let configuring = |about: &str| Command::Help(format!("{about}{CONFIGURING}{}", flags_help()));
    match command.as_str() {
        "help" | "-h" | "--help" => Ok(Command::Help(HELP.to_owned())),
        "version" | "-V" | "--version" => Ok(Command::Version),
        "serve" if wants_help => Ok(configuring(SERVE)),
        "plan" if wants_help => Ok(configuring(PLAN)),
        "config" if wants_help => Ok(configuring(CONFIG)),
        "demo" if wants_help => Ok(Command::Help(Options::HELP.to_owned())),
        "serve" => Ok(Command::Serve(given(rest, |_| None)?)),
        "config" => Ok(Command::Config(given(rest, |_| None)?)),
        "plan" => plan(rest),
        "demo" => Options::parse(rest).map(Command::Demo),
        unknown => Err(format!("unknown command `{unknown}` (see sundown help)")),
    }
}

fn plan(arguments: Vec<String>) -> Result<Command, String> {
    let mut form = PlanForm::default();
    let given = given(arguments, |(name, value)| match (name, value) {
        ("--json", None) => {
            form.json = true;
            Some(Ok(()))
        }
        ("--svg", Some(path)) => {
            form.svg = Some(path.into());
            Some(Ok(()))
        }
        ("--svg", None) => Some(Err("--svg takes a file, and none came".to_owned())),
        _ => None,
    })?;
    Ok(Command::Plan(given, form))
}

/// Reads the flags that configure; those that `own` knows are the command's.
fn given(
    arguments: Vec<String>,
    mut own: impl FnMut((&str, Option<&str>)) -> Option<Result<(), String>>,
) -> Result<Given, String> {
    let mut given = Given::default();
    let mut arguments = arguments.into_iter().peekable();
    while let Some(argument) = arguments.next() {
        if !argument.starts_with("--") {
            return Err(format!("`{argument}` is no flag (see sundown help)"));
        }
        let (name, value) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None if stands_alone(&argument) => (argument, None),
            None => (argument, arguments.next_if(|next| !next.starts_with("--"))),
        };
        if let Some(result) = own((&name, value.as_deref())) {
            result?;
        } else if name == "--config" {
            given.file = Some(value.ok_or("--config takes a file, and none came")?.into());
        } else {
            given.flags.push((name, value));
        }
    }
    Ok(given)
}

/// Whether what follows is no value of it.
fn stands_alone(flag: &str) -> bool {
    flag == "--json" || Key::all().any(|key| key.is_switch && key.flag() == flag)
}

impl Given {
    /// The file that was named, by flag or in the environment.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let named = || std::env::var_os(CONFIG_VARIABLE).map(PathBuf::from);
        self.file.clone().or_else(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn flags_take_values_behind_a_space_or_an_equals_sign_and_switches_none() {
        let flag = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        let given = Given {
            file: Some("a.toml".into()),
            flags: vec![
                flag("--listen", Some("[::1]:80")),
                flag("--web-open", None),
                flag("--temp-quota", Some("1MiB")),
            ],
        };
        let line = "--config a.toml --listen [::1]:80 --web-open --temp-quota=1MiB";
        assert_eq!(parsed(&format!("serve {line}")), Ok(Command::Serve(given.clone())));
        let form = PlanForm { json: true, svg: Some("plan.svg".into()) };
        let plan = parsed(&format!("plan --json --svg plan.svg {line}"));
        assert_eq!(plan, Ok(Command::Plan(given, form)));
    }

    #[test]
    fn help_is_there_for_every_command() {
        for command in ["help", "serve --help", "plan -h", "config --help", "demo --help", ""] {
            let Ok(Command::Help(text)) = parsed(command) else { panic!("{command}") };
            assert!(text.contains("Usage: sundown"), "{command}: {text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (line, culprit) in [
            ("sreve", "unknown command `sreve`"),
            ("serve now", "`now` is no flag"),
            ("serve --config", "--config takes a file, and none came"),
            ("plan --svg", "--svg takes a file, and none came"),
            ("demo --clientz", "unknown argument `--clientz`"),
        ] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(culprit), "{error}");
        }
    }
}
