//! Phases: the named stages of a shutdown, their budgets, and the way to follow them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

/// A named stage of the shutdown. Phases run one after the other, in the order of the plan.
///
/// Every plan has the four standard ones. An application adds its own with
/// [`Builder::phase_before`](crate::Builder::phase_before) and
/// [`Builder::phase_after`](crate::Builder::phase_after); a reusable layer names standard phases
/// only, so that layers compose.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Phase(Cow<'static, str>);

impl Phase {
    /// Tell the world: readiness is off, the service still accepts what is under way to it.
    pub const ANNOUNCE: Phase = Phase(Cow::Borrowed("announce"));
    /// Finish what was begun. Its time is what the other phases leave of the cap.
    pub const DRAIN: Phase = Phase(Cow::Borrowed("drain"));
    /// Put in safety what must not be lost: final saves, hand-backs. A second signal jumps here.
    pub const FLUSH: Phase = Phase(Cow::Borrowed("flush"));
    /// Give back what was taken: connections, locks, temporary files.
    pub const RELEASE: Phase = Phase(Cow::Borrowed("release"));

    /// A phase by name, for a `const` of the application. A waiter registered in one that the plan
    /// does not have is refused.
    pub const fn named(name: &'static str) -> Self {
        Phase(Cow::Borrowed(name))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl From<String> for Phase {
    fn from(name: String) -> Self {
        Phase(Cow::Owned(name))
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Phase({})", self.0)
    }
}

/// How much time a phase has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Budget {
    /// This much from its start.
    Fixed(Duration),
    /// This much, or less where the cap is short: nobody has set it.
    Usual(Duration),
    /// What the fixed budgets leave of the cap.
    Elastic,
}

/// What a [`PhaseWatch`] follows: the phases entered so far, and whether the plan has ended.
#[derive(Debug, Default)]
pub(crate) struct Trail {
    pub(crate) entered: Vec<Phase>,
    pub(crate) ended: bool,
}

impl Trail {
    /// The phase being run, if one is.
    pub(crate) fn current(&self) -> Option<Phase> {
        if self.ended { None } else { self.entered.last().cloned() }
    }
}

/// A subscription to phase changes that never misses one, however slow its reader.
///
/// ```
/// # use sundown::{Cause, Coordinator, Phase, Waiter};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinator = Coordinator::builder().build()?;
/// coordinator.register_waiter(Waiter::new("books", |_deadline| async {}))?;
/// let mut phases = coordinator.phases();
///
/// coordinator.initiate(Cause::requested("doc test"));
/// coordinator.run().await;
///
/// assert_eq!(phases.next().await, Some(Phase::ANNOUNCE));
/// assert_eq!(phases.next().await, Some(Phase::DRAIN));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PhaseWatch {
    trail: watch::Receiver<Trail>,
    seen: usize,
}

impl PhaseWatch {
    pub(crate) fn new(trail: watch::Receiver<Trail>) -> Self {
        PhaseWatch { trail, seen: 0 }
    }

    /// The next phase entered since the last call, from the first one on; `None` once the plan
    /// has ended, or when its coordinator is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Phase> {
        loop {
            {
                let trail = self.trail.borrow_and_update();
                if let Some(phase) = trail.entered.get(self.seen) {
                    self.seen += 1;
                    return Some(phase.clone());
                }
                if trail.ended {
                    return None;
                }
            }
            self.trail.changed().await.ok()?;
        }
    }
}
