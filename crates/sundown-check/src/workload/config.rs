//! What config maps and secrets of the same files hold, and the files they put into a container.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;

use crate::document::Document;
use crate::node::{Node, Value};
use crate::workload::environment::Environment;

/// What a config map or a secret holds; `None` for what is no text.
pub(crate) type Data = BTreeMap<String, Option<String>>;

/// The config maps and the secrets of all files, by whether it is a secret, namespace and name.
#[derive(Debug, Default)]
pub(crate) struct Configs<'d>(BTreeMap<(bool, &'d str, &'d str), &'d Document>);

/// The files that volumes put into a container.
#[derive(Debug, Default)]
pub(crate) struct Mounted {
    /// By path.
    pub(crate) files: BTreeMap<String, String>,
    /// Those of them that come from a secret.
    pub(crate) secrets: BTreeSet<String>,
    /// Where something is mounted, and whether all that is there is known.
    pub(crate) places: BTreeMap<String, bool>,
}

/// What a volume holds, as far as the files tell it.
#[derive(Default)]
struct Volume {
    files: BTreeMap<String, (String, bool)>,
    is_partial: bool,
}

impl<'d> Configs<'d> {
    /// Those among the documents.
    pub(crate) fn of(documents: &[&'d Document]) -> Self {
        let config = |&document: &&'d Document| {
            let is_secret = match (document.api_version(), document.kind()) {
                ("v1", "ConfigMap") => false,
                ("v1", "Secret") => true,
                _ => return None,
            };
            Some(((is_secret, document.namespace(), document.name()), document))
        };
        Configs(documents.iter().filter_map(config).collect())
    }

    /// Everything that one of them holds, if it is among the files.
    pub(crate) fn data(&self, is_secret: bool, namespace: &str, name: &str) -> Option<Data> {
        let root = &self.0.get(&(is_secret, namespace, name))?.root;
        let entries = |key| root.get(key).map(Node::entries).unwrap_or_default().iter();
        let data = entries("data").map(|entry| {
            let value = if is_secret { decoded(&entry.node) } else { Some(plain(&entry.node)) };
            (entry.key.clone(), value)
        });
        let texts = entries("stringData").filter(|_| is_secret);
        let texts = texts.map(|entry| (entry.key.clone(), Some(plain(&entry.node))));
        let binaries = entries("binaryData").map(|entry| (entry.key.clone(), None));
        Some(data.chain(texts).chain(binaries).collect())
    }

    /// What a reference to one key of one of them means.
    pub(crate) fn value(&self, is_secret: bool, namespace: &str, at: &Node) -> Option<String> {
        let root = &self.0.get(&(is_secret, namespace, text(at, "name")))?.root;
        let of = |holder: &str| root.at(&[holder, text(at, "key")]);
        if !is_secret {
            return of("data").map(plain);
        }
        of("stringData").map(plain).or_else(|| decoded(of("data")?))
    }

    /// The files that volumes put into a container.
    pub(crate) fn files(
        &self,
        namespace: &str,
        pod: &Node,
        container: &Node,
        environment: &Environment,
    ) -> Mounted {
        let mut mounted = Mounted::default();
        let mounts = list(container, "volumeMounts");
        if mounts.is_empty() {
            return mounted;
        }
        let volumes: BTreeMap<&str, &Node> =
            list(pod, "volumes").iter().map(|volume| (text(volume, "name"), volume)).collect();
        for mount in mounts {
            let at = text(mount, "mountPath").trim_end_matches('/').to_owned();
            let sub = match mount.get("subPathExpr").and_then(Node::text) {
                Some(expression) => environment.expand(expression),
                None => Some(text(mount, "subPath").to_owned()),
            };
            let volume = volumes.get(text(mount, "name"));
            match (volume, sub) {
                (Some(volume), Some(sub)) => {
                    mounted.take(&at, sub.trim_matches('/'), self.volume(namespace, volume));
                }
                (None, _) | (_, None) => {
                    mounted.places.insert(at, false);
                }
            }
        }
        mounted
    }

    fn volume(&self, namespace: &str, volume: &Node) -> Volume {
        let mut held = Volume::default();
        let projected = volume.get("projected").map(|projected| list(projected, "sources"));
        let sources = projected.unwrap_or_default().iter().chain([volume]);
        let mut is_any = false;
        for source in sources {
            let of = |key: &str| source.get(key);
            let (reference, is_secret) = match (of("configMap"), of("secret")) {
                (Some(reference), _) => (reference, false),
                (None, Some(reference)) => (reference, true),
                (None, None) => {
                    held.is_partial |= !std::ptr::eq(source, volume);
                    continue;
                }
            };
            is_any = true;
            let name = reference.get("secretName").or_else(|| reference.get("name"));
            let name = name.and_then(Node::text).unwrap_or_default();
            match self.data(is_secret, namespace, name) {
                Some(data) => held.take(data, list(reference, "items"), is_secret),
                None => held.is_partial = true,
            }
        }
        held.is_partial |= !is_any;
        held
    }
}

impl Volume {
    fn take(&mut self, data: Data, items: &[Node], is_secret: bool) {
        let item = |item: &Node| {
            let content = data.get(text(item, "key"))?.clone();
            Some((text(item, "path").to_owned(), content))
        };
        let files: Data = match items {
            [] => data,
            items => items.iter().filter_map(item).collect(),
        };
        for (path, content) in files {
            match content {
                Some(content) => {
                    self.files.insert(path, (content, is_secret));
                }
                None => self.is_partial = true,
            }
        }
    }
}

impl Mounted {
    fn take(&mut self, at: &str, sub: &str, volume: Volume) {
        self.places.insert(at.to_owned(), sub.is_empty() && !volume.is_partial);
        for (path, (content, is_secret)) in volume.files {
            let inside = match path.strip_prefix(sub) {
                _ if sub.is_empty() => format!("{at}/{path}"),
                Some("") => at.to_owned(),
                Some(rest) if rest.starts_with('/') => format!("{at}{rest}"),
                Some(_) | None => continue,
            };
            if is_secret {
                self.secrets.insert(inside.clone());
            }
            self.files.insert(inside, content);
        }
    }
}

pub(crate) fn list<'n>(node: &'n Node, key: &str) -> &'n [Node] {
    node.get(key).map(Node::list).unwrap_or_default()
}

pub(crate) fn text<'n>(node: &'n Node, key: &str) -> &'n str {
    node.get(key).and_then(Node::text).unwrap_or_default()
}

/// A value as text, whatever it is: that it should have been a text is another's finding.
pub(crate) fn plain(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => text.clone(),
        Value::Bool(yes) => yes.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// The text behind base64, if it is one.
fn decoded(node: &Node) -> Option<String> {
    let ByteString(bytes) = serde_json::from_value(node.to_json()).ok()?;
    String::from_utf8(bytes).ok()
}
