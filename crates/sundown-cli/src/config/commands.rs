//! `[commands.NAME]`: the programs that tasks may run. They stand in the file only, because a
//! command is a table.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::toml::scalar;
use super::{Size, Time, Value};
use crate::command::{Command, LONGEST_GRACE};

/// What a command may say of itself.
const KEYS: &str = "run, arguments, environment, grace, output_limit, lines";

/// Something wrong: where in the text, and what.
pub(super) type Flaw = (usize, String);

/// Reads the commands of a file.
pub(super) fn read(table: &DeTable<'_>, flaws: &mut Vec<Flaw>) -> BTreeMap<String, Command> {
    let mut commands = BTreeMap::new();
    for (name, value) in table {
        let at = name.span().start;
        let name = name.get_ref().to_string();
        let DeValue::Table(keys) = value.get_ref() else {
            flaws
                .push((at, format!("`{name}` is a command: write [commands.{name}] and its keys")));
            continue;
        };
        match command(&name, at, keys, flaws) {
            Some(command) => drop(commands.insert(name, command)),
            None => flaws.push((at, format!("the command `{name}` needs `run`, its program"))),
        }
    }
    commands
}

fn command(name: &str, at: usize, keys: &DeTable<'_>, flaws: &mut Vec<Flaw>) -> Option<Command> {
    let mut command = Command {
        program: PathBuf::new(),
        arguments: Vec::new(),
        takes_arguments: false,
        environment: BTreeMap::new(),
        grace: Duration::from_secs(4),
        output_limit: 64 * 1024,
        tells_lines: false,
    };
    let mut has_program = false;
    for (key, value) in keys {
        let (at, key) = (key.span().start, key.get_ref());
        let set = match &**key {
            "run" => {
                has_program = true;
                run(value, &mut command)
            }
            "arguments" => parsed(value).map(|is| command.takes_arguments = is),
            "environment" => environment(value, &mut command.environment),
            "grace" => parsed(value).and_then(|Time(grace)| {
                command.grace = grace;
                let is_short = grace <= LONGEST_GRACE;
                is_short.then_some(()).ok_or_else(|| format!("is at most {LONGEST_GRACE:?}"))
            }),
            "output_limit" => parsed(value).and_then(|Size(bytes)| {
                command.output_limit = usize::try_from(bytes).map_err(|_| "less".to_owned())?;
                Ok(())
            }),
            "lines" => parsed(value).map(|is| command.tells_lines = is),
            unknown => Err(format!("is unknown: `{unknown}` (there are {KEYS})")),
        };
        if let Err(wanted) = set {
            flaws.push((at, format!("`commands.{name}.{key}` {wanted}")));
        }
    }
    if has_program && !command.program.is_absolute() && !command.program.as_os_str().is_empty() {
        let program = command.program.display();
        flaws.push((
            at,
            format!("`commands.{name}.run` begins with `{program}`: give the whole path"),
        ));
    }
    has_program.then_some(command)
}

fn run(value: &Spanned<DeValue<'_>>, command: &mut Command) -> Result<(), String> {
    let wanted = || "takes a list: the program's path, and its first arguments".to_owned();
    let DeValue::Array(words) = value.get_ref() else { return Err(wanted()) };
    let words: Option<Vec<String>> = words.iter().map(scalar).collect();
    let mut words = words.ok_or_else(wanted)?.into_iter();
    command.program = words.next().ok_or_else(wanted)?.into();
    command.arguments = words.collect();
    Ok(())
}

fn environment(
    value: &Spanned<DeValue<'_>>,
    environment: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    let wanted = || "takes a table of variables: { NAME = \"value\" }".to_owned();
    let DeValue::Table(variables) = value.get_ref() else { return Err(wanted()) };
    for (name, value) in variables {
        let value = scalar(value).ok_or_else(wanted)?;
        environment.insert(name.get_ref().to_string(), value);
    }
    Ok(())
}

fn parsed<T: Value>(value: &Spanned<DeValue<'_>>) -> Result<T, String> {
    let text = scalar(value).unwrap_or_default();
    T::parse(&text).map_err(|_| format!("takes {}", T::wanted()))
}
