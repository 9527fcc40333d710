//! How a container that runs this binary stops: its own configuration says so.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use sundown_check::{Container, StopBudget};

use crate::args::{self, Command, Given};
use crate::config::{CONFIG_VARIABLE, Key, Loaded, Origin, load_from};

/// Stands for a secret that is not among the manifests.
const A_SECRET: &str = "not-among-the-manifests";

/// The words that the image's entry point is told.
const COMMANDS: [&str; 9] =
    ["serve", "check", "plan", "config", "demo", "tasks", "help", "version", "--help"];

/// The variable that every service built on the library obeys.
const TIMEOUT: &str = "GRACEFUL_SHUTDOWN_TIMEOUT";

/// What the service in this container would do, read as the service itself reads it; an error if it
/// would not start.
pub(crate) fn budget(container: &Container) -> Option<Result<StopBudget, String>> {
    let arguments = match arguments(container)? {
        Ok(arguments) => arguments,
        Err(refusal) => return Some(Err(refusal)),
    };
    // What it is told may be anything then.
    if container.is_command_partial {
        return None;
    }
    let given = match args::parse(arguments.iter().map(OsString::from)) {
        Ok(Command::Serve(given)) => given,
        // Another command of the binary, which waits for nothing.
        Ok(_) => return None,
        Err(error) => return Some(Err(error)),
    };
    if reads_an_unknown_file(container, &given) {
        return None;
    }
    let read = |path: &Path| match path.to_str().and_then(|path| container.files.get(path)) {
        Some(text) => Ok(text.clone()),
        None if is_config(container, &given, path) => Err(io::ErrorKind::NotFound.into()),
        None => Ok(A_SECRET.to_owned()),
    };
    let loaded = load_from(&read, given.file.as_deref(), environment(container), &given.flags);
    match loaded {
        Ok(loaded) => Seen { container, loaded: &loaded }.budget().map(Ok),
        // What is not seen may be what would let it start.
        Err(_) if container.is_environment_partial || has_unknown_keys(container) => None,
        Err(problems) => Some(Err(problems.to_string())),
    }
}

/// Whether something is set to what nobody sees. A secret may be anything, as long as it is there.
fn has_unknown_keys(container: &Container) -> bool {
    let is_unknown = |key: &str| container.environment.get(key) == Some(&None);
    Key::all().any(|key| !key.is_secret && is_unknown(&key.env()))
}

/// What stands behind the program's name, if the program is this one; an error if there is none of
/// the name.
fn arguments(container: &Container) -> Option<Result<Vec<String>, String>> {
    let image = last(&container.image);
    let is_ours = image.split([':', '@']).next() == Some("sundown");
    let Some((program, rest)) = unwrapped(&container.command).split_first() else {
        let is_told = !container.args.is_empty();
        let usual = || vec!["serve".to_owned()];
        // Arguments alone go to the image's entry point; without them its own command does.
        return is_ours.then(|| Ok(if is_told { container.args.clone() } else { usual() }));
    };
    if last(program) == "sundown" {
        return Some(Ok(rest.iter().chain(&container.args).cloned().collect()));
    }
    let is_command = is_ours && COMMANDS.contains(&program.as_str());
    is_command.then(|| {
        Err(format!(
            "`command` replaces the image's entry point, and there is no program `{program}` \
             (give it as `args`)"
        ))
    })
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// The command that a small init passes signals to, or the command itself.
fn unwrapped(command: &[String]) -> &[String] {
    const INITS: [&str; 3] = ["tini", "dumb-init", "catatonit"];
    // Those that change neither the signals nor the exit code.
    const FLAGS: [&str; 9] = ["-s", "-g", "-w", "-v", "-vv", "-vvv", "-c", "--verbose", "--"];
    match command.split_first() {
        Some((init, rest)) if INITS.contains(&last(init)) => {
            let flags = rest.iter().take_while(|word| FLAGS.contains(&word.as_str())).count();
            &rest[flags..]
        }
        Some(_) | None => command,
    }
}

/// The configuration's path as flag or variable have it.
fn config_path(container: &Container, given: &Given) -> Option<String> {
    let by_variable = || container.environment.get(CONFIG_VARIABLE)?.clone();
    let by_flag = given.file.as_ref().map(|path| path.display().to_string());
    by_flag.or_else(by_variable).filter(|path| !path.is_empty())
}

fn is_config(container: &Container, given: &Given, path: &Path) -> bool {
    config_path(container, given).is_some_and(|config| Path::new(&config) == path)
}

/// A configuration that comes with the image, or from what is not in the files, may say anything; so
/// may one of which the name is not known.
fn reads_an_unknown_file(container: &Container, given: &Given) -> bool {
    let is_unnamed = given.file.is_none()
        && match container.environment.get(CONFIG_VARIABLE) {
            Some(path) => path.is_none(),
            None => false,
        };
    let is_unknown =
        |path: String| !container.files.contains_key(&path) && !container.lacks_file(&path);
    is_unnamed || config_path(container, given).is_some_and(is_unknown)
}

/// The environment as far as it is known, with what every pod has. A name that is not one of the
/// service's keys is refused whatever its value is.
fn environment(container: &Container) -> Vec<(OsString, OsString)> {
    let known = container.environment.iter().filter_map(|(name, value)| {
        let may_be_any = || Key::all().all(|key| key.is_secret || key.env() != *name);
        let value = value.clone().or_else(|| may_be_any().then(|| A_SECRET.to_owned()))?;
        Some((name.into(), value.into()))
    });
    known.chain([("KUBERNETES_SERVICE_HOST".into(), "10.0.0.1".into())]).collect()
}

/// A configuration, and what of it is certain.
struct Seen<'s> {
    container: &'s Container,
    loaded: &'s Loaded,
}

impl Seen<'_> {
    /// Whether nothing that is not seen can have set this key to something else.
    fn is_certain(&self, path: &str) -> bool {
        let env = Key::all().find(|key| key.path() == path).map(Key::env);
        let told = env.and_then(|env| self.container.environment.get(&env));
        match (self.loaded.origin(path), told) {
            // Nothing stands above a flag, and a variable of the container above all of a source.
            (Origin::Flag(_), _) | (_, Some(Some(_))) => true,
            (_, Some(None)) => false,
            (_, None) => !self.container.is_environment_partial,
        }
    }

    /// The value of a key, if it is certain.
    fn certain<T>(&self, path: &str, value: T) -> Option<T> {
        self.is_certain(path).then_some(value)
    }

    /// How it stops; nothing if its cap may be another one.
    fn budget(&self) -> Option<StopBudget> {
        let (config, budgets) = (&self.loaded.config, self.loaded.budgets);
        let cap = self.certain("shutdown.timeout", config.shutdown.timeout.0)?;
        let source = match self.loaded.origin("shutdown.timeout") {
            Origin::Default => format!("the default of {TIMEOUT}"),
            origin => origin.to_string(),
        };
        let is_told = |key: &str| self.loaded.origin(key) != Origin::Default;
        let told = |key: &str, time: Duration| self.certain(key, time).filter(|_| is_told(key));
        let port = self.certain("admin.listen", config.admin.listen.port());
        let on = |path: &str| Some((path.to_owned(), port?));
        // A service that stays ready takes nothing back by its probe.
        let flips =
            self.certain("admin.hold_readiness", config.admin.hold_readiness) == Some(false);
        let announce = self.certain("shutdown.announce", budgets.announce);
        let exits_143 = config.shutdown.exit_143_when_interrupted;
        Some(StopBudget {
            cap,
            announce: announce.filter(|_| flips),
            phases: self.phases(cap),
            source,
            told_grace: config.pod.grace.0.and_then(|grace| told("pod.grace", grace.0)),
            told_prestop: told("pod.prestop", config.pod.prestop.0),
            tells_interruption: self.certain("shutdown.exit_143_when_interrupted", exits_143),
            readiness: on("/readyz"),
            liveness: on("/healthz"),
        })
    }

    /// What takes place within the cap; nothing if a part of it may take another time.
    fn phases(&self, cap: Duration) -> Vec<(String, Duration)> {
        let keys = ["shutdown.announce", "shutdown.flush", "shutdown.release"];
        if !keys.into_iter().all(|key| self.is_certain(key)) {
            return Vec::new();
        }
        let budgets = self.loaded.budgets;
        let fixed = budgets.announce + budgets.flush + budgets.release + budgets.reserve;
        let phases = [
            ("announce", budgets.announce),
            ("drain", cap.saturating_sub(fixed)),
            ("flush", budgets.flush),
            ("release", budgets.release),
            ("last words", budgets.reserve),
        ];
        let phases = phases.into_iter().filter(|(_, time)| !time.is_zero());
        phases.map(|(name, time)| (name.to_owned(), time)).collect()
    }
}
