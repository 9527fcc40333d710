//! How well-known programs stop, as far as their environment and arguments tell.
//!
//! Only what a container is told counts: a framework's default can be changed in an image where
//! nobody sees it, and a sum made of a guess would be a false alarm.

mod spring;

use std::time::Duration;

use sundown::Builder;

use crate::container::{Container, StopBudget};
use crate::workload::duration;

/// One row of the table: what it was told, and by what.
type Told = Option<(Duration, String)>;

const FRAMEWORKS: [fn(&Container) -> Told; 8] =
    [spring::told, gunicorn, uvicorn, dotnet, quarkus, traefik, istio, linkerd];

/// The variable that every service built on Sundown reads.
const CAP_VARIABLE: &str = "GRACEFUL_SHUTDOWN_TIMEOUT";

/// A service built on Sundown that is told its cap, as it stops unless its program says otherwise.
pub(crate) fn sundown(container: &Container) -> Option<StopBudget> {
    let text = variable(container, CAP_VARIABLE)?;
    let seconds: f64 = text.trim().parse().ok()?;
    let cap = Duration::try_from_secs_f64(seconds).ok().filter(|cap| !cap.is_zero())?;
    let announce = Builder::ANNOUNCE_IN_KUBERNETES;
    let phases = match cap.checked_sub(announce) {
        Some(rest) => {
            vec![("announce".to_owned(), announce), ("drain, flush, release".to_owned(), rest)]
        }
        None => Vec::new(),
    };
    let source = CAP_VARIABLE.to_owned();
    Some(StopBudget { announce: Some(announce), phases, ..budget(cap, source) })
}

/// A program of the table.
pub(crate) fn framework(container: &Container) -> Option<StopBudget> {
    let told = FRAMEWORKS.iter().find_map(|told| told(container));
    told.map(|(cap, source)| budget(cap, source))
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
        tells_interruption: false,
    }
}

fn variable<'c>(container: &'c Container, name: &str) -> Option<&'c str> {
    container.environment.get(name)?.as_deref()
}

/// The command, also where it stands in a script: `sh -c "exec gunicorn …"`.
fn words(container: &Container) -> impl Iterator<Item = &str> {
    container.command.iter().flat_map(|word| word.split_whitespace())
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
    Some((whole_seconds(text)?, format!("gunicorn {FLAG}")))
}

fn uvicorn(container: &Container) -> Told {
    const FLAG: &str = "--timeout-graceful-shutdown";
    const VARIABLE: &str = "UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN";
    match flag(words(container), FLAG) {
        Some(text) => Some((whole_seconds(text)?, format!("uvicorn {FLAG}"))),
        None => Some((whole_seconds(variable(container, VARIABLE)?)?, VARIABLE.to_owned())),
    }
}

/// The host's `shutdownTimeoutSeconds`, by variables whose names ignore case.
fn dotnet(container: &Container) -> Told {
    const NAMES: [&str; 2] = ["DOTNET_SHUTDOWNTIMEOUTSECONDS", "ASPNETCORE_SHUTDOWNTIMEOUTSECONDS"];
    let is_it = |name: &str| NAMES.iter().any(|known| known.eq_ignore_ascii_case(name));
    let (name, value) = container.environment.iter().find(|(name, _)| is_it(name))?;
    Some((whole_seconds(value.as_deref()?)?, name.clone()))
}

/// The timeout, behind the delay where there is one.
fn quarkus(container: &Container) -> Told {
    const VARIABLE: &str = "QUARKUS_SHUTDOWN_TIMEOUT";
    let timeout = duration::parse(variable(container, VARIABLE)?)?;
    let delay = match variable(container, "QUARKUS_SHUTDOWN_DELAY") {
        Some(text) => duration::parse(text)?,
        None => Duration::ZERO,
    };
    Some((timeout.saturating_add(delay), VARIABLE.to_owned()))
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
    let longest = points.into_values().map(|(accept, grace)| accept.saturating_add(grace)).max()?;
    Some((longest, "traefik transport.lifeCycle".to_owned()))
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
        return Some((whole_seconds(text)?, VARIABLE.to_owned()));
    }
    let config: serde_json::Value =
        serde_json::from_str(variable(container, "PROXY_CONFIG")?).ok()?;
    let text = config.get("terminationDrainDuration")?.as_str()?;
    Some((duration::parse(text)?, "terminationDrainDuration".to_owned()))
}

fn linkerd(container: &Container) -> Told {
    const VARIABLE: &str = "LINKERD2_PROXY_SHUTDOWN_GRACE_PERIOD";
    Some((duration::parse(variable(container, VARIABLE)?)?, VARIABLE.to_owned()))
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
    fn a_service_of_ours_is_told_in_seconds_and_announces() {
        let told = |text| sundown(&container(&[], &[("GRACEFUL_SHUTDOWN_TIMEOUT", text)]));
        let budget = told("30").unwrap();
        assert_eq!(budget.cap, Duration::from_secs(30));
        assert_eq!(budget.announce, Some(Duration::from_secs(3)));
        assert_eq!(budget.phases.iter().map(|(_, time)| *time).sum::<Duration>(), budget.cap);
        for wrong in ["30s", "0", "-1", "", "NaN", "1e300"] {
            assert_eq!(told(wrong), None, "{wrong}");
        }
    }
}
