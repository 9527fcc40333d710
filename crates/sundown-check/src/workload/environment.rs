//! The environment of a container, as far as the files tell it.

use std::collections::BTreeMap;

use crate::node::Node;
use crate::workload::config::{Configs, list, plain, text};

/// Linux starts no process with more arguments and environment, on a usual stack.
const MOST: usize = 2 << 20;

/// Variables, and whether there may be more of them.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// `None` for what is not in the files, and for what is more than a process could be given.
    pub(crate) variables: BTreeMap<String, Option<String>>,
    /// Whether a whole source of variables is not in the files.
    pub(crate) is_partial: bool,
    /// Values that came from a secret, which nobody must read in a report.
    pub(crate) secrets: Vec<String>,
}

impl Environment {
    /// The one of a container.
    pub(crate) fn of(configs: &Configs<'_>, namespace: &str, container: &Node) -> Self {
        let mut environment = Environment::default();
        for source in list(container, "envFrom") {
            environment.take_all(configs, namespace, source);
        }
        let mut total = 0_usize;
        for variable in list(container, "env") {
            let value = environment.value(configs, namespace, variable).filter(|value| {
                total = total.saturating_add(value.len());
                total <= MOST
            });
            environment.variables.insert(text(variable, "name").to_owned(), value);
        }
        environment
    }

    fn take_all(&mut self, configs: &Configs<'_>, namespace: &str, source: &Node) {
        let prefix = text(source, "prefix");
        let is_secret = source.get("secretRef").is_some();
        let reference = source.get("configMapRef").or_else(|| source.get("secretRef"));
        let Some(data) = reference
            .and_then(|reference| configs.data(is_secret, namespace, text(reference, "name")))
        else {
            self.is_partial = true;
            return;
        };
        for (key, value) in data {
            self.secrets.extend(value.clone().filter(|_| is_secret));
            self.variables.insert(format!("{prefix}{key}"), value);
        }
    }

    fn value(&mut self, configs: &Configs<'_>, namespace: &str, variable: &Node) -> Option<String> {
        let Some(source) = variable.get("valueFrom") else {
            return self.expand(&variable.get("value").map(plain).unwrap_or_default());
        };
        if let Some(reference) = source.get("configMapKeyRef") {
            return configs.value(false, namespace, reference);
        }
        let value = configs.value(true, namespace, source.get("secretKeyRef")?)?;
        self.secrets.push(value.clone());
        Some(value)
    }

    /// `$(NAME)` put in as Kubernetes does: `$$` is a `$`, and what there is not stays as it is.
    /// Nothing if what should be put in is there and not known.
    pub(crate) fn expand(&self, text: &str) -> Option<String> {
        let mut expanded = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            expanded.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            let name = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
            rest = match name {
                Some((name, behind)) => {
                    match self.variables.get(name) {
                        Some(value) => expanded.push_str(value.as_deref()?),
                        None if self.may_be_set(name) => return None,
                        None => expanded.push_str(&format!("$({name})")),
                    }
                    behind
                }
                None => {
                    expanded.push('$');
                    after.strip_prefix('$').unwrap_or(after)
                }
            };
            if expanded.len() > MOST {
                return None;
            }
        }
        expanded.push_str(rest);
        Some(expanded)
    }

    /// Whether a variable that the container does not name may be there all the same: from a source
    /// that is not in the files, or as one that Kubernetes sets for a service.
    fn may_be_set(&self, name: &str) -> bool {
        self.is_partial || name.contains("_SERVICE_") || name.contains("_PORT")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, Option<&str>)]) -> Environment {
        let owned =
            |&(name, value): &(&str, Option<&str>)| (name.to_owned(), value.map(str::to_owned));
        let variables = variables.iter().map(owned).collect();
        Environment { variables, ..Environment::default() }
    }

    #[test]
    fn names_are_put_in_as_kubernetes_does() {
        let known = environment(&[("PORT", Some("80")), ("TOKEN", None)]);
        let cases = [
            ("--port=$(PORT)", Some("--port=80")),
            ("$(PORT)$(PORT)", Some("8080")),
            ("$$(PORT)", Some("$(PORT)")),
            ("$$$(PORT)", Some("$80")),
            ("$(NONE)", Some("$(NONE)")),
            ("$(TOKEN) $(NONE)", None),
            ("$(DB_SERVICE_HOST)", None),
            ("$PORT $( $", Some("$PORT $( $")),
            ("", Some("")),
        ];
        for (text, expected) in cases {
            assert_eq!(known.expand(text).as_deref(), expected, "{text}");
        }
        let partial = Environment { is_partial: true, ..environment(&[]) };
        assert_eq!(partial.expand("$(NONE)"), None);
    }

    #[test]
    fn what_doubles_again_and_again_ends() {
        let mut known = environment(&[("A", Some(&"a".repeat(1000)))]);
        for _ in 0..100 {
            let doubled = known.expand("$(A)$(A)");
            assert!(doubled.as_ref().is_none_or(|text| text.len() <= MOST));
            known.variables.insert("A".to_owned(), doubled);
        }
    }
}
