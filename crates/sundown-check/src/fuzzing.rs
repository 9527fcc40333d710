//! The reader of manifests as the fuzz targets call it.

use crate::yaml;

/// What stands in a file, one value for each document or item of a list, and how much of it was refused.
pub fn documents(bytes: &[u8]) -> (Vec<serde_json::Value>, usize) {
    let (documents, findings) = yaml::read("file", bytes);
    (documents.iter().map(|document| document.root.to_json()).collect(), findings.len())
}
