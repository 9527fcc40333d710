//! How a coordinator is set up: budgets, phases, where reports go, whom to alert.

use std::env;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

#[cfg(doc)]
use crate::PastStop;
use crate::alert::{Alert, AlertFn};
use crate::past_stops::KEPT;
use crate::phase::Budget;
use crate::plan::{
    DEFAULT_CAP, KUBERNETES_ANNOUNCE, LONGEST, Plan, PlanError, PlannedPhase, at_most_a_year,
};
use crate::run::Run;
use crate::saved::{ReportFile, Unusable};
use crate::telling;
use crate::{Coordinator, Phase, Signal};

/// The environment variable that sets the cap, in seconds.
pub(crate) const CAP_VARIABLE: &str = "GRACEFUL_SHUTDOWN_TIMEOUT";
/// Where Kubernetes looks for a last word unless told otherwise.
const TERMINATION_LOG: &str = "/dev/termination-log";
const DEFAULT_LINGER: Duration = Duration::from_millis(500);

/// What the coordinator keeps of the builder.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) signals: Vec<Signal>,
    pub(crate) linger: Duration,
    pub(crate) tells_interrupted: bool,
    pub(crate) report_file: Option<ReportFile>,
    pub(crate) termination_message: PathBuf,
    pub(crate) alert: AlertFn,
}

/// Sets up a [`Coordinator`]. Every setting has a default that works.
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until `build`"]
pub struct Builder {
    cap: Option<Duration>,
    default_cap: Option<Duration>,
    announce: Option<Duration>,
    budgets: Vec<(Phase, Duration)>,
    added: Vec<Added>,
    signals: Option<Vec<Signal>>,
    linger: Option<Duration>,
    tells_interrupted: bool,
    report_path: Option<PathBuf>,
    keep_reports: Option<usize>,
    termination_message: Option<PathBuf>,
    alert: AlertFn,
}

#[derive(Debug)]
struct Added {
    side: Side,
    of: Phase,
    phase: Phase,
    budget: Duration,
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Before,
    After,
}

/// Why a coordinator could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The phases or budgets cannot work.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// An environment variable cannot be understood.
    #[error("{variable}=`{value}` is not {expected}")]
    Setting {
        /// Its name.
        variable: &'static str,
        /// What it says.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The report cannot be kept where it should be.
    #[error(
        "cannot keep the shutdown report in {path}: {source} (make its directory writable, or \
         choose another `report_path`)", path = path.display()
    )]
    ReportPath {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process that is alive keeps its report there.
    #[error(
        "the shutdown report in {path} belongs to {holder}, which is alive (one process per file: \
         choose another `report_path`, or stop that one first)", path = path.display(),
        holder = pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    ReportTaken {
        /// Where.
        path: PathBuf,
        /// Which process, if it is known.
        pid: Option<u32>,
    },
}

impl Builder {
    /// How long is announced in Kubernetes unless [`announce`](Self::announce) says otherwise:
    /// endpoints need that long to be withdrawn.
    pub const ANNOUNCE_IN_KUBERNETES: Duration = KUBERNETES_ANNOUNCE;

    /// The time the whole plan has, from the cause to the end, whatever the environment says. By
    /// default it is `GRACEFUL_SHUTDOWN_TIMEOUT` seconds, else the
    /// [`default_cap`](Self::default_cap), else 600 s. In Kubernetes it must fit, with the
    /// preStop hook and a margin, into the grace period of the pod.
    pub fn cap(mut self, cap: Duration) -> Self {
        self.cap = Some(cap);
        self
    }

    /// The cap when `GRACEFUL_SHUTDOWN_TIMEOUT` says nothing: the program proposes, the operator
    /// decides.
    pub fn default_cap(mut self, cap: Duration) -> Self {
        self.default_cap = Some(cap);
        self
    }

    /// How long to announce before draining, so that whoever balances load looks away first. By
    /// default 3 s in Kubernetes and nothing elsewhere; SIGINT never waits for it.
    pub fn announce(mut self, announce: Duration) -> Self {
        self.announce = Some(announce);
        self
    }

    /// What is kept back of a cap for the last words: report, alerts. The fixed budgets and this
    /// must be less than the cap.
    pub fn reserve_of(cap: Duration) -> Duration {
        crate::plan::reserve_of(cap)
    }

    /// Gives a phase a fixed budget. By default `flush` and `release` have 5 s each, and less where
    /// the cap is short. A phase in which nobody takes part leaves its time to `drain`.
    pub fn budget(mut self, phase: Phase, budget: Duration) -> Self {
        self.budgets.push((phase, budget));
        self
    }

    /// Adds a phase with a fixed budget right before another one.
    pub fn phase_before(mut self, of: Phase, phase: Phase, budget: Duration) -> Self {
        self.added.push(Added { side: Side::Before, of, phase, budget });
        self
    }

    /// Adds a phase with a fixed budget right after another one; of several added after the same
    /// one, the last comes first.
    pub fn phase_after(mut self, of: Phase, phase: Phase, budget: Duration) -> Self {
        self.added.push(Added { side: Side::After, of, phase, budget });
        self
    }

    /// The signals that ask the process to stop; by default [`Signal::ALL`]. A SIGHUP that the
    /// process was started to ignore, by `nohup` for one, stays ignored.
    pub fn signals(mut self, signals: impl IntoIterator<Item = Signal>) -> Self {
        self.signals = Some(signals.into_iter().collect());
        self
    }

    /// How long the process may take to be gone once the plan has ended; by default 500 ms. What
    /// holds it longer, a leaked blocking call for one, is cut off, and the exit code stays.
    pub fn linger(mut self, linger: Duration) -> Self {
        self.linger = Some(linger);
        self
    }

    /// Exits with 143 instead of 0 when work was handed back. A Kubernetes Job that exits 0 counts
    /// as finished, interrupted or not.
    pub fn exit_143_when_interrupted(mut self) -> Self {
        self.tells_interrupted = true;
        self
    }

    /// Keeps the report in this file, from the first [`check`](Coordinator::check) that succeeds on,
    /// or from [`run`](Coordinator::run). The next process finds it as
    /// [`previous_report`](Coordinator::previous_report), and finds out when there should be one and
    /// is not. One process per file: a file of the same name that ends in `.lock` says whose it is.
    pub fn report_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.report_path = Some(path.into());
        self
    }

    /// How many reports of earlier processes are kept, in a directory beside the report file whose
    /// name ends in `.d`; by default 20. [`PastStop::all`] reads them.
    pub fn keep_reports(mut self, most: usize) -> Self {
        self.keep_reports = Some(most);
        self
    }

    /// Where one line about the stop is left if the file exists; by default
    /// `/dev/termination-log`, where Kubernetes looks.
    pub fn termination_message(mut self, path: impl Into<PathBuf>) -> Self {
        self.termination_message = Some(path.into());
        self
    }

    /// Calls this for everything that goes wrong: a failed, panicked or timed-out participant,
    /// owned work that failed, an exit by force. It may block; its panics are caught. The end of the
    /// plan waits for it, 5 s at most; at the cap it has 1 % of it and no more than 125 ms, after a
    /// third signal 40 ms.
    pub fn on_alert(mut self, alert: impl Fn(&Alert) + Send + Sync + 'static) -> Self {
        self.alert = AlertFn(Some(Arc::new(alert)));
        self
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// Budgets that exceed the cap, phases that do not exist or exist twice, an environment
    /// variable that makes no sense, a report file that cannot be written or that another process
    /// keeps.
    pub fn build(self) -> Result<Arc<Coordinator>, BuildError> {
        let plan = self.plan()?;
        let linger = self.linger.unwrap_or(DEFAULT_LINGER);
        at_most_a_year(|| "a linger".to_owned(), linger)?;
        let (report_file, previous) = match self.report_path {
            None => (None, None),
            Some(path) => ReportFile::open(path.clone(), self.keep_reports.unwrap_or(KEPT))
                .map(|(file, previous)| (Some(file), previous))
                .map_err(|unusable| match unusable {
                    Unusable::Taken(pid) => BuildError::ReportTaken { path, pid },
                    Unusable::Io(source) => BuildError::ReportPath { path, source },
                })?,
        };
        if let Some(previous) = &previous {
            telling::previous(previous);
        }
        let settings = Settings {
            signals: self.signals.unwrap_or_else(|| Signal::ALL.to_vec()),
            linger,
            tells_interrupted: self.tells_interrupted,
            report_file,
            termination_message: self
                .termination_message
                .unwrap_or_else(|| PathBuf::from(TERMINATION_LOG)),
            alert: self.alert,
        };
        Ok(Coordinator::new(settings, Run::new(plan), previous))
    }

    fn plan(&self) -> Result<Plan, BuildError> {
        let cap = match self.cap {
            Some(cap) => cap,
            None => {
                let variable = env::var_os(CAP_VARIABLE).map(|v| v.to_string_lossy().into_owned());
                cap_from(variable, self.default_cap.unwrap_or(DEFAULT_CAP))?
            }
        };
        let in_kubernetes = env::var_os("KUBERNETES_SERVICE_HOST").is_some();
        let usual = if in_kubernetes { KUBERNETES_ANNOUNCE } else { Duration::ZERO };
        let announce = self.announce.map_or(Budget::Usual(usual), Budget::Fixed);
        let mut plan = Plan::standard(cap, announce);
        for Added { side, of, phase, budget } in &self.added {
            if plan.position(phase).is_some() {
                return Err(PlanError::DuplicatePhase { phase: phase.to_string() }.into());
            }
            let place = match side {
                Side::Before => plan.find(of, phase.name())?,
                Side::After => plan.find(of, phase.name())? + 1,
            };
            let budget = Budget::Fixed(*budget);
            plan.phases.insert(place, PlannedPhase { phase: phase.clone(), budget, members: 0 });
        }
        for (phase, budget) in &self.budgets {
            let place = plan.find(phase, "budget")?;
            plan.phases[place].budget = Budget::Fixed(*budget);
        }
        plan.check_budgets()?;
        Ok(plan)
    }
}

fn cap_from(value: Option<String>, default: Duration) -> Result<Duration, BuildError> {
    let Some(value) = value else { return Ok(default) };
    let seconds = value.trim().parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    seconds.filter(|cap| !cap.is_zero() && *cap <= LONGEST).ok_or(BuildError::Setting {
        variable: CAP_VARIABLE,
        value,
        expected: "a number of seconds above 0 and at most a year, like 30",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cap_variable_is_seconds_and_nothing_else() {
        let cap = |text: &str| cap_from(Some(text.to_owned()), DEFAULT_CAP);
        let secs = |text: &str| cap(text).map(|cap| cap.as_secs_f64()).ok();
        assert_eq!(cap_from(None, DEFAULT_CAP).ok(), Some(DEFAULT_CAP));
        assert_eq!(secs("30"), Some(30.0));
        assert_eq!(secs(" 0.5 "), Some(0.5));
        for wrong in ["", "0", "-1", "30s", "NaN", "inf", "1e300", "1000000000"] {
            assert_eq!(secs(wrong), None, "{wrong:?}");
        }
        let error = cap("soon").unwrap_err().to_string();
        assert!(error.contains("GRACEFUL_SHUTDOWN_TIMEOUT=`soon`"), "{error}");
    }
}
