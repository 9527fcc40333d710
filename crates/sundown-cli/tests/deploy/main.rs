//! What `deploy/` says is true: alerts and dashboards name what the binary tells, budgets add up, and the
//! image's binary needs nothing beside it.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod alerts;
#[expect(dead_code, reason = "the tests of tasks use the rest")]
#[path = "../tasks/api.rs"]
mod api;
mod budgets;
mod exposed;
#[expect(dead_code, reason = "the tests of serving use the rest")]
#[path = "../serve/http.rs"]
mod http;
mod image;
mod labels;
mod load;
mod names;
mod promql;
mod resolver;
mod room;
#[expect(dead_code, reason = "the tests of serving use the rest")]
#[path = "../serve/service.rs"]
mod service;

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository, by its path from the top.
fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

const RULES: &str = "deploy/components/monitoring/rules.yaml";
