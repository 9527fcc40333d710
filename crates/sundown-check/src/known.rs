//! How well-known programs stop, as far as their environment and arguments tell.
//!
//! Only what a container is told counts: a framework's default can be changed in an image where
//! nobody sees it, and a sum made of a guess would be a false alarm.

mod spring;

use std::time::Duration;

use crate::container::{Container, StopBudget};
use crate::workload::duration;

/// One row of the table: what it was told, and by what.
type Told = Option<Knowledge>;

/// What a program was told.
#[derive(Debug, PartialEq)]
struct Knowledge {
    cap: Duration,
    source: String,
    /// For how long of it it serves, if that is known. Nothing: it closes its listener at once.
    announce: Option<Duration>,
}

const FRAMEWORKS: [fn(&Container) -> Told; 8] =
    [spring::told, gunicorn, uvicorn, dotnet, quarkus, traefik, istio, linkerd];

/// The variable that every service built on Sundown reads.
pub(crate) const CAP_VARIABLE: &str = "GRACEFUL_SHUTDOWN_TIMEOUT";

/// Who means more is thought to mean milliseconds, unless the grace period holds it.
pub(crate) const LONGEST_USUAL: Duration = Duration::from_secs(60 * 60);

/// A service that is told its cap as one built on Sundown is. That it announces is not said: others
/// read a variable of this name, too.
pub(crate) fn sundown(container: &Container) -> Option<StopBudget> {
    let text = variable(container, CAP_VARIABLE)?;
    let seconds: f64 = text.trim().parse().ok()?;
    let cap = Duration::try_from_secs_f64(seconds).ok().filter(|cap| !cap.is_zero())?;
    Some(budget(cap, CAP_VARIABLE.to_owned()))
}

/// A program of the table.
pub(crate) fn framework(container: &Container) -> Option<StopBudget> {
    let told = FRAMEWORKS.iter().find_map(|told| told(container))?;
    Some(StopBudget { announce: told.announce, ..budget(told.cap, told.source) })
}

/// A server that stops listening as soon as it gets SIGTERM.
fn at_once(cap: Duration, source: impl Into<String>) -> Told {
    Some(Knowledge { cap, source: source.into(), announce: Some(Duration::ZERO) })
}

/// A program of which it is not known for how long it listens.
fn sometime(cap: Duration, source: impl Into<String>) -> Told {
    Some(Knowledge { cap, source: source.into(), announce: None })
}

/// A budget of which nothing but the cap is known.
pub(crate) fn budget(cap: Duration, source: String) -> StopBudget {
    StopBudget {
        cap,
        announce: None,
        phases: Vec::new(),
        source,
        told_grace: None,
        told_prestop: None,
        tells_interruption: None,
        readiness: None,
        liveness: None,
    }
}

fn variable<'c>(container: &'c Container, name: &str) -> Option<&'c str> {
    container.environment.get(name)?.as_deref()
}

/// The command, also where it stands in a script: `sh -c "exec gunicorn …"`.
fn words(container: &Container) -> impl Iterator<Item = &str> {
    container.words().flat_map(str::split_whitespace)
}

/// The value of `--flag VALUE` or `--flag=VALUE`; the last one counts.
fn flag<'w>(words: impl Iterator<Item = &'w str>, flag: &str) -> Option<&'w str> {
    let mut value = None;
    let mut is_next = false;
    for word in words {
        if is_next {
            value = Some(word);
        }
        is_next = word == flag;
        value = word.strip_prefix(flag).and_then(|rest| rest.strip_prefix('=')).or(value);
    }
    value.map(|value| value.trim_matches(['"', '\'', ';']))
}

fn whole_seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

/// `--graceful-timeout`; `--timeout` and `-t` are about workers that hang, not about stopping.
fn gunicorn(container: &Container) -> Told {
    const FLAG: &str = "--graceful-timeout";
    let is_it = |word: &str| word.rsplit('/').next() == Some("gunicorn");
    let more = variable(container, "GUNICORN_CMD_ARGS");
    if !words(container).any(is_it) && more.is_none() && !container.image.contains("gunicorn") {
        return None;
    }
    let text = flag(words(container), FLAG)
        .or_else(|| flag(more.unwrap_or_default().split_whitespace(), FLAG))?;
    // Its arbiter closes the listeners before it tells the workers.
    at_once(whole_seconds(text)?, format!("gunicorn {FLAG}"))
}

/// Its shutdown begins with closing the servers.
fn uvicorn(container: &Container) -> Told {
    const FLAG: &str = "--timeout-graceful-shutdown";
    const VARIABLE: &str = "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN";
    match flag(words(container), FLAG) {
        Some(text) => at_once(whole_seconds(text)?, format!("uvicorn {FLAG}")),
        None => at_once(whole_seconds(variable(container, VARIABLE)?)?, VARIABLE),
    }
}

/// The host's `shutdownTimeoutSeconds`, by variables whose names ignore case. What is hosted may
/// wait before its server is stopped.
fn dotnet(container: &Container) -> Told {
    const NAMES: [&str; 2] = ["DOTNET_SHUTDOWNTIMEOUTSECONDS", "ASPNETCORE_SHUTDOWNTIMEOUTSECONDS"];
    let is_it = |name: &str| NAMES.iter().any(|known| known.eq_ignore_ascii_case(name));
    let (name, value) = container.environment.iter().find(|(name, _)| is_it(name))?;
    sometime(whole_seconds(value.as_deref()?)?, name.clone())
}

/// The timeout, behind the delay where there is one, in which it serves if it was built to.
fn quarkus(container: &Container) -> Told {
    const VARIABLE: &str = "QUARKUS_SHUTDOWN_TIMEOUT";
    let timeout = duration::parse(variable(container, VARIABLE)?)?;
    let delay = match container.environment.get("QUARKUS_SHUTDOWN_DELAY") {
        Some(text) => duration::parse(text.as_deref()?)?,
        None if container.is_environment_partial => return None,
        None => Duration::ZERO,
    };
    sometime(timeout.saturating_add(delay), VARIABLE)
}

/// What an entry point's life cycle says, by arguments or variables. The entry points stop side by
/// side, so the longest counts; one that is told only half keeps the other half's default.
fn traefik(container: &Container) -> Told {
    const ACCEPT: &str = ".transport.lifecycle.requestacceptgracetimeout";
    const GRACE: &str = ".transport.lifecycle.gracetimeout";
    const USUAL_GRACE: Duration = Duration::from_secs(10);
    let arguments = words(container).filter_map(|word| {
        let (name, value) = word.strip_prefix("--")?.split_once('=')?;
        Some((name.to_lowercase(), value))
    });
    let variables = container.environment.iter().filter_map(|(name, value)| {
        let name = name.strip_prefix("TRAEFIK_")?.to_lowercase().replace('_', ".");
        Some((name, value.as_deref()?))
    });
    let mut points = std::collections::BTreeMap::new();
    for (name, value) in arguments.chain(variables) {
        let Some(name) = name.strip_prefix("entrypoints.") else { continue };
        let is_accept = name.ends_with(ACCEPT);
        let Some(point) = name.strip_suffix(if is_accept { ACCEPT } else { GRACE }) else {
            continue;
        };
        let times = points.entry(point.to_owned()).or_insert((Duration::ZERO, USUAL_GRACE));
        let time = if is_accept { &mut times.0 } else { &mut times.1 };
        *time = duration::parse(value)?;
    }
    let closes_at_once = points.values().any(|(accept, _)| accept.is_zero());
    let longest = points.into_values().map(|(accept, grace)| accept.saturating_add(grace)).max()?;
    let told = if closes_at_once { at_once } else { sometime };
    told(longest, "traefik transport.lifeCycle".to_owned())
}

/// The mesh's proxy, unless it waits for its connections however long they take.
fn istio(container: &Container) -> Told {
    const VARIABLE: &str = "TERMINATION_DRAIN_DURATION_SECONDS";
    let is_proxy = container.name == "istio-proxy" || container.image.contains("/proxyv2");
    let waits = variable(container, "EXIT_ON_ZERO_ACTIVE_CONNECTIONS") == Some("true");
    if !is_proxy || waits {
        return None;
    }
    if let Some(text) = variable(container, VARIABLE) {
        return sometime(whole_seconds(text)?, VARIABLE);
    }
    let config: serde_json::Value =
        serde_json::from_str(variable(container, "PROXY_CONFIG")?).ok()?;
    let text = config.get("terminationDrainDuration")?.as_str()?;
    sometime(duration::parse(text)?, "terminationDrainDuration")
}

fn linkerd(container: &Container) -> Told {
    const VARIABLE: &str = "LINKERD2_PROXY_SHUTDOWN_GRACE_PERIOD";
    sometime(duration::parse(variable(container, VARIABLE)?)?, VARIABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn container(command: &[&str], environment: &[(&str, &str)]) -> Container {
        let known = |&(name, value): &(&str, &str)| (name.to_owned(), Some(value.to_owned()));
        Container {
            name: "istio-proxy".to_owned(),
            command: command.iter().map(|&word| word.to_owned()).collect(),
            environment: environment.iter().map(known).collect(),
            ..Container::default()
        }
    }

    fn cap(command: &[&str], environment: &[(&str, &str)]) -> Option<u64> {
        framework(&container(command, environment)).map(|budget| budget.cap.as_secs())
    }

    #[test]
    fn frameworks_are_told_by_arguments() {
        let cases: [(&[&str], Option<u64>); 9] = [
            (&["gunicorn", "--graceful-timeout", "40", "app:app"], Some(40)),
            (&["sh", "-c", "exec /venv/bin/gunicorn --graceful-timeout=40 app"], Some(40)),
            (&["gunicorn", "-t", "120", "app:app"], None),
            (&["other", "--graceful-timeout", "40"], None),
            (&["uvicorn", "--timeout-graceful-shutdown", "25", "app:app"], Some(25)),
            (&["uvicorn", "app:app"], None),
            (&["--entryPoints.web.transport.lifeCycle.graceTimeOut=20s"], Some(20)),
            (&["--entrypoints.web.transport.lifecycle.requestAcceptGraceTimeout=15"], Some(25)),
            (&["--entrypoints.web.address=:80"], None),
        ];
        for (command, expected) in cases {
            assert_eq!(cap(command, &[]), expected, "{command:?}");
        }
    }

    #[test]
    fn frameworks_are_told_by_variables() {
        type Told = &'static [(&'static str, &'static str)];
        let cases: [(Told, Option<u64>); 9] = [
            (&[("GUNICORN_CMD_ARGS", "--workers 4 --graceful-timeout=50")], Some(50)),
            (&[("UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN", "20")], Some(20)),
            (&[("DOTNET_shutdownTimeoutSeconds", "60")], Some(60)),
            (&[("QUARKUS_SHUTDOWN_TIMEOUT", "PT10S"), ("QUARKUS_SHUTDOWN_DELAY", "5s")], Some(15)),
            (&[("PROXY_CONFIG", "{\"terminationDrainDuration\":\"20s\"}")], Some(20)),
            (&[("TERMINATION_DRAIN_DURATION_SECONDS", "7")], Some(7)),
            (&[("LINKERD2_PROXY_SHUTDOWN_GRACE_PERIOD", "1m")], Some(60)),
            (&[("TRAEFIK_ENTRYPOINTS_WEB_TRANSPORT_LIFECYCLE_GRACETIMEOUT", "30")], Some(30)),
            (&[("QUARKUS_SHUTDOWN_TIMEOUT", "soon")], None),
        ];
        for (environment, expected) in cases {
            assert_eq!(cap(&[], environment), expected, "{environment:?}");
        }
        let waits = [
            ("TERMINATION_DRAIN_DURATION_SECONDS", "7"),
            ("EXIT_ON_ZERO_ACTIVE_CONNECTIONS", "true"),
        ];
        assert_eq!(cap(&[], &waits), None);
    }

    #[test]
    fn a_delay_that_is_not_seen_is_not_nothing() {
        let cap = |container: &Container| framework(container).map(|budget| budget.cap.as_secs());
        let mut told = container(&[], &[("QUARKUS_SHUTDOWN_TIMEOUT", "10s")]);
        assert_eq!(cap(&told), Some(10));
        told.is_environment_partial = true;
        assert_eq!(cap(&told), None);
        told.is_environment_partial = false;
        told.environment.insert("QUARKUS_SHUTDOWN_DELAY".to_owned(), None);
        assert_eq!(cap(&told), None);
    }

    #[test]
    fn who_closes_at_once_is_known_to() {
        let announce = |command: &[&str]| {
            framework(&container(command, &[])).and_then(|budget| budget.announce)
        };
        let at_once = Some(Duration::ZERO);
        assert_eq!(announce(&["gunicorn", "--graceful-timeout=40"]), at_once);
        assert_eq!(announce(&["uvicorn", "--timeout-graceful-shutdown=25"]), at_once);
        assert_eq!(announce(&["java", "--server.shutdown=graceful"]), at_once);
        let entry_point = "--entrypoints.web.transport.lifecycle";
        assert_eq!(announce(&[&format!("{entry_point}.gracetimeout=20s")]), at_once);
        assert_eq!(announce(&[&format!("{entry_point}.requestacceptgracetimeout=5s")]), None);
    }

    #[test]
    fn a_variable_of_our_name_tells_a_cap_and_no_more() {
        let told = |text| sundown(&container(&[], &[("GRACEFUL_SHUTDOWN_TIMEOUT", text)]));
        let budget = told("30").unwrap();
        assert_eq!(budget.cap, Duration::from_secs(30));
        assert_eq!((budget.announce, budget.phases), (None, Vec::new()));
        for wrong in ["30s", "0", "-1", "", "NaN", "1e300"] {
            assert_eq!(told(wrong), None, "{wrong}");
        }
    }
}
