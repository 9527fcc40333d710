//! What the API server would refuse is found, and nothing else.

mod faulty;
mod large;
mod sound;

use crate::finding::Finding;

/// All that is found in a text.
fn findings(name: &str, text: &str) -> Vec<Finding> {
    let (documents, mut findings) = crate::yaml::read(name, text.as_bytes());
    findings.extend(documents.iter().flat_map(super::check));
    findings
}
