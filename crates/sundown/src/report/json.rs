//! Reports as JSON: the whole document, and the one line that fits a termination message.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Report, Verdict};

/// The size Kubernetes allows a termination message.
pub(crate) const LINE_LIMIT: usize = 4096;

impl Report {
    /// The whole report as indented JSON. Its schema is in `docs/spec.md`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a report holds nothing JSON cannot say")
    }

    /// Reads what [`to_json`](Report::to_json) wrote.
    ///
    /// # Errors
    ///
    /// Text that is not a report, or one of a schema newer than this library's.
    pub fn from_json(text: &str) -> Result<Report, serde_json::Error> {
        use serde::de::Error as _;
        let value: Value = serde_json::from_str(text)?;
        let schema = value["schema"].as_u64();
        if let Some(schema) = schema.filter(|&schema| schema > u64::from(Report::SCHEMA)) {
            return Err(serde_json::Error::custom(format!(
                "the report has schema {schema}, this program reads up to {}",
                Report::SCHEMA
            )));
        }
        serde_json::from_value(value)
    }

    /// What went wrong in one line of JSON of at most 4 KiB, for the termination message. When
    /// not all of the trouble fits, it says how much was left out.
    pub fn to_line(&self) -> String {
        let mut line = self.line_without_trouble();
        let total = self.trouble().count() + self.left.len() + self.failures.len();
        // What the two fields at the end need, whatever is in them.
        let mut room = LINE_LIMIT.saturating_sub(line.to_string().len() + 64);
        let mut kept = Vec::new();
        for entry in self.trouble_in_short() {
            let size = entry.to_string().len() + 1;
            if size > room {
                break;
            }
            room -= size;
            kept.push(entry);
        }
        if kept.len() < total {
            line["left_out"] = (total - kept.len()).into();
        }
        line["trouble"] = kept.into();
        line.to_string()
    }

    fn trouble_in_short(&self) -> impl Iterator<Item = Value> {
        let waiters = self.trouble().map(|(phase, waiter)| {
            json!({
                "name": shorten(&waiter.name, 64),
                "phase": shorten(phase, 32),
                "outcome": waiter.outcome,
                "detail": waiter.detail.as_deref().map(|detail| shorten(detail, 200)),
                "pending": waiter.pending.as_ref().map(|pending| shorten(&pending.to_string(), 200)),
            })
        });
        let failures = self.failures.iter().map(|failure| {
            json!({ "work": shorten(&failure.name, 64), "error": shorten(&failure.error, 200) })
        });
        let left = self
            .left
            .iter()
            .map(|work| json!({ "work": shorten(&work.name, 64), "age_ms": work.age.as_millis() }));
        waiters.chain(failures).chain(left)
    }

    fn line_without_trouble(&self) -> Value {
        let mut line = json!({
            "sundown": self.verdict.name(),
            "exit_code": self.exit_code,
            "cause": self.cause.as_ref().map(|cause| shorten(&cause.to_string(), 300)),
            "elapsed_ms": self.elapsed.as_millis(),
            "cap_ms": self.cap.as_millis(),
            "handed_back": self.handed_back(),
        });
        if self.verdict == Verdict::Running && self.cause.is_some() {
            line["began_unix_ms"] = json!(self.began_unix_ms);
            line["note"] =
                "stopping; without a later message it was killed before its report".into();
        }
        if let Verdict::Refused { error } = &self.verdict {
            line["error"] = shorten(error, 500).into();
        }
        if let Verdict::Forced { by } = self.verdict {
            line["by"] = json!(by);
        }
        line
    }
}

fn shorten(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

/// Durations as milliseconds with up to three decimals.
pub(crate) mod millis {
    use super::Duration;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_f64(to_millis(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let millis = f64::deserialize(from)?;
        from_millis(millis).ok_or_else(|| D::Error::custom(format!("{millis} is no duration")))
    }

    pub(crate) fn to_millis(time: Duration) -> f64 {
        (time.as_secs_f64() * 1e6).round() / 1e3
    }

    pub(crate) fn from_millis(millis: f64) -> Option<Duration> {
        Duration::try_from_secs_f64(millis / 1e3).ok()
    }
}

/// The same where there may be none.
pub(super) mod optional_millis {
    use super::{Duration, millis};
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(millis::to_millis).serialize(out)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        let Some(number) = Option::<f64>::deserialize(from)? else { return Ok(None) };
        let time = millis::from_millis(number);
        time.map(Some).ok_or_else(|| D::Error::custom(format!("{number} is no duration")))
    }
}
