//! The sum that must hold: preStop, stop and margin against the grace period.

use std::fmt;
use std::time::Duration;

use sundown::timeline::seconds;

/// What must be left of the grace period when everything has taken as long as it may.
pub const MARGIN: Duration = Duration::from_secs(2);

/// What a pod's end may take, against what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// The preStop hook, or what is known of it.
    pub prestop: Duration,
    /// From SIGTERM to the end, sidecars included.
    pub cap: Duration,
    /// What must be left.
    pub margin: Duration,
    /// What is given.
    pub grace: Duration,
}

impl Sum {
    /// What should be given.
    pub fn need(&self) -> Duration {
        self.prestop.saturating_add(self.cap).saturating_add(self.margin)
    }

    /// Whether what is given is enough.
    pub fn fits(&self) -> bool {
        self.need() <= self.grace
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sum { prestop, cap, margin, grace } = *self;
        let need = self.need();
        let sign = if self.fits() { "≤" } else { ">" };
        write!(
            f,
            "preStop {} + cap {} + margin {} = {} {sign} {} of grace",
            plain(prestop),
            plain(cap),
            plain(margin),
            plain(need),
            plain(grace)
        )?;
        match self.fits() {
            true => Ok(()),
            false => write!(f, ": {} too few", seconds(need.saturating_sub(grace))),
        }
    }
}

/// What is known of the sum of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PodSum {
    /// All of it.
    Whole(Sum),
    /// What it comes to without hooks or stops whose time nobody knows.
    AtLeast(Sum),
}

impl PodSum {
    /// The sum, as far as it is known.
    pub fn sum(&self) -> &Sum {
        match self {
            PodSum::Whole(sum) | PodSum::AtLeast(sum) => sum,
        }
    }

    /// Whether something is not known that would come on top.
    pub fn is_at_least(&self) -> bool {
        match self {
            PodSum::Whole(_) => false,
            PodSum::AtLeast(_) => true,
        }
    }

    /// Whether what is given is enough, if that can be said.
    pub fn fits(&self) -> Option<bool> {
        let fits = self.sum().fits();
        (!fits || !self.is_at_least()).then_some(fits)
    }
}

impl fmt::Display for PodSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = if self.is_at_least() { "at least " } else { "" };
        write!(f, "{head}{}", self.sum())?;
        match self.fits() {
            Some(_) => Ok(()),
            None => f.write_str(", and more that nobody knows"),
        }
    }
}

/// Nothing has the unit of what it is added to.
fn plain(time: Duration) -> String {
    if time.is_zero() { "0 s".to_owned() } else { seconds(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(prestop: u64, cap: u64, grace: u64) -> Sum {
        let secs = Duration::from_secs;
        Sum { prestop: secs(prestop), cap: secs(cap), margin: MARGIN, grace: secs(grace) }
    }

    #[test]
    fn what_fits_to_the_second_fits() {
        assert!(sum(5, 30, 37).fits());
        assert!(!sum(5, 30, 36).fits());
        assert!(!sum(0, u64::MAX, 30).fits());
    }

    #[test]
    fn what_is_not_known_whole_fits_never_for_certain() {
        assert_eq!(PodSum::Whole(sum(5, 30, 37)).fits(), Some(true));
        assert_eq!(PodSum::AtLeast(sum(5, 30, 37)).fits(), None);
        assert_eq!(PodSum::AtLeast(sum(5, 30, 36)).fits(), Some(false));
        let text = PodSum::AtLeast(sum(5, 30, 40)).to_string();
        let expected = "at least preStop 5 s + cap 30 s + margin 2 s = 37 s ≤ 40 s of grace, and \
                        more that nobody knows";
        assert_eq!(text, expected);
    }

    #[test]
    fn it_reads_as_a_sum() {
        let fits = "preStop 5 s + cap 30 s + margin 2 s = 37 s ≤ 40 s of grace";
        assert_eq!(sum(5, 30, 40).to_string(), fits);
        let not = "preStop 5 s + cap 30 s + margin 2 s = 37 s > 30 s of grace: 7 s too few";
        assert_eq!(sum(5, 30, 30).to_string(), not);
        let alone = "preStop 0 s + cap 30 s + margin 2 s = 32 s > 30 s of grace: 2 s too few";
        assert_eq!(sum(0, 30, 30).to_string(), alone);
    }
}
