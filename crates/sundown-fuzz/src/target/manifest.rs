//! Manifests: whatever stands in a file, the checker says so in bounded time and in plain words.

use std::time::{Duration, Instant};

use serde_json::Value;
use sundown_check::{Check, fuzzing};
use sundown_cli::fuzzing::stop_budget;

use crate::message;

/// What a file of the size that is tried here may take on a slow and busy machine. libFuzzer has a
/// tighter one of its own.
const BUDGET: Duration = Duration::from_secs(20);

pub(crate) fn check(data: &[u8]) {
    let start = Instant::now();
    let report = Check::new().knows(stop_budget).file("file.yaml", data).run();
    message::is_plain(&report.to_string());
    let lines = data.split(|byte| *byte == b'\n' || *byte == b'\r').count();
    for finding in report.findings() {
        assert!((1..=lines).contains(&finding.place.line), "{finding:?} of {lines} lines");
        for words in [&finding.what, &finding.why, &finding.mend] {
            assert!(words.len() <= message::LONGEST, "{} bytes: {words}", words.len());
        }
    }
    let json = serde_json::to_string(&report).expect("a report is JSON");
    assert!(serde_json::from_str::<Value>(&json).is_ok(), "{json}");
    for pod in report.pods() {
        let svg = pod.timeline().to_svg();
        assert!(!svg.contains(|c: char| c.is_control() && !"\n\t".contains(c)), "{svg:?}");
    }
    let took = start.elapsed();
    assert!(took < BUDGET, "{took:?} for {} bytes", data.len());
    reads_what_it_prints(data);
}

/// Every document, written as JSON, is YAML that says the same.
fn reads_what_it_prints(data: &[u8]) {
    let (documents, _) = fuzzing::documents(data);
    for document in documents {
        let printed = escaped(&document.to_string());
        let (again, refused) = fuzzing::documents(printed.as_bytes());
        assert_eq!(refused, 0, "{printed}");
        assert_eq!(again, [document], "{printed}");
    }
}

/// The same JSON, without characters that no YAML may hold.
fn escaped(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() {
            escaped += &format!("\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}
