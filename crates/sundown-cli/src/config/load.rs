//! From the three sources to one configuration: the file, over it the environment, over it the flags.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::origin::{Origin, Problem, Problems};
use super::{Config, Key, Off, Secret, Value as _, toml};

/// A flag as it was given: its name, and its value if it has one.
pub(crate) type Flag = (String, Option<String>);

/// A configuration that can work, and where each of its values came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    origins: BTreeMap<String, Origin>,
}

impl Loaded {
    /// Where a key was set.
    pub(crate) fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or_default()
    }
}

/// Reads the file, if one is named, the environment and the flags.
///
/// # Errors
///
/// All that is wrong, each with where it stands and what is allowed.
pub(crate) fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[Flag],
) -> Result<Loaded, Problems> {
    let mut loading = Loading::default();
    if let Some(path) = file {
        loading.file(path);
    }
    loading.environment(environment);
    for flag in flags {
        loading.flag(flag);
    }
    loading.secrets();
    loading.check();
    if loading.problems.0.is_empty() {
        Ok(Loaded { config: loading.config, origins: loading.origins })
    } else {
        Err(loading.problems)
    }
}

#[derive(Default)]
struct Loading {
    config: Config,
    origins: BTreeMap<String, Origin>,
    problems: Problems,
}

impl Loading {
    fn file(&mut self, path: &Path) {
        let name = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => {
                for setting in toml::read(&name, &text, &mut self.problems) {
                    self.set(setting.key, &setting.value, setting.origin);
                }
            }
            Err(error) => {
                let origin = Origin::Flag("--config".to_owned());
                self.problem(origin, format!("cannot read {name}: {error}"));
            }
        }
    }

    fn environment(&mut self, environment: impl IntoIterator<Item = (String, String)>) {
        let keys: BTreeMap<String, &'static Key> = Key::all().map(|key| (key.env(), key)).collect();
        let mut variables: Vec<(String, String)> = environment.into_iter().collect();
        variables.sort_unstable();
        for (name, value) in variables {
            if let Some(key) = keys.get(&name) {
                self.set(key, &value, Origin::Variable(name));
            } else if name.starts_with("SUNDOWN_") && !is_known(&name) && !is_service_link(&name) {
                let what = match closest(&name, keys.keys().map(String::as_str)) {
                    Some(close) => format!("there is no such setting (is {close} meant?)"),
                    None => "there is no such setting (`sundown config` lists them all)".to_owned(),
                };
                self.problem(Origin::Variable(name), what);
            }
        }
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

    /// Puts the tokens that are in files where the others are.
    fn secrets(&mut self) {
        let web = (self.config.web.token.clone(), self.config.web.token_file.clone());
        self.config.web.token = self.secret("web.token", web);
        let admin = (self.config.admin.token.clone(), self.config.admin.token_file.clone());
        self.config.admin.token = self.secret("admin.token", admin);
    }

    fn secret(&mut self, key: &str, (token, file): (Off<Secret>, Off<PathBuf>)) -> Off<Secret> {
        let Some(file) = file.0 else { return token };
        let origin = self.origin(&format!("{key}_file"));
        if token.0.is_some() {
            let other = self.origin(key);
            let what = format!("`{key}` is set as well, by {other} (set one of them)");
            self.problem(origin, what);
            return token;
        }
        let path = file.display();
        let read =
            fs::read_to_string(&file).map_err(|error| format!("cannot read {path}: {error}"));
        let secret = read.and_then(|text| {
            let wanted = Secret::wanted();
            Secret::parse(text.trim()).map_err(|_| format!("{path} does not hold {wanted}"))
        });
        match secret {
            Ok(secret) => Off(Some(secret)),
            Err(what) => {
                self.problem(origin, what);
                Off(None)
            }
        }
    }

    /// What no key can see alone.
    fn check(&mut self) {
        let web = &self.config.web;
        if !web.listen.ip().is_loopback() && web.token.0.is_none() && !web.open {
            let what = format!(
                "`web.listen` is {}, which others can reach: set SUNDOWN_WEB_TOKEN or \
                 `web.token_file`, or `web.open` if everybody is to be served",
                web.listen
            );
            self.problem(self.origin("web.listen"), what);
        }
        let (web, admin) = (self.config.web.listen, self.config.admin.listen);
        if web == admin && web.port() != 0 {
            let what =
                format!("`admin.listen` is {admin}, as `web.listen` is (choose another port)");
            self.problem(self.origin("admin.listen"), what);
        }
        let positive = [
            ("shutdown.timeout", self.config.shutdown.timeout),
            ("web.head_timeout", self.config.web.head_timeout),
            ("web.stall_timeout", self.config.web.stall_timeout),
            ("metrics.interval", self.config.metrics.interval),
        ];
        for (path, _) in positive.iter().filter(|(_, time)| time.0 == Duration::ZERO) {
            self.problem(self.origin(path), format!("`{path}` must be more than 0"));
        }
        if self.config.temp.quota.0 == 0 {
            let origin = self.origin("temp.quota");
            self.problem(origin, "`temp.quota` must be more than 0".to_owned());
        }
    }

    fn origin(&self, path: &str) -> Origin {
        self.origins.get(path).cloned().unwrap_or_default()
    }

    fn problem(&mut self, origin: Origin, what: String) {
        self.problems.0.push(Problem { origin, what });
    }
}

/// Variables of ours that are no keys.
fn is_known(name: &str) -> bool {
    name == CONFIG_VARIABLE
}

/// Names the configuration file.
pub(crate) const CONFIG_VARIABLE: &str = "SUNDOWN_CONFIG";

/// Whether Kubernetes has set it for a service that happens to be called `sundown`, or
/// `sundown-something`.
fn is_service_link(name: &str) -> bool {
    let is_port = |rest: &str| rest.starts_with(|c: char| c.is_ascii_digit());
    name.ends_with("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || name.split("_PORT_").skip(1).any(is_port)
}

/// The candidate that differs from `word` in a letter or two.
fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = candidates.map(|candidate| (distance(word, candidate), candidate)).min();
    near.filter(|(distance, _)| *distance <= 3).map(|(_, candidate)| candidate)
}

/// How many letters must be changed, added or taken away.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}
