//! Why a shutdown began: a signal, a request with a reason, or a failed component.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why the shutdown began. The first cause wins and never changes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The process received this signal.
    Signal {
        /// Which one.
        signal: Signal,
    },
    /// Somebody asked for it: an endpoint, a supervisor, the program itself.
    Requested {
        /// What they gave as the reason.
        reason: String,
    },
    /// A component that the service cannot live without failed or panicked.
    Failed {
        /// Its name.
        component: String,
        /// What it died of.
        error: String,
    },
}

impl Cause {
    /// A request, with its reason.
    pub fn requested(reason: impl Into<String>) -> Self {
        Cause::Requested { reason: reason.into() }
    }

    /// The failure of a component.
    pub fn failed(component: impl Into<String>, error: impl fmt::Display) -> Self {
        Cause::Failed { component: component.into(), error: error.to_string() }
    }

    /// Whether a person at a terminal is waiting: nobody needs an announcement then.
    pub(crate) fn is_interactive(&self) -> bool {
        matches!(self, Cause::Signal { signal: Signal::Int })
    }
}

impl From<Signal> for Cause {
    fn from(signal: Signal) -> Self {
        Cause::Signal { signal }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::Signal { signal } => signal.fmt(f),
            Cause::Requested { reason } => write!(f, "requested: {reason}"),
            Cause::Failed { component, error } => write!(f, "{component} failed: {error}"),
        }
    }
}

/// A signal that asks a process to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Signal {
    /// What Kubernetes, systemd and `kill` send.
    #[serde(rename = "SIGTERM")]
    Term,
    /// Ctrl-C: a person at a terminal.
    #[serde(rename = "SIGINT")]
    Int,
    /// Ctrl-\: by default it would dump core.
    #[serde(rename = "SIGQUIT")]
    Quit,
    /// The terminal went away.
    #[serde(rename = "SIGHUP")]
    Hup,
}

impl Signal {
    /// Every signal that can start a shutdown, and the default set.
    pub const ALL: [Signal; 4] = [Signal::Term, Signal::Int, Signal::Quit, Signal::Hup];

    /// Its usual name, `SIGTERM` for one.
    pub fn name(self) -> &'static str {
        match self {
            Signal::Term => "SIGTERM",
            Signal::Int => "SIGINT",
            Signal::Quit => "SIGQUIT",
            Signal::Hup => "SIGHUP",
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
