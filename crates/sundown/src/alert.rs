//! Alerts: what an operator wants to be told while there is still a process to tell it.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::panics::quietly;
use crate::{Outcome, Report, WaiterReport};

/// Something went wrong in the shutdown.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Alert {
    /// A participant failed, panicked or timed out.
    Trouble {
        /// Its phase.
        phase: String,
        /// Itself.
        waiter: WaiterReport,
    },
    /// Owned work panicked, or failed under supervision, while the service stopped.
    WorkFailed {
        /// Its name.
        name: String,
        /// What it died of.
        error: String,
    },
    /// The process is being ended by force; this is its report.
    Forced(Box<Report>),
}

impl fmt::Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Alert::Trouble { phase, waiter } => {
                let outcome = waiter.outcome.map(Outcome::name).unwrap_or_default();
                write!(f, "{} {} in {phase}", waiter.name, outcome.replace('_', " "))?;
                waiter.detail.as_ref().map_or(Ok(()), |detail| write!(f, ": {detail}"))
            }
            Alert::WorkFailed { name, error } => write!(f, "{name} failed: {error}"),
            Alert::Forced(report) => write!(f, "{report}"),
        }
    }
}

type Callback = dyn Fn(&Alert) + Send + Sync;

/// The application's callback, if it set one.
#[derive(Clone, Default)]
pub(crate) struct AlertFn(pub(crate) Option<Arc<Callback>>);

impl AlertFn {
    pub(crate) fn is_set(&self) -> bool {
        self.0.is_some()
    }

    /// Calls it; a panic in it is logged and stops nobody.
    pub(crate) fn call(&self, alert: &Alert) {
        let Some(callback) = &self.0 else { return };
        if catch_unwind(AssertUnwindSafe(|| callback(alert))).is_err() {
            quietly(|| tracing::error!(%alert, "the alert callback panicked"));
        }
    }
}

impl fmt::Debug for AlertFn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "set" } else { "none" })
    }
}
