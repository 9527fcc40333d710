//! One object of one file.

use std::sync::Arc;

use crate::finding::Place;
use crate::node::Node;

/// An object as it was written, and where.
#[derive(Debug, Clone)]
pub(crate) struct Document {
    /// The file's name, as it was given.
    pub(crate) file: Arc<str>,
    /// Which of the file's documents, from 1.
    pub(crate) number: usize,
    /// The object.
    pub(crate) root: Node,
    /// The namespace it is applied to if it names none.
    pub(crate) release: Arc<str>,
}

impl Document {
    /// One that names its namespace, or is applied to `default`.
    pub(crate) fn new(file: Arc<str>, number: usize, root: Node) -> Document {
        Document { file, number, root, release: "default".into() }
    }

    /// `apps/v1`.
    pub(crate) fn api_version(&self) -> &str {
        self.root.get("apiVersion").and_then(Node::text).unwrap_or_default()
    }

    /// `apps`; empty for the first kinds there were.
    pub(crate) fn group(&self) -> &str {
        self.api_version().split_once('/').map_or("", |(group, _)| group)
    }

    /// `Deployment`.
    pub(crate) fn kind(&self) -> &str {
        self.root.get("kind").and_then(Node::text).unwrap_or_default()
    }

    /// Its name; empty if it has none.
    pub(crate) fn name(&self) -> &str {
        self.root.at(&["metadata", "name"]).and_then(Node::text).unwrap_or_default()
    }

    /// The namespace it names; empty if it names none.
    fn named_namespace(&self) -> &str {
        self.root.at(&["metadata", "namespace"]).and_then(Node::text).unwrap_or_default()
    }

    /// The namespace it is applied to.
    pub(crate) fn namespace(&self) -> &str {
        match self.named_namespace() {
            "" => &self.release,
            named => named,
        }
    }

    /// What it is to the API server, whatever the version it is written in: group, kind, namespace,
    /// name. Nothing if the server names it.
    pub(crate) fn identity(&self) -> Option<[String; 4]> {
        let identity = [self.group(), self.kind(), self.namespace(), self.name()];
        (!self.kind().is_empty() && !self.name().is_empty()).then(|| identity.map(str::to_owned))
    }

    /// What to call it: `Deployment shop/web`.
    pub(crate) fn title(&self) -> String {
        match (self.named_namespace(), self.name()) {
            ("", name) => format!("{} {name}", self.kind()),
            (namespace, name) => format!("{} {namespace}/{name}", self.kind()),
        }
    }

    /// A line of it, and the field that stands there.
    pub(crate) fn place(&self, line: usize, field: impl Into<String>) -> Place {
        let file = self.file.to_string();
        Place { file, document: self.number, line, field: field.into() }
    }
}
