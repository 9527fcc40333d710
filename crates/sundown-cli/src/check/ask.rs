//! What can be said to `sundown check`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Time, Value as _};

/// What is to be checked, and how.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Ask {
    pub(crate) inputs: Vec<PathBuf>,
    pub(crate) margin: Option<Duration>,
    /// Where objects are applied that name no namespace.
    pub(crate) namespace: Option<String>,
    /// Containers, or all of whom nothing else is known, and how long each takes to stop.
    pub(crate) stop_timeouts: Vec<(Option<String>, Duration)>,
    pub(crate) strict: bool,
    pub(crate) json: bool,
    pub(crate) svg: Option<PathBuf>,
}

pub(crate) const HELP: &str = "\
Says whether the time that Kubernetes manifests give a pod is enough for it to stop, and what else in
them makes a stop lose something. It needs no cluster.

Usage: sundown check FILES… [flags]

FILES are manifests as they would be applied (YAML or JSON, several documents each), folders of them with
all folders below, or `-` for the standard input: `kubectl kustomize deploy/overlays/prod | sundown check -`,
or `helm template … | sundown check -`. Config maps and secrets among them are read, too; what a secret
holds is never shown.

  --margin TIME                    what must be left of the grace period; 2s unless told
  --namespace NAME                 where objects are applied that name no namespace; default unless told
  --stop-timeout [CONTAINER=]TIME  how long a container takes to stop of whom the manifests do not say it;
                                   may come more than once
  --strict                         warnings fail, too
  --json                           findings and sums as JSON
  --svg FOLDER                     leaves a picture of each pod's end in FOLDER

How long a container takes is known from the configuration of `sundown serve`, from
GRACEFUL_SHUTDOWN_TIMEOUT, from the settings of well-known frameworks, or from annotations of the pod:

  sundown/stop-timeout: 30s        or sundown/stop-timeout.CONTAINER: how long it takes after SIGTERM
  sundown/announce: 5s             for so long of it it serves and says that it is not ready
  sundown/prestop: 15s             how long a preStop hook takes that is no sleep
  sundown/ignore: RULE, RULE       what not to tell of this workload

Exit codes: 0 when it adds up, 3 when it does not, 2 when there is nothing to check.
";

impl Ask {
    /// Reads the arguments behind the command.
    ///
    /// # Errors
    ///
    /// What cannot be understood, and what can.
    pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Ask, String> {
        let mut ask = Ask::default();
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let Some(flag) = argument.to_str().filter(|text| text.starts_with("--")) else {
                ask.input(argument)?;
                continue;
            };
            let (name, inline) = match flag.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(OsString::from(value))),
                None => (flag.to_owned(), None),
            };
            match name.as_str() {
                "--strict" => ask.strict = switch(&name, inline.as_deref())?,
                "--json" => ask.json = switch(&name, inline.as_deref())?,
                "--margin" | "--namespace" | "--stop-timeout" | "--svg" => {
                    let value = inline.or_else(|| arguments.next()).filter(|it| !it.is_empty());
                    let value =
                        value.ok_or_else(|| format!("{name} takes a value, and none came"))?;
                    ask.value(&name, value)?;
                }
                _ => return Err(format!("`{name}` is no flag (see sundown check --help)")),
            }
        }
        if ask.inputs.is_empty() {
            return Err("check what? (name manifests, or - for the standard input)".to_owned());
        }
        Ok(ask)
    }

    fn input(&mut self, argument: OsString) -> Result<(), String> {
        if argument.as_encoded_bytes().starts_with(b"-") && argument != "-" {
            return Err(format!("`{}` is no flag (see sundown check --help)", argument.display()));
        }
        let input = PathBuf::from(argument);
        if !self.inputs.contains(&input) {
            self.inputs.push(input);
        }
        Ok(())
    }

    fn value(&mut self, name: &str, value: OsString) -> Result<(), String> {
        if name == "--svg" {
            self.svg = Some(value.into());
            return Ok(());
        }
        let text = value.to_str().ok_or_else(|| format!("the value of {name} is not UTF-8"))?;
        if name == "--namespace" {
            self.namespace = Some(text.to_owned());
            return Ok(());
        }
        if name == "--margin" {
            self.margin = Some(time(name, text)?);
            return Ok(());
        }
        let (container, text) = match text.split_once('=') {
            Some((container, text)) => (Some(container.to_owned()), text),
            None => (None, text),
        };
        self.stop_timeouts.push((container, time(name, text)?));
        Ok(())
    }
}

fn switch(name: &str, value: Option<&OsStr>) -> Result<bool, String> {
    if value.is_some() { Err(format!("{name} takes no value")) } else { Ok(true) }
}

fn time(name: &str, text: &str) -> Result<Duration, String> {
    let wrong = |_| format!("{name} takes {}, not `{text}`", Time::wanted());
    Time::parse(text).map(|time| time.0).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Ask, String> {
        Ask::parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn everything_of_the_help_is_understood() {
        let line = "a.yaml - --margin 5s --namespace shop --stop-timeout=nginx=40s --stop-timeout 10 b --strict \
                    --json --svg out a.yaml";
        let ask = Ask {
            inputs: vec!["a.yaml".into(), "-".into(), "b".into()],
            margin: Some(Duration::from_secs(5)),
            namespace: Some("shop".to_owned()),
            stop_timeouts: vec![
                (Some("nginx".to_owned()), Duration::from_secs(40)),
                (None, Duration::from_secs(10)),
            ],
            strict: true,
            json: true,
            svg: Some("out".into()),
        };
        assert_eq!(parsed(line), Ok(ask));
    }

    #[test]
    fn mistakes_are_named() {
        for (line, culprit) in [
            ("", "check what?"),
            ("--strict", "check what?"),
            ("a.yaml --strickt", "`--strickt` is no flag"),
            ("a.yaml -s", "`-s` is no flag"),
            ("a.yaml --json=yes", "--json takes no value"),
            ("a.yaml --margin", "--margin takes a value"),
            ("a.yaml --namespace", "--namespace takes a value"),
            ("a.yaml --margin=", "--margin takes a value"),
            ("a.yaml --margin soon", "--margin takes a time like 30s"),
            ("a.yaml --stop-timeout web=soon", "not `soon`"),
        ] {
            let error = parsed(line).expect_err(line);
            assert!(error.contains(culprit), "{error}");
        }
    }
}
