//! What can be said on the command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::check::{self, Ask};
use crate::client;
use crate::config::{Flag, Key, flags_help};
use crate::demo::Options;
use crate::load;
use crate::stops::{self, Form};

#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Serve(Given),
    Check(Ask),
    Plan(Given, PlanForm),
    Config(Given),
    Stops(Given, stops::Ask),
    Demo(Options),
    Tasks(Vec<String>),
    Load(Vec<String>),
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
  tasks     hands tasks in to a service that runs, looks at them, and ends them
  check     says whether Kubernetes manifests give the service the time it needs to stop
  plan      checks the configuration, and shows the plan of the stop with its sum
  config    shows the configuration in force, and where each value came from
  stops     lists the last stops of the service, and shows what happened in each
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
pub(crate) fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut arguments = arguments.into_iter();
    let Some(command) = arguments.next() else { return Ok(Command::Help(HELP.to_owned())) };
    let command = text(command)?;
    let rest: Vec<OsString> = arguments.collect();
    let wants_help = rest.iter().any(|argument| argument == "--help" || argument == "-h");
    let configuring = |about: &str| Command::Help(format!("{about}{CONFIGURING}{}", flags_help()));
    match command.as_str() {
        "help" | "-h" | "--help" => Ok(Command::Help(HELP.to_owned())),
        "version" | "-V" | "--version" => Ok(Command::Version),
        "serve" if wants_help => Ok(configuring(SERVE)),
        "plan" if wants_help => Ok(configuring(PLAN)),
        "config" if wants_help => Ok(configuring(CONFIG)),
        "demo" if wants_help => Ok(Command::Help(Options::HELP.to_owned())),
        "serve" => Ok(Command::Serve(given(rest, |_, _| None)?)),
        "config" => Ok(Command::Config(given(rest, |_, _| None)?)),
        "plan" => plan(rest),
        "stops" if wants_help => Ok(configuring(stops::HELP)),
        "stops" => stops(rest),
        "check" if wants_help => Ok(Command::Help(check::HELP.to_owned())),
        "check" => Ask::parse(rest).map(Command::Check),
        "tasks" if wants_help => Ok(Command::Help(client::HELP.to_owned())),
        "tasks" => Ok(Command::Tasks(texts(rest)?)),
        load::NAME => Ok(Command::Load(texts(rest)?)),
        "demo" => Options::parse(texts(rest)?).map(Command::Demo),
        unknown => Err(format!("unknown command `{unknown}` (see sundown help)")),
    }
}

fn plan(arguments: Vec<OsString>) -> Result<Command, String> {
    let mut form = PlanForm::default();
    let given = given(arguments, |name, value| match name {
        "--json" => Some(match value {
            Some(_) => Err("--json takes no value".to_owned()),
            None => {
                form.json = true;
                Ok(())
            }
        }),
        "--svg" => Some(file(name, value).map(|path| form.svg = Some(path))),
        _ => None,
    })?;
    Ok(Command::Plan(given, form))
}

fn stops(mut arguments: Vec<OsString>) -> Result<Command, String> {
    let is_show = arguments.first().is_some_and(|first| first == "show");
    let mut number = 1;
    if is_show {
        arguments.remove(0);
        if let Some(which) = arguments.first().filter(|which| !is_flag(which)) {
            let parsed = which.to_str().and_then(|which| match which {
                "last" => Some(1),
                which => which.parse().ok().filter(|number| *number > 0),
            });
            number = parsed.ok_or_else(|| {
                format!("show takes a number from 1 on or `last`, not `{}`", which.display())
            })?;
            arguments.remove(0);
        }
    }
    let mut form = None;
    let given = given(arguments, |name, value| {
        let asked = match name {
            "--json" => Form::Json,
            "--svg" if is_show => Form::Svg,
            "--html" if is_show => Form::Html,
            _ => return None,
        };
        let other = form.replace(asked).filter(|other| *other != asked);
        Some(match (value, other) {
            (Some(_), _) => Err(format!("{name} takes no value here (send the output to a file)")),
            (None, Some(_)) => Err("one of --svg, --html and --json is enough".to_owned()),
            (None, None) => Ok(()),
        })
    })?;
    let ask = if is_show {
        stops::Ask::Show { number, form: form.unwrap_or(Form::Text) }
    } else {
        stops::Ask::List { json: form.is_some() }
    };
    Ok(Command::Stops(given, ask))
}

/// Reads the flags that configure; those that `own` knows are the command's.
fn given(
    arguments: Vec<OsString>,
    mut own: impl FnMut(&str, Option<&OsStr>) -> Option<Result<(), String>>,
) -> Result<Given, String> {
    let mut given = Given::default();
    let mut switch = None;
    let mut arguments = arguments.into_iter().peekable();
    while let Some(argument) = arguments.next() {
        if !is_flag(&argument) {
            return Err(stray(&argument, switch.as_deref()));
        }
        let (name, value) = split(argument)?;
        let stands_alone = stands_alone(&name);
        let value = if value.is_some() || stands_alone {
            value
        } else {
            arguments.next_if(|next| !is_flag(next))
        };
        if let Some(result) = own(&name, value.as_deref()) {
            result?;
        } else if name == "--config" {
            given.file = Some(file(&name, value.as_deref())?);
        } else {
            given.flags.push((name.clone(), value.map(text).transpose()?));
        }
        switch = stands_alone.then_some(name);
    }
    Ok(given)
}

/// What to say to an argument that belongs to nothing.
fn stray(argument: &OsStr, switch: Option<&str>) -> String {
    let argument = argument.display();
    match switch {
        Some("--json") | None => format!("`{argument}` is no flag (see sundown help)"),
        Some(switch) => format!("`{argument}` is no flag (a value of it is {switch}={argument})"),
    }
}

fn is_flag(argument: &OsStr) -> bool {
    argument.as_encoded_bytes().starts_with(b"--")
}

/// A flag's name, and what stands behind its equals sign.
fn split(argument: OsString) -> Result<(String, Option<OsString>), String> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt as _;
        let bytes = argument.as_bytes();
        if let Some(at) = bytes.iter().position(|byte| *byte == b'=') {
            let value = OsStr::from_bytes(&bytes[at + 1..]).to_owned();
            return Ok((text(OsStr::from_bytes(&bytes[..at]).to_owned())?, Some(value)));
        }
    }
    let argument = text(argument)?;
    Ok(match argument.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.into())),
        None => (argument, None),
    })
}

/// A flag that takes a path, which may be any sequence of bytes.
fn file(name: &str, value: Option<&OsStr>) -> Result<PathBuf, String> {
    let value = value.filter(|value| !value.is_empty());
    value.map(PathBuf::from).ok_or_else(|| format!("{name} takes a file, and none came"))
}

fn texts(arguments: Vec<OsString>) -> Result<Vec<String>, String> {
    arguments.into_iter().map(text).collect()
}

fn text(argument: OsString) -> Result<String, String> {
    let refused = |argument: OsString| {
        format!(
            "the argument `{}` is not UTF-8 (only --config and --svg take such a path)",
            argument.display()
        )
    };
    argument.into_string().map_err(refused)
}

/// Whether what follows is no value of it.
fn stands_alone(flag: &str) -> bool {
    flag == "--json" || Key::all().any(|key| key.is_switch && key.flag() == flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
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
        for command in [
            "help",
            "serve --help",
            "plan -h",
            "config --help",
            "demo --help",
            "tasks --help",
            "check -h",
            "stops --help",
            "stops show -h",
            "",
        ] {
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
            ("serve --config=", "--config takes a file, and none came"),
            ("plan --svg", "--svg takes a file, and none came"),
            ("plan --json=true", "--json takes no value"),
            ("plan --json true", "`true` is no flag (see sundown help)"),
            ("serve --web-open no", "`no` is no flag (a value of it is --web-open=no)"),
            ("stops list", "`list` is no flag"),
            ("stops show 0", "a number from 1 on or `last`, not `0`"),
            ("stops show first", "not `first`"),
            ("stops show --svg a.svg", "--svg takes no value here"),
            ("stops show --svg --json", "one of --svg, --html and --json"),
            ("demo --clientz", "unknown argument `--clientz`"),
        ] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(culprit), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_path_may_be_any_bytes_and_nothing_else_may() {
        use std::os::unix::ffi::OsStringExt as _;
        let bytes = |text: &[u8]| OsString::from_vec(text.to_vec());
        let path = PathBuf::from(bytes(b"a\xff.toml"));
        for arguments in [
            vec!["config".into(), "--config".into(), bytes(b"a\xff.toml")],
            vec!["config".into(), bytes(b"--config=a\xff.toml")],
        ] {
            let Ok(Command::Config(given)) = parse(arguments) else { panic!("it is a path") };
            assert_eq!(given.file, Some(path.clone()));
        }
        for arguments in [
            vec![bytes(b"\xff")],
            vec!["serve".into(), bytes(b"--listen=\xff")],
            vec!["serve".into(), "--listen".into(), bytes(b"\xff")],
            vec!["serve".into(), bytes(b"--\xff")],
            vec!["demo".into(), bytes(b"\xff")],
        ] {
            let error = parse(arguments).expect_err("it is no text");
            assert!(error.contains("is not UTF-8"), "{error}");
        }
    }
}
