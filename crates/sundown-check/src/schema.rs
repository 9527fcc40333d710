//! Says what the API server would refuse, or drop silently, from the object alone.

mod closest;
mod kinds;
mod missing;
mod names;
mod path;
mod reader;
mod refused;
mod shapes;
#[cfg(test)]
mod tests;
mod unknown;
mod values;

use crate::document::Document;
use crate::finding::{Finding, Rule, Severity};
use crate::node::Node;
use kinds::Standing;

/// Everything that is wrong with an object by itself, in the order of its lines.
pub(crate) fn check(document: &Document) -> Vec<Finding> {
    let mut found = kinds::identity(document);
    if found.is_empty() {
        match kinds::standing(document) {
            Standing::Known(read) => {
                let reading = read(&document.root);
                found.extend(reading.flaws);
                found.extend(unknown::check(&reading.seen));
                found.extend(reading.seen.iter().flat_map(values::check));
                found.extend(
                    reading.seen.iter().flat_map(|seen| shapes::check(seen, &document.root)),
                );
                found.extend(names::check(document));
            }
            Standing::Shallow => {
                let reading = kinds::metadata(&document.root);
                found.extend(reading.flaws);
                found.extend(names::check(document));
            }
            Standing::Refused(flaw) => found.push(flaw),
        }
    }
    let mut findings: Vec<_> =
        found.into_iter().map(|flaw| flaw.discreet(document).finding(document)).collect();
    findings
        .sort_by(|a, b| a.place.line.cmp(&b.place.line).then(a.place.field.cmp(&b.place.field)));
    findings.dedup();
    findings
}

/// A finding that does not yet know whose it is.
#[derive(Debug)]
struct Flaw {
    rule: Rule,
    severity: Severity,
    line: usize,
    field: String,
    what: String,
    why: String,
    mend: String,
}

impl Flaw {
    /// A value that is not allowed.
    fn wrong(node: &Node, field: String, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self::error(Rule::WrongValue, node.line, field, what, mend)
    }

    /// Something that the API server refuses.
    fn error(
        rule: Rule,
        line: usize,
        field: String,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) -> Self {
        let why = "the API server refuses the object".to_owned();
        let severity = Severity::Error;
        Self { rule, severity, line, field, what: what.into(), why, mend: mend.into() }
    }

    fn because(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    fn finding(self, document: &Document) -> Finding {
        Finding {
            rule: self.rule,
            severity: self.severity,
            place: document.place(self.line, self.field),
            object: document.title().trim().to_owned(),
            what: self.what,
            why: self.why,
            mend: self.mend,
        }
    }

    /// The same without the value it is about, where that is a secret.
    fn discreet(self, document: &Document) -> Self {
        let is_data = self.field.starts_with("data.") || self.field.starts_with("stringData.");
        if document.kind() != "Secret" || !is_data || self.rule != Rule::WrongValue {
            return self;
        }
        let what = "the value is not what it must be (it is a secret, and not shown)".to_owned();
        let mend = "write base64 under `data`, and a text in quotes under `stringData`".to_owned();
        Self { what, mend, ..self }
    }
}
