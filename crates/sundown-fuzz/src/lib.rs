//! The parsers that read what strangers write, and what must hold of each of them for every input.
//!
//! A target is a function that panics when something does not hold. libFuzzer calls it with inputs
//! that it makes up (`libfuzzer/`, started by `cargo xtask fuzz`), and a test with the inputs that
//! were kept (`corpus/`).

pub mod corpus;
mod message;
mod target;

/// A parser, and what must hold of it.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name on the command line, and that of its corpus.
    pub name: &'static str,
    /// Panics when something does not hold for this input.
    pub check: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [Target; 8] = [
    Target { name: "config", check: target::config::check },
    Target { name: "manifest", check: target::manifest::check },
    Target { name: "postgres-url", check: target::postgres_url::check },
    Target { name: "report", check: target::report::check },
    Target { name: "setting", check: target::setting::check },
    Target { name: "shim", check: target::shim::check },
    Target { name: "task", check: target::task::check },
    Target { name: "url", check: target::url::check },
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}
