//! The sum that a pod's grace period must hold, for a service that is told of it.

use std::time::Duration;

use sundown_check::Sum;

use super::load::Loading;
use super::{Pod, Value};

/// What to do about a grace period that is too short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooShort {
    /// Say so, and serve.
    Warn,
    /// Not start.
    Refuse,
}

impl Value for TooShort {
    fn wanted() -> String {
        "`warn` or `refuse`".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        match &*text.to_ascii_lowercase() {
            "warn" => Ok(TooShort::Warn),
            "refuse" => Ok(TooShort::Refuse),
            _ => Err(String::new()),
        }
    }

    fn show(&self) -> String {
        match self {
            TooShort::Warn => "warn".to_owned(),
            TooShort::Refuse => "refuse".to_owned(),
        }
    }
}

impl Pod {
    /// The sum for a stop that takes up to `cap`, if the grace period is known.
    pub(crate) fn sum(&self, cap: Duration) -> Option<Sum> {
        let (prestop, margin) = (self.prestop.0, self.margin.0);
        Some(Sum { prestop, cap, margin, grace: self.grace.0?.0 })
    }
}

/// What to do about it, after what is wrong.
pub(crate) const MEND: &str =
    "raise terminationGracePeriodSeconds and `pod.grace` together, or lower `shutdown.timeout`";

impl Loading {
    /// That the grace period holds the stop, where it must.
    pub(super) fn check_pod(&mut self) {
        let pod = &self.config.pod;
        match pod.sum(self.config.shutdown.timeout.0) {
            Some(sum) if !sum.fits() && pod.when_too_short == TooShort::Refuse => {
                self.problem(self.origin("pod.grace"), format!("{sum} ({MEND})"));
            }
            Some(_) | None => {}
        }
    }
}
