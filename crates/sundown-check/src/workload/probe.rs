//! A probe, with what Kubernetes adds where it says nothing.

use std::time::Duration;

use crate::node::{Node, Value};
use crate::workload::line_of;

/// What a kubelet needs beyond the probes themselves until the network has heard of it.
const SPREADING: Duration = Duration::from_secs(1);

/// A liveness or readiness probe.
#[derive(Debug, Clone)]
pub(crate) struct Probe {
    /// The line it begins on.
    pub(crate) line: usize,
    /// The way to it.
    pub(crate) field: String,
    /// How often it asks.
    pub(crate) period: Duration,
    /// How long it waits for an answer.
    pub(crate) timeout: Duration,
    /// How often it must fail to count.
    pub(crate) failures: u32,
    /// What it asks.
    pub(crate) asks: Asks,
    /// The grace period of a container that it kills, if that is another than the pod's.
    pub(crate) grace: Option<Duration>,
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asks {
    /// A path of a port.
    Http(String, String),
    /// A command.
    Exec(Vec<String>),
    /// A service of a port.
    Grpc(String, String),
    /// Whether a port is open.
    Tcp,
    /// Nothing that is understood.
    Nothing,
}

impl Probe {
    /// The one of this name.
    pub(crate) fn of(container: &Node, name: &str, field: &str) -> Option<Probe> {
        let probe = container.get(name)?;
        let number = |key: &str, usual: u32| {
            let said = probe.get(key).and_then(Node::integer);
            said.and_then(|n| u32::try_from(n).ok()).filter(|&n| n > 0).unwrap_or(usual)
        };
        Some(Probe {
            line: line_of(container, name),
            field: format!("{field}.{name}"),
            period: Duration::from_secs(number("periodSeconds", 10).into()),
            timeout: Duration::from_secs(number("timeoutSeconds", 1).into()),
            failures: number("failureThreshold", 3),
            asks: Asks::of(probe, container),
            grace: probe
                .get("terminationGracePeriodSeconds")
                .and_then(Node::integer)
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map(Duration::from_secs),
        })
    }

    /// How long after the first "no" the pod gets no more traffic, at worst.
    pub(crate) fn withdraw(&self) -> Duration {
        self.period.saturating_mul(self.failures).saturating_add(self.timeout + SPREADING)
    }
}

impl Asks {
    /// The path and the port that are asked by HTTP. A port whose name means nothing is none.
    pub(crate) fn place(&self) -> Option<(&str, u16)> {
        match self {
            Asks::Http(path, port) => {
                Some((path.split('?').next().unwrap_or_default(), port.parse().ok()?))
            }
            Asks::Exec(_) | Asks::Grpc(..) | Asks::Tcp | Asks::Nothing => None,
        }
    }

    fn of(probe: &Node, container: &Node) -> Asks {
        let plain = |node: &Node, key: &str| match node.get(key).map(|node| &node.value) {
            Some(Value::Text(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_)) | None => {
                String::new()
            }
        };
        let port = |node: &Node| {
            let port = plain(node, "port");
            number_of(&port, container).map_or(port, |number| number.to_string())
        };
        if let Some(get) = probe.get("httpGet") {
            let path = plain(get, "path");
            return Asks::Http(format!("/{}", path.trim_start_matches('/')), port(get));
        }
        if let Some(command) = probe.at(&["exec", "command"]) {
            let words = command.list().iter().filter_map(Node::text).map(str::to_owned);
            return Asks::Exec(words.collect());
        }
        match (probe.get("grpc"), probe.get("tcpSocket")) {
            (Some(grpc), _) => Asks::Grpc(plain(grpc, "service"), port(grpc)),
            (None, Some(_)) => Asks::Tcp,
            (None, None) => Asks::Nothing,
        }
    }
}

/// The number of a port that the container names.
fn number_of(name: &str, container: &Node) -> Option<i64> {
    let ports = container.get("ports").map(Node::list).unwrap_or_default();
    let port = ports.iter().find(|port| port.get("name").and_then(Node::text) == Some(name))?;
    port.get("containerPort").and_then(Node::integer)
}
