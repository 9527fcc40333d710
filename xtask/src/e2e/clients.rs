//! What the clients counted that keep their connections, and those that read slowly: of the service, where
//! nothing may go wrong, and of the control, where something must.

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::deploy::Kubectl;

/// Those that ask the service, and those that ask the control.
pub(super) const OF_THE_SERVICE: &str = "sundown-clients";
pub(super) const OF_THE_CONTROL: &str = "sundown-clients-naive";

/// What one deployment of clients has counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clients {
    answered: u64,
    sent_again: u64,
    failed: u64,
    failures: Vec<String>,
}

impl Clients {
    /// By the last line of their log.
    pub(super) fn read(kubectl: &Kubectl, deployment: &str) -> anyhow::Result<Self> {
        let deployment = format!("deployment/{deployment}");
        let log = kubectl.step("clients", &["logs", &deployment, "--tail=1"]).read()?;
        Self::parse(&log).with_context(|| format!("{deployment} says `{}`", log.trim()))
    }

    fn parse(line: &str) -> Option<Self> {
        let line: Value = serde_json::from_str(line.trim()).ok()?;
        let count = |name: &str| line[name].as_u64();
        let failures = line["failures"].as_array()?;
        Some(Self {
            answered: count("answered")?,
            sent_again: count("sent_again")?,
            failed: count("failed")?,
            failures: failures.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    /// That those of the service lost nothing, and those of the control something.
    pub(super) fn judge(&self, control: &Self) -> anyhow::Result<String> {
        if self.failed > 0 || self.answered == 0 {
            bail!(
                "clients that keep connections or read slowly: {} answered, {} failed: {}",
                self.answered,
                self.failed,
                self.failures.join("; ")
            );
        }
        if control.failed == 0 {
            bail!(
                "the clients of the control noticed nothing ({} answered), so that those of the service \
                 noticed nothing proves nothing",
                control.answered
            );
        }
        Ok(format!(
            "{} requests of clients that keep connections ({} sent again over a new one) or read slowly \
             succeeded; the control lost {} of {}",
            self.answered,
            self.sent_again,
            control.failed,
            control.failed + control.answered
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clients(answered: u64, failed: u64) -> Clients {
        let failures = vec!["GET /: cut off".to_owned(); usize::from(failed > 0)];
        Clients { answered, sent_again: 3, failed, failures }
    }

    #[test]
    fn the_last_line_of_a_log_is_read() {
        let line = r#"{"answered":7,"failed":1,"failures":["GET /: cut off"],"sent_again":3}"#;
        assert_eq!(Clients::parse(line), Some(clients(7, 1)));
        assert_eq!(Clients::parse(""), None);
        assert_eq!(Clients::parse("error: no such pod"), None);
    }

    #[test]
    fn a_failure_of_the_service_fails_it_and_so_does_a_control_without_one() {
        let said = clients(900, 0).judge(&clients(880, 20)).unwrap();
        assert!(said.starts_with("900 requests") && said.ends_with("lost 20 of 900"), "{said}");
        for (service, control, said) in [
            (clients(899, 1), clients(880, 20), "899 answered, 1 failed: GET /: cut off"),
            (clients(0, 0), clients(880, 20), "0 answered"),
            (clients(900, 0), clients(900, 0), "proves nothing"),
        ] {
            let error = service.judge(&control).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
