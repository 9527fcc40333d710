//! From the three sources to one configuration: the file, over it the environment, over it the flags.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::check::is_loopback;
use super::names::{closest, is_service_link};
use super::origin::{Origin, Problem, Problems};
use super::{Auto, Budgets, Config, Key, Off, Place, toml};
use crate::command::Command;

/// A flag as it was given: its name, and its value if it has one.
pub(crate) type Flag = (String, Option<String>);

/// A configuration that can work, and where each of its values came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    /// The programs that tasks may run.
    pub(crate) commands: BTreeMap<String, Command>,
    /// How the stop divides its time.
    pub(crate) budgets: Budgets,
    pub(super) origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Where a key was set.
    pub(crate) fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or_default()
    }

    /// Where tasks are kept: where the configuration says, or else where this user's services keep
    /// their state.
    pub(crate) fn store(&self) -> Result<Place, String> {
        self.config.tasks.store.0.clone().map_or_else(Place::usual, Ok)
    }

    /// Where the report of the stop is kept: where the configuration says, or else beside the file of
    /// the store.
    pub(crate) fn report_file(&self) -> Option<PathBuf> {
        match (&self.config.shutdown.report_file, self.store()) {
            (Auto(Some(Off(path))), _) => path.clone(),
            (Auto(None), Ok(Place::File(store))) => Some(store.with_extension("last-stop.json")),
            (Auto(None), Ok(Place::Server(_)) | Err(_)) => None,
        }
    }

    /// Whether the kind `count` and `/try` are served: as `web.demo` says, or else where there is
    /// nothing else to run and nobody but this machine can reach the listener.
    pub(crate) fn has_demo(&self) -> bool {
        let web = &self.config.web;
        let is_bare = self.commands.is_empty() && self.config.http.allow.is_empty();
        web.demo.0.unwrap_or(is_bare && is_loopback(web.listen))
    }

    /// What is wrong with the programs of the commands: tasks that ask for these will fail.
    pub(crate) fn missing_programs(&self) -> impl Iterator<Item = String> {
        self.commands.iter().filter_map(|(name, command)| {
            let why = command.why_it_cannot_start()?;
            Some(format!("`commands.{name}`: {} {why}", command.program.display()))
        })
    }
}

/// How the files that a configuration names are read.
pub(crate) type Files<'a> = dyn Fn(&Path) -> io::Result<String> + 'a;

/// Reads the file that is named, by flag or in the environment, the environment and the flags.
///
/// # Errors
///
/// All that is wrong, each with where it stands and what is allowed.
pub(crate) fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &[Flag],
) -> Result<Loaded, Problems> {
    load_from(&read_text, file, environment, flags)
}

/// Reads a file that must be text, and says on which line it is not.
fn read_text(path: &Path) -> io::Result<String> {
    String::from_utf8(fs::read(path)?).map_err(|error| {
        let (at, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let line = bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        let what = format!("line {line} is not UTF-8 (the byte 0x{:02X})", bytes[at]);
        io::Error::new(io::ErrorKind::InvalidData, what)
    })
}

/// The same, with files from elsewhere.
///
/// # Errors
///
/// As [`load`].
pub(crate) fn load_from(
    files: &Files<'_>,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    flags: &[Flag],
) -> Result<Loaded, Problems> {
    let mut loading = Loading::default();
    let mut variables: Vec<(OsString, OsString)> = environment.into_iter().collect();
    variables.sort_unstable();
    let value_of = |wanted: &str| variables.iter().find(|(name, _)| name == wanted);
    let named = value_of(CONFIG_VARIABLE).map(|(_, value)| value).filter(|path| !path.is_empty());
    let by_variable = || Some((Path::new(named?), Origin::Variable(CONFIG_VARIABLE.to_owned())));
    let by_flag = file.map(|path| (path, Origin::Flag("--config".to_owned())));
    if let Some((path, origin)) = by_flag.or_else(by_variable) {
        loading.file(files, path, origin);
    }
    let is_in_kubernetes = value_of("KUBERNETES_SERVICE_HOST").is_some();
    loading.environment(&variables);
    for flag in flags {
        loading.flag(flag);
    }
    loading.tokens(files);
    let budgets = Budgets::of(&loading.config.shutdown, is_in_kubernetes);
    loading.check(&budgets);
    let Loading { config, commands, origins, problems } = loading;
    if !problems.0.is_empty() {
        return Err(problems);
    }
    Ok(Loaded { config, commands, budgets, origins })
}

#[derive(Default)]
pub(super) struct Loading {
    pub(super) config: Config,
    commands: BTreeMap<String, Command>,
    origins: BTreeMap<String, Origin>,
    problems: Problems,
}

impl Loading {
    fn file(&mut self, files: &Files<'_>, path: &Path, named_by: Origin) {
        let name = path.display().to_string();
        match files(path) {
            Ok(text) => {
                let (settings, commands) = toml::read(&name, &text, &mut self.problems);
                self.commands = commands;
                for setting in settings {
                    self.set(setting.key, &setting.value, setting.origin);
                }
            }
            Err(error) => self.problem(named_by, format!("cannot read {name}: {error}")),
        }
    }

    fn environment(&mut self, variables: &[(OsString, OsString)]) {
        let keys: BTreeMap<String, &'static Key> = Key::all().map(|key| (key.env(), key)).collect();
        for (name, value) in variables {
            // A name that is not UTF-8 may still be one of ours with a letter too many.
            let name = name.to_string_lossy().into_owned();
            match keys.get(&name) {
                Some(key) => self.variable(key, name, value),
                None if name.starts_with("SUNDOWN_") => self.unknown(name, value, &keys),
                None => {}
            }
        }
    }

    fn variable(&mut self, key: &Key, name: String, value: &OsStr) {
        match value.to_str() {
            Some(value) => self.set(key, value, Origin::Variable(name)),
            None => {
                let what = format!("takes {}, and this is not UTF-8", (key.wanted)());
                self.problem(Origin::Variable(name), what);
            }
        }
    }

    fn unknown(&mut self, name: String, value: &OsStr, keys: &BTreeMap<String, &'static Key>) {
        if name == CONFIG_VARIABLE || is_service_link(&name, &value.to_string_lossy()) {
            return;
        }
        let what = match closest(&name, keys.keys().map(String::as_str)) {
            Some(close) => format!("there is no such setting (is {close} meant?)"),
            None => "there is no such setting (`sundown config` lists them all)".to_owned(),
        };
        self.problem(Origin::Variable(name), what);
    }

    fn flag(&mut self, (name, value): &Flag) {
        let origin = Origin::Flag(name.clone());
        let Some(key) = Key::all().find(|key| key.flag() == *name) else {
            let flags: Vec<String> = Key::all().map(Key::flag).collect();
            let what = match closest(name, flags.iter().map(String::as_str)) {
                Some(close) => format!("there is no such flag (is {close} meant?)"),
                None => "there is no such flag (`sundown serve --help` lists them all)".to_owned(),
            };
            return self.problem(origin, what);
        };
        if key.is_secret {
            let (env, file) = (key.env(), format!("{name}-file"));
            let what = format!("everybody who lists processes would see it (set {env} or {file})");
            return self.problem(origin, what);
        }
        match value {
            Some(value) => self.set(key, value, origin),
            None if key.is_switch => self.set(key, "true", origin),
            None => {
                self.problem(origin, format!("takes {}, and nothing came", (key.wanted)()));
            }
        }
    }

    fn set(&mut self, key: &Key, value: &str, origin: Origin) {
        match (key.set)(&mut self.config, value) {
            Ok(()) => {
                self.origins.insert(key.path(), origin);
            }
            Err(detail) => {
                let given = if key.is_secret { "what is there" } else { &format!("`{value}`") };
                let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
                let (path, wanted) = (key.path(), (key.wanted)());
                self.problem(origin, format!("`{path}` takes {wanted}, not {given}{detail}"));
            }
        }
    }

    pub(super) fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or_default()
    }

    pub(super) fn set_origin(&mut self, path: &str, origin: Origin) {
        self.origins.insert(path.to_owned(), origin);
    }

    pub(super) fn problem(&mut self, origin: Origin, what: String) {
        self.problems.0.push(Problem { origin, what });
    }
}

/// Names the configuration file.
pub(crate) const CONFIG_VARIABLE: &str = "SUNDOWN_CONFIG";
