//! What a `deny.toml` answers to advisories: which of them are known, and why each does no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use toml::de::{DeTable, DeValue};

/// The answers of one file.
#[derive(Debug)]
pub(super) struct Answers {
    /// The file.
    pub(super) path: String,
    /// By the advisory's id, the reason.
    reasons: BTreeMap<String, String>,
}

impl Answers {
    pub(super) fn read(root: &Path, path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let text =
            fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {name}"))?;
        Self::parse(name, &text)
    }

    fn parse(path: String, text: &str) -> anyhow::Result<Self> {
        let table = DeTable::parse(text).with_context(|| format!("{path} is no TOML"))?;
        let mut reasons = BTreeMap::new();
        let advisories = table.get_ref().get("advisories").map(toml::Spanned::get_ref);
        let ignored = match advisories {
            Some(DeValue::Table(advisories)) => {
                advisories.get("ignore").map(toml::Spanned::get_ref)
            }
            Some(_) | None => None,
        };
        let Some(DeValue::Array(ignored)) = ignored else { return Ok(Answers { path, reasons }) };
        for answer in ignored {
            let text = |key: &str| match answer.get_ref() {
                DeValue::Table(answer) => answer.get(key)?.get_ref().as_str(),
                _ => None,
            };
            match (text("id"), text("reason").map(str::trim)) {
                (Some(id), Some(reason)) if !reason.is_empty() => {
                    reasons.insert(id.to_owned(), reason.to_owned());
                }
                (id, _) => {
                    let id = id.unwrap_or("one of them");
                    bail!("{path}: {id} is ignored without a reason (write {{ id, reason }})");
                }
            }
        }
        Ok(Answers { path, reasons })
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.reasons.contains_key(id)
    }

    /// Answers to what nobody asks any more: they would hide the next one.
    pub(super) fn without_question(&self, met: &BTreeSet<String>) -> Vec<String> {
        let left = self.reasons.keys().filter(|id| !met.contains(*id));
        left.map(|id| format!("{}: {id} concerns no lock file any more; take it out", self.path))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(ignored: &str) -> anyhow::Result<Answers> {
        Answers::parse("deny.toml".to_owned(), &format!("[advisories]\nignore = [{ignored}]\n"))
    }

    #[test]
    fn an_answer_has_a_reason_and_a_question() {
        let answers =
            parse("{ id = \"A\", reason = \"because\" }, { id = \"B\", reason = \"so\" }").unwrap();
        assert!(answers.has("A") && answers.has("B") && !answers.has("C"));
        let left = answers.without_question(&BTreeSet::from(["A".to_owned()]));
        assert_eq!(left, ["deny.toml: B concerns no lock file any more; take it out"]);
        for silent in ["\"A\"", "{ id = \"A\" }", "{ id = \"A\", reason = \" \" }"] {
            assert!(
                parse(silent).unwrap_err().to_string().contains("without a reason"),
                "{silent}"
            );
        }
    }
}
