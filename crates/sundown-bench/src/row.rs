//! A row: our figure beside a peer's, their ratio, and whether it meets its target.

use std::fmt;

use serde::{Serialize, Serializer};

/// Our figure beside that of a peer, or beside a limit.
///
/// The ratio is always ours ÷ the peer's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub(crate) name: String,
    #[serde(serialize_with = "significant")]
    pub(crate) ours: f64,
    pub(crate) peer: String,
    #[serde(serialize_with = "significant")]
    pub(crate) peer_value: f64,
    #[serde(serialize_with = "significant")]
    pub(crate) ratio: f64,
    pub(crate) target: Option<Target>,
    pub(crate) meets: bool,
    pub(crate) unit: String,
    pub(crate) note: String,
}

/// What the ratio must be. A row without a target stands there for context, and misses nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Target {
    /// For what is better when it is small: times, bytes.
    AtMost(f64),
    /// For what is better when it is large: calls per second.
    AtLeast(f64),
}

impl Row {
    /// Our figure beside that of the peer, both in `unit`.
    ///
    /// # Panics
    ///
    /// When a figure is no number, or the peer's is not above zero: nothing was measured then.
    pub fn new(
        name: impl Into<String>,
        unit: &str,
        ours: f64,
        peer: impl Into<String>,
        peer_value: f64,
    ) -> Self {
        let (name, peer) = (name.into(), peer.into());
        assert!(ours.is_finite() && ours >= 0.0, "{name}: ours is {ours}");
        assert!(peer_value.is_finite() && peer_value > 0.0, "{name}: {peer} is {peer_value}");
        Row {
            name,
            ours,
            peer,
            peer_value,
            ratio: ours / peer_value,
            target: None,
            meets: true,
            unit: unit.to_owned(),
            note: String::new(),
        }
    }

    /// How often something happened that should not, here and there. Where neither side has any, they
    /// are equal; where only the peer has none, there is no ratio, and JSON says `null`.
    pub fn count(
        name: impl Into<String>,
        unit: &str,
        ours: u32,
        peer: impl Into<String>,
        theirs: u32,
    ) -> Self {
        let ratio = match (ours, theirs) {
            (0, 0) => 1.0,
            (_, 0) => f64::INFINITY,
            (ours, theirs) => f64::from(ours) / f64::from(theirs),
        };
        let row = Row::new(name, unit, f64::from(ours), peer, 1.0);
        Row { peer_value: f64::from(theirs), ratio, ..row }
    }

    /// Judges the ratio, as it was measured and before it is rounded for printing.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.meets = target.is_met_by(self.ratio);
        self.target = Some(target);
        self
    }

    /// Adds a few words on how the figures came about.
    #[must_use]
    pub fn note(mut self, note: impl AsRef<str>) -> Self {
        let semicolon = if self.note.is_empty() { "" } else { "; " };
        self.note = self.note + semicolon + note.as_ref();
        self
    }

    /// Ours ÷ the peer's.
    pub fn ratio(&self) -> f64 {
        self.ratio
    }
}

impl Target {
    /// Whether this ratio is good enough.
    pub fn is_met_by(self, ratio: f64) -> bool {
        match self {
            Target::AtMost(limit) => ratio <= limit,
            Target::AtLeast(limit) => ratio >= limit,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, limit) = match self {
            Target::AtMost(limit) => ("≤", limit),
            Target::AtLeast(limit) => ("≥", limit),
        };
        f.pad(&format!("{sign} {}", rounded(*limit, 3)))
    }
}

/// As people read it: `"≤ 1.25"`.
impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn significant<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(rounded(*number, 4))
}

/// The number with so many significant digits: a noisy machine vouches for no more.
pub(crate) fn rounded(number: f64, digits: usize) -> f64 {
    let text = format!("{number:.*e}", digits.saturating_sub(1));
    text.parse().expect("a float that was printed can be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: f64, peer: f64) -> Row {
        Row::new("poll", "ns", ours, "peer", peer)
    }

    #[test]
    fn the_ratio_is_ours_by_theirs_and_is_judged_before_it_is_rounded() {
        assert!(row(2.0, 1.0).target(Target::AtMost(2.0)).meets);
        assert!(!row(2.000_001, 1.0).target(Target::AtMost(2.0)).meets);
        assert!(row(30.0, 2.0).target(Target::AtLeast(15.0)).meets);
        assert!(!row(29.9, 2.0).target(Target::AtLeast(15.0)).meets);
    }

    #[test]
    fn without_a_target_nothing_is_missed() {
        let row = row(9.0, 1.0);
        assert!(row.meets && row.target.is_none());
    }

    #[test]
    fn counts_may_be_none_on_both_sides() {
        let count = |ours, theirs| Row::count("rerun", "of 5", ours, "peer", theirs);
        assert_eq!(
            (count(0, 0).ratio(), count(0, 5).ratio(), count(5, 2).ratio()),
            (1.0, 0.0, 2.5)
        );
        let more = count(1, 0);
        assert!(!more.clone().target(Target::AtMost(0.0)).meets);
        let line = serde_json::to_string(&more).unwrap();
        assert!(
            line.contains(r#""ours":1.0,"peer":"peer","peer_value":0.0,"ratio":null"#),
            "{line}"
        );
    }

    #[test]
    fn the_keys_are_those_agreed() {
        let row = row(1.0, 3.0).target(Target::AtMost(1.25)).note("minimum").note("3× faster");
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            r#"{"name":"poll","ours":1.0,"peer":"peer","peer_value":3.0,"ratio":0.3333,"target":"≤ 1.25","meets":true,"unit":"ns","note":"minimum; 3× faster"}"#
        );
    }

    #[test]
    fn digits_that_nobody_vouches_for_are_dropped() {
        assert_eq!(rounded(0.123_456, 4), 0.1235);
        assert_eq!(rounded(98_765.4, 3), 98_800.0);
        assert_eq!(rounded(0.0, 4), 0.0);
        assert_eq!(Target::AtMost(1.0 / 15.0).to_string(), "≤ 0.0667");
    }

    #[test]
    #[should_panic(expected = "poll: peer is 0")]
    fn a_peer_that_was_not_measured_is_no_peer() {
        let _ = row(1.0, 0.0);
    }
}
