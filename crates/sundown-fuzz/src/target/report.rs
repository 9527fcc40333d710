//! Reports: one that is read back is the same, and every form of it is fit for its reader.

use serde_json::Value;
use sundown::Report;

use crate::message;

/// What Kubernetes takes of a termination message.
const LINE: usize = 4096;

pub(crate) fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(report) = Report::from_json(text) else { return };
    let written = report.to_json();
    // What was written by hand may be finer than the microseconds that are kept.
    let again = Report::from_json(&written);
    let again = again.unwrap_or_else(|error| panic!("{error}\n{written}"));
    assert_eq!(again.to_json(), written);
    let line = report.to_line();
    assert!(line.len() <= LINE && !line.contains('\n'), "{} bytes: {line}", line.len());
    assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
    message::is_plain(&report.to_string());
    let svg = report.to_svg();
    assert!(!svg.contains(|c: char| c.is_control() && c != '\n'), "{svg:?}");
    let _ = (report.exit(), report.handed_back());
}
