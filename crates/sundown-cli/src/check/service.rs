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

/// The variable that every service built on the library obeys.
const TIMEOUT: &str = "GRACEFUL_SHUTDOWN_TIMEOUT";

/// What the service in this container would do, read as the service itself reads it; an error if it
/// would not start.
pub(crate) fn budget(container: &Container) -> Option<Result<StopBudget, String>> {
    let given = match args::parse(arguments(container)?.iter().map(OsString::from)) {
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
    Some(loaded.map(|loaded| of(&loaded)).map_err(|problems| problems.to_string()))
}

/// What stands behind the program's name, if the program is this one.
fn arguments(container: &Container) -> Option<Vec<String>> {
    let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let program = container.command.first();
    if program.is_some_and(|program| last(program) == "sundown") {
        return Some(container.command[1..].to_vec());
    }
    let image = last(&container.image);
    let is_ours = image.split([':', '@']).next() == Some("sundown");
    match program {
        // As the image's own command says.
        None if is_ours => Some(vec!["serve".to_owned()]),
        // Only arguments, to the image's entry point.
        Some(first) if is_ours && !first.starts_with('/') => Some(container.command.clone()),
        Some(_) | None => None,
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

/// A configuration that comes with the image or a secret may say anything.
fn reads_an_unknown_file(container: &Container, given: &Given) -> bool {
    let is_unknown = |path: String| !container.files.contains_key(&path);
    config_path(container, given).is_some_and(is_unknown)
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

fn of(loaded: &Loaded) -> StopBudget {
    let (config, budgets) = (&loaded.config, loaded.budgets);
    let cap = config.shutdown.timeout.0;
    let fixed = budgets.announce + budgets.flush + budgets.release + budgets.reserve;
    let phases = [
        ("announce", budgets.announce),
        ("drain", cap.saturating_sub(fixed)),
        ("flush", budgets.flush),
        ("release", budgets.release),
        ("last words", budgets.reserve),
    ];
    let phases = phases.into_iter().filter(|(_, time)| !time.is_zero());
    let source = match loaded.origin("shutdown.timeout") {
        Origin::Default => format!("the default of {TIMEOUT}"),
        origin => origin.to_string(),
    };
    let is_told = |key: &str| loaded.origin(key) != Origin::Default;
    let told = |key: &str, time: Duration| is_told(key).then_some(time);
    StopBudget {
        cap,
        // A service that stays ready takes nothing back by its probe.
        announce: (!config.admin.hold_readiness).then_some(budgets.announce),
        phases: phases.map(|(name, time)| (name.to_owned(), time)).collect(),
        source,
        told_grace: config.pod.grace.0.map(|grace| grace.0),
        told_prestop: told("pod.prestop", config.pod.prestop.0),
        tells_interruption: config.shutdown.exit_143_when_interrupted,
    }
}
