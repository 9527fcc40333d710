//! What is known of a container before it runs, for those who know its stop budget.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A container as its manifests describe it, with what the other documents say resolved into it.
///
/// It may hold what secrets among the files say: a text made of it must not repeat them.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Container {
    /// Its name in the pod.
    pub name: String,
    /// Its image, as it is written.
    pub image: String,
    /// `command`, with `$(NAME)` of the environment put in: what runs instead of the image's entry
    /// point.
    pub command: Vec<String>,
    /// `args`, likewise: what the command, or the image's entry point, is told.
    pub args: Vec<String>,
    /// Whether one of these words holds a `$(NAME)` whose value is not in the files.
    pub is_command_partial: bool,
    /// Its environment; `None` where the value is not in the files (a secret, a field of the pod).
    pub environment: BTreeMap<String, Option<String>>,
    /// Whether there may be more of it: a config map or a secret that is not in the files.
    pub is_environment_partial: bool,
    /// Files that config maps and secrets put into it, by path.
    pub files: BTreeMap<String, String>,
    /// Where something is mounted, and whether these files are all that is there.
    pub(crate) places: BTreeMap<String, bool>,
}

impl Container {
    /// `command` and `args`, in this order.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.command.iter().chain(&self.args).map(String::as_str)
    }

    /// Whether there is certainly no such file in the container.
    pub fn lacks_file(&self, path: &str) -> bool {
        let mut around = Path::new(path).ancestors().filter_map(Path::to_str);
        let is_known = around.find_map(|place| self.places.get(place).copied());
        is_known == Some(true) && !self.files.contains_key(path)
    }
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
    /// Whether it exits with another code than 0 when its work was interrupted, if that is known.
    pub tells_interruption: Option<bool>,
    /// The path and the port that say whether it is ready, and say no while it announces; if known.
    pub readiness: Option<(String, u16)>,
    /// The path and the port that say whether it is alive, and say yes until its end; if known.
    pub liveness: Option<(String, u16)>,
}

/// Whoever knows how some containers stop.
///
/// `None` means that it is not one of theirs, an error that it would not start.
pub type Knows<'a> = dyn Fn(&Container) -> Option<Result<StopBudget, String>> + 'a;
