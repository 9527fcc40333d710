//! The configuration file: which keys it sets to what, and on which line.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::origin::{Origin, Problem, Problems};
use super::{Key, SECTIONS, Section, commands};
use crate::command::Command;

/// The section whose tables have names of their own.
const COMMANDS: &str = "commands";

/// One key that a file sets.
pub(super) struct Setting {
    pub(super) key: &'static Key,
    pub(super) value: String,
    pub(super) origin: Origin,
}

/// Reads a file's text. What is wrong with it goes to the problems; the rest is returned.
pub(super) fn read(
    path: &str,
    text: &str,
    problems: &mut Problems,
) -> (Vec<Setting>, BTreeMap<String, Command>) {
    let commands = BTreeMap::new();
    let mut file = File { path, text, settings: Vec::new(), commands, problems };
    match DeTable::parse(text) {
        Ok(table) => file.sections(table.get_ref()),
        Err(error) => {
            let span = error.span().unwrap_or_default();
            let culprit = text.get(span.clone()).filter(|text| !text.trim().is_empty());
            let culprit = culprit.and_then(|text| text.lines().next());
            let culprit = culprit.map_or(String::new(), |culprit| format!(" `{culprit}`"));
            file.problem(span.start, format!("this is not TOML: {}{culprit}", error.message()));
        }
    }
    (file.settings, file.commands)
}

struct File<'a> {
    path: &'a str,
    text: &'a str,
    settings: Vec<Setting>,
    commands: BTreeMap<String, Command>,
    problems: &'a mut Problems,
}

impl File<'_> {
    fn sections(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            let (at, name) = (name.span().start, name.get_ref());
            if let (COMMANDS, DeValue::Table(commands)) = (&**name, value.get_ref()) {
                let mut flaws = Vec::new();
                self.commands = commands::read(commands, &mut flaws);
                flaws.into_iter().for_each(|(at, what)| self.problem(at, what));
                continue;
            }
            let Some(section) = SECTIONS.iter().find(|section| section.name == &**name) else {
                let names = SECTIONS.iter().map(|section| section.name).chain(["commands.NAME"]);
                let known: Vec<String> = names.map(|name| format!("[{name}]")).collect();
                self.problem(
                    at,
                    format!("unknown section `{name}` (there are {})", known.join(", ")),
                );
                continue;
            };
            match value.get_ref() {
                DeValue::Table(keys) => self.section(section, keys),
                _ => {
                    self.problem(at, format!("`{name}` is a section: write [{name}] and its keys"));
                }
            }
        }
    }

    fn section(&mut self, section: &'static Section, table: &DeTable<'_>) {
        for (name, value) in table {
            let (at, name) = (name.span().start, name.get_ref());
            let Some(key) = section.keys.iter().find(|key| key.name == &**name) else {
                let known: Vec<&str> = section.keys.iter().map(|key| key.name).collect();
                let (section, known) = (section.name, known.join(", "));
                self.problem(
                    at,
                    format!("unknown key `{name}` in [{section}] (there are {known})"),
                );
                continue;
            };
            let given =
                if key.is_list { list(value).or_else(|| scalar(value)) } else { scalar(value) };
            match given {
                Some(value) => {
                    let origin = self.origin(at);
                    self.settings.push(Setting { key, value, origin });
                }
                None => self.problem(at, format!("`{}` takes {}", key.path(), (key.wanted)())),
            }
        }
    }

    fn problem(&mut self, at: usize, what: String) {
        let origin = self.origin(at);
        self.problems.0.push(Problem { origin, what });
    }

    fn origin(&self, at: usize) -> Origin {
        let before = self.text.as_bytes().iter().take(at);
        let line = 1 + before.filter(|byte| **byte == b'\n').count();
        Origin::File { path: self.path.to_owned(), line }
    }
}

/// The text of a value that is one.
pub(super) fn scalar(value: &Spanned<DeValue<'_>>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.to_string()),
        DeValue::Boolean(is) => Some(is.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// The texts of a list, with commas between them.
fn list(value: &Spanned<DeValue<'_>>) -> Option<String> {
    let DeValue::Array(values) = value.get_ref() else { return None };
    let values: Option<Vec<String>> = values.iter().map(scalar).collect();
    Some(values?.join(","))
}
