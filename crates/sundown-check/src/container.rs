//! What is known of a container before it runs, for those who know its stop budget.

use std::collections::BTreeMap;
use std::time::Duration;

/// A container as its manifests describe it, with what the other documents say resolved into it.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Container {
    /// Its name in the pod.
    pub name: String,
    /// Its image, as it is written.
    pub image: String,
    /// `command` and `args`, in this order, with `$(NAME)` of the environment put in.
    pub command: Vec<String>,
    /// Its environment; `None` where the value is not in the files (a secret, a field of the pod).
    pub environment: BTreeMap<String, Option<String>>,
    /// Files that config maps put into it, by path.
    pub files: BTreeMap<String, String>,
}

/// How a container stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopBudget {
    /// At most so long after SIGTERM it is gone.
    pub cap: Duration,
    /// For so long of it, if that is known, it still serves and says it is not ready.
    pub announce: Option<Duration>,
    /// What takes place within the cap, in order, for the timeline; may be empty.
    pub phases: Vec<(String, Duration)>,
    /// Where this is known from: `GRACEFUL_SHUTDOWN_TIMEOUT`.
    pub source: String,
    /// What it believes its grace period is, if it was told.
    pub told_grace: Option<Duration>,
    /// What it believes its preStop hook takes, if it was told.
    pub told_prestop: Option<Duration>,
    /// Whether it exits with another code than 0 when its work was interrupted.
    pub tells_interruption: bool,
}

/// Whoever knows how some containers stop.
///
/// `None` means that it is not one of theirs, an error that it would not start.
pub type Knows<'a> = dyn Fn(&Container) -> Option<Result<StopBudget, String>> + 'a;
