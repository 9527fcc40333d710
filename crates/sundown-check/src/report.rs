//! What came out: findings and the ends of pods, for people and for machines.

use std::fmt;
use std::time::Duration;

use serde::ser::{Serialize, SerializeStruct, Serializer};
use serde_json::{Value, json};

use crate::finding::{Finding, Severity};
use crate::life::{Part, PodLife};
use crate::sum::PodSum;
use crate::workload::Role;

/// What a check found. It prints for people, and serializes for machines.
#[derive(Debug, Clone)]
pub struct Report {
    findings: Vec<Finding>,
    pods: Vec<PodLife>,
    is_strict: bool,
    looked: Looked,
}

/// What there was to look at.
#[derive(Debug, Clone)]
pub(crate) struct Looked {
    pub(crate) objects: usize,
    pub(crate) files: usize,
    /// Files with nothing in them.
    pub(crate) empty: Vec<String>,
}

impl Report {
    pub(crate) fn new(
        mut findings: Vec<Finding>,
        pods: Vec<PodLife>,
        is_strict: bool,
        looked: Looked,
    ) -> Self {
        findings.sort_by(|a, b| {
            let key = |f: &Finding| (f.place.line, f.severity, f.rule, f.place.document);
            a.place.file.cmp(&b.place.file).then_with(|| key(a).cmp(&key(b)))
        });
        Report { findings, pods, is_strict, looked }
    }

    /// What was found, by file and line.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// How the pods of each object end.
    pub fn pods(&self) -> &[PodLife] {
        &self.pods
    }

    /// The files in which there is nothing to check, not even a fault: what failed to render looks
    /// like this.
    pub fn empty_files(&self) -> &[String] {
        &self.looked.empty
    }

    /// Whether these manifests should not be deployed: there is an error, or a warning where the
    /// check is strict.
    pub fn fails(&self) -> bool {
        self.findings.iter().any(|finding| match finding.severity {
            Severity::Error => true,
            Severity::Warning => self.is_strict,
            Severity::Note => false,
        })
    }

    fn summary(&self) -> String {
        let count = |severity| self.findings.iter().filter(|f| f.severity == severity).count();
        let mut parts = vec![counted(count(Severity::Error), "error")];
        for (severity, name) in [(Severity::Warning, "warning"), (Severity::Note, "note")] {
            let number = count(severity);
            parts.extend((number > 0).then(|| counted(number, name)));
        }
        let (objects, files) =
            (counted(self.looked.objects, "object"), counted(self.looked.files, "file"));
        format!("{} in {objects} of {files}", parts.join(", "))
    }
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Text of a manifest as it may go to a terminal, in one line: a line of its own could be a command to
/// whoever reads the output, as `::error::` is.
fn clean(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    text.chars().map(escaped).collect()
}

fn indented(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    writeln!(f, "  {}", clean(text))
}

/// `{report:80}` draws its timelines 80 columns wide at most.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pod in &self.pods {
            writeln!(f, "{}", clean(pod.object()))?;
            let timeline = pod.timeline();
            let timeline = match f.width() {
                Some(columns) => {
                    let columns = columns.saturating_sub(2);
                    format!("{timeline:columns$}")
                }
                None => timeline.to_string(),
            };
            timeline.lines().try_for_each(|line| writeln!(f, "  {line}"))?;
            match pod.sum() {
                Some(sum) => indented(f, &sum.to_string())?,
                None => indented(f, "no sum: nobody knows how long it takes to stop")?,
            }
            writeln!(f)?;
        }
        let mut file = None;
        for finding in &self.findings {
            if file.is_some_and(|before| before != &finding.place.file) {
                writeln!(f)?;
            }
            file = Some(&finding.place.file);
            let Finding { rule, severity, place, object, what, why, mend } = finding;
            let head =
                format!("{}:{} {severity} {rule} {object} {}", place.file, place.line, place.field);
            writeln!(f, "{}", clean(head.trim_end()))?;
            for text in [what, why, mend].into_iter().filter(|text| !text.is_empty()) {
                indented(f, text)?;
            }
        }
        if !self.findings.is_empty() {
            writeln!(f)?;
        }
        f.write_str(&self.summary())
    }
}

impl Serialize for Report {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut report = serializer.serialize_struct("Report", 3)?;
        report.serialize_field("fails", &self.fails())?;
        report.serialize_field("findings", &self.findings)?;
        report.serialize_field("pods", &self.pods)?;
        report.end()
    }
}

impl Serialize for PodLife {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pod = serializer.serialize_struct("PodLife", 4)?;
        pod.serialize_field("object", self.object())?;
        pod.serialize_field("grace_ms", &millis(self.grace))?;
        pod.serialize_field("containers", &self.parts.iter().map(of_part).collect::<Vec<_>>())?;
        pod.serialize_field("sum", &self.sum().as_ref().map(of_sum))?;
        pod.end()
    }
}

fn of_part(part: &Part) -> Value {
    json!({
        "name": part.name,
        "is_sidecar": part.role == Role::Sidecar,
        "prestop_ms": part.prestop.known().map(millis),
        "cap_ms": part.cap.map(millis),
        "announce_ms": part.announce.map(millis),
        "source": part.source,
    })
}

fn of_sum(known: &PodSum) -> Value {
    let sum = known.sum();
    json!({
        "is_at_least": known.is_at_least(),
        "prestop_ms": millis(sum.prestop),
        "cap_ms": millis(sum.cap),
        "margin_ms": millis(sum.margin),
        "grace_ms": millis(sum.grace),
        "need_ms": millis(sum.need()),
        "fits": known.fits(),
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
