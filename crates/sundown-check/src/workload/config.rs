//! What config maps of the same files put into a container: variables and files.

use std::collections::BTreeMap;

use crate::document::Document;
use crate::node::{Node, Value};

/// Linux starts no process with more arguments and environment, on a usual stack.
const MOST: usize = 2 << 20;

/// The config maps of all files, by namespace and name.
#[derive(Debug, Default)]
pub(crate) struct Configs<'d>(BTreeMap<(&'d str, &'d str), &'d Document>);

impl<'d> Configs<'d> {
    /// Those among the documents.
    pub(crate) fn of(documents: &'d [Document]) -> Self {
        let maps = documents.iter().filter(|document| document.kind() == "ConfigMap");
        Configs(maps.map(|map| ((map.namespace(), map.name()), map)).collect())
    }

    fn data(&self, namespace: &str, name: &str) -> Option<BTreeMap<String, String>> {
        let map = self.0.get(&(namespace, name))?;
        let entries = map.root.get("data").map(Node::entries).unwrap_or_default();
        Some(entries.iter().map(|entry| (entry.key.clone(), plain(&entry.node))).collect())
    }

    fn value(&self, namespace: &str, reference: &Node) -> Option<String> {
        let map = self.0.get(&(namespace, text(reference, "name")))?;
        map.root.at(&["data", text(reference, "key")]).map(plain)
    }

    /// The environment of a container; `None` for what is not in the files, and for what is more
    /// than a process could be given.
    pub(crate) fn environment(
        &self,
        namespace: &str,
        container: &Node,
    ) -> BTreeMap<String, Option<String>> {
        let mut environment = BTreeMap::new();
        let mut total = 0_usize;
        for source in list(container, "envFrom") {
            let prefix = text(source, "prefix");
            let Some(reference) = source.get("configMapRef") else { continue };
            for (key, value) in self.data(namespace, text(reference, "name")).unwrap_or_default() {
                environment.insert(format!("{prefix}{key}"), Some(value));
            }
        }
        for variable in list(container, "env") {
            let value = match variable.get("valueFrom") {
                Some(source) => source
                    .get("configMapKeyRef")
                    .and_then(|reference| self.value(namespace, reference)),
                None => {
                    let value = variable.get("value").map(plain).unwrap_or_default();
                    Some(expand(&value, &environment))
                }
            };
            let value = value.filter(|value| {
                total = total.saturating_add(value.len());
                total <= MOST
            });
            environment.insert(text(variable, "name").to_owned(), value);
        }
        environment
    }

    /// The files that config maps put into a container, by path.
    pub(crate) fn files(
        &self,
        namespace: &str,
        pod: &Node,
        container: &Node,
    ) -> BTreeMap<String, String> {
        let mounts = list(container, "volumeMounts");
        let mut files = BTreeMap::new();
        if mounts.is_empty() {
            return files;
        }
        let volumes: BTreeMap<&str, &Node> =
            list(pod, "volumes").iter().map(|volume| (text(volume, "name"), volume)).collect();
        for mount in mounts {
            let Some(volume) = volumes.get(text(mount, "name")) else { continue };
            let (at, sub) =
                (text(mount, "mountPath").trim_end_matches('/'), text(mount, "subPath"));
            for (path, content) in self.volume(namespace, volume) {
                let inside = match path.strip_prefix(sub) {
                    _ if sub.is_empty() => format!("{at}/{path}"),
                    Some("") => at.to_owned(),
                    Some(rest) if rest.starts_with('/') => format!("{at}{rest}"),
                    Some(_) | None => continue,
                };
                files.insert(inside, content);
            }
        }
        files
    }

    fn volume(&self, namespace: &str, volume: &Node) -> BTreeMap<String, String> {
        let projected = volume.at(&["projected", "sources"]).map(Node::list).unwrap_or_default();
        let sources = projected.iter().filter_map(|source| source.get("configMap"));
        let mut files = BTreeMap::new();
        for source in sources.chain(volume.get("configMap")) {
            let data = self.data(namespace, text(source, "name")).unwrap_or_default();
            let items = list(source, "items");
            if items.is_empty() {
                files.extend(data);
                continue;
            }
            for item in items {
                if let Some(content) = data.get(text(item, "key")) {
                    files.insert(text(item, "path").to_owned(), content.clone());
                }
            }
        }
        files
    }
}

fn list<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    node.get(key).map(Node::list).unwrap_or_default()
}

fn text<'n>(node: &'n Node, key: &str) -> &'n str {
    node.get(key).and_then(Node::text).unwrap_or_default()
}

/// A value as text, whatever it is: that it should have been a text is another's finding.
fn plain(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => text.clone(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// `$(NAME)` put in as Kubernetes does: `$$` is a `$`, and what is not known stays as it is.
pub(crate) fn expand(text: &str, environment: &BTreeMap<String, Option<String>>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        expanded.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        let name = after.strip_prefix('(').and_then(|inner| inner.split_once(')'));
        rest = match name {
            Some((name, behind)) => {
                match environment.get(name) {
                    Some(Some(value)) if expanded.len() + value.len() <= MOST => {
                        expanded.push_str(value);
                    }
                    Some(_) | None => expanded.push_str(&format!("$({name})")),
                }
                behind
            }
            None => {
                expanded.push('$');
                after.strip_prefix('$').unwrap_or(after)
            }
        };
    }
    expanded.push_str(rest);
    expanded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_in_as_kubernetes_does() {
        let known = BTreeMap::from([
            ("PORT".to_owned(), Some("80".to_owned())),
            ("TOKEN".to_owned(), None),
        ]);
        let cases = [
            ("--port=$(PORT)", "--port=80"),
            ("$(PORT)$(PORT)", "8080"),
            ("$$(PORT)", "$(PORT)"),
            ("$$$(PORT)", "$80"),
            ("$(TOKEN) $(NONE)", "$(TOKEN) $(NONE)"),
            ("$PORT $( $", "$PORT $( $"),
            ("", ""),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text, &known), expected, "{text}");
        }
    }

    #[test]
    fn what_doubles_again_and_again_ends() {
        let mut known = BTreeMap::from([("A".to_owned(), Some("a".repeat(1000)))]);
        for _ in 0..100 {
            let doubled = expand("$(A)$(A)", &known);
            assert!(doubled.len() <= MOST + 8, "{}", doubled.len());
            known.insert("A".to_owned(), Some(doubled));
        }
    }
}
