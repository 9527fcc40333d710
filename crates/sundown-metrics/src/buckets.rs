//! The bounds of histograms, and the builder that knows them.

use std::fmt::Display;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

use crate::names::{PHASE_SECONDS, SHUTDOWN_SECONDS, WAITER_SECONDS};
use crate::settings::{Settings, StartError};

/// A whole shutdown: from a moment to the default cap of ten minutes.
const SHUTDOWN: &[f64] =
    &[0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 120.0, 300.0, 600.0];
/// Its parts: many are over in a millisecond.
const PART: &[f64] = &[
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
    600.0,
];
/// Anything else: what the clients of Prometheus take.
const USUAL: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Builds the recorder: every histogram is one.
pub(crate) fn recorder(settings: &Settings) -> Result<PrometheusRecorder, StartError> {
    let ours = [(SHUTDOWN_SECONDS, SHUTDOWN), (PHASE_SECONDS, PART), (WAITER_SECONDS, PART)];
    let theirs = settings.buckets.iter().map(|(metric, bounds)| (metric.as_str(), &bounds[..]));

    let mut builder =
        PrometheusBuilder::new().set_buckets(USUAL).map_err(|error| refused("others", &error))?;
    for (name, value) in &settings.labels {
        builder = builder.add_global_label(name, value);
    }
    for (metric, bounds) in ours.into_iter().chain(theirs) {
        if let Some(why) = objection(bounds) {
            return Err(refused(metric, &why));
        }
        let matcher = Matcher::Full(metric.to_owned());
        builder = builder
            .set_buckets_for_metric(matcher, bounds)
            .map_err(|error| refused(metric, &error))?;
    }
    Ok(builder.build_recorder())
}

fn refused(metric: &str, why: &dyn Display) -> StartError {
    StartError::Buckets { metric: metric.to_owned(), why: why.to_string() }
}

/// What speaks against these bounds.
fn objection(bounds: &[f64]) -> Option<&'static str> {
    if bounds.is_empty() {
        Some("there is none")
    } else if bounds.iter().any(|bound| !bound.is_finite()) {
        Some("one is not finite; +Inf is added by itself")
    } else if bounds.windows(2).any(|pair| pair[0] >= pair[1]) {
        Some("they do not rise")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_that_make_no_sense_are_refused_by_name() {
        let refused = |bounds: &[f64]| {
            let settings = Settings::default().buckets("wait_seconds", bounds);
            recorder(&settings).map(drop).unwrap_err().to_string()
        };
        assert!(refused(&[]).contains("`wait_seconds` cannot work: there is none"));
        assert!(refused(&[1.0, f64::INFINITY]).contains("one is not finite"));
        assert!(refused(&[f64::NAN]).contains("one is not finite"));
        assert!(refused(&[2.0, 1.0]).contains("they do not rise"));
        assert!(refused(&[1.0, 1.0]).contains("they do not rise"));
    }

    #[test]
    fn our_own_bounds_pass() {
        for bounds in [SHUTDOWN, PART, USUAL] {
            assert_eq!(objection(bounds), None);
        }
    }
}
