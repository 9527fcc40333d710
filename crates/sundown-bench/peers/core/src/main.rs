//! The core of Sundown beside its peers: `cargo xtask bench core [--json]`.
//!
//! Started again by itself with other words, it is the process whose memory or whose end is
//! measured.

mod flag;
mod memory;
mod plan;
mod process;
mod spawn;
mod wake;

use std::env;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use sundown::Coordinator;
use sundown_bench::{Comparison, Row};

const USAGE: &str = "usage: core-peers [--json]";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] => compare(false),
        ["--json"] => compare(true),
        [memory::CHILD, who] => memory::child(who),
        [process::CHILD, part] => process::child(part),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("core-peers: {error:#}");
        ExitCode::FAILURE
    })
}

/// Measures everything. A missed target is a finding, not a failure.
fn compare(json: bool) -> anyhow::Result<ExitCode> {
    type Part = (&'static str, fn() -> anyhow::Result<Vec<Row>>);
    let parts: [Part; 6] = [
        ("polling", flag::rows),
        ("spawning", spawn::rows),
        ("memory", memory::rows),
        ("waiting and waking", wake::rows),
        ("makespan", plan::rows),
        ("processes", process::rows),
    ];
    let mut comparison = Comparison::new("core");
    for (name, rows) in parts {
        eprintln!("measuring: {name} …");
        comparison.extend(rows().with_context(|| format!("cannot measure {name}"))?);
    }
    comparison.print(json);
    Ok(ExitCode::SUCCESS)
}

/// A coordinator as a service builds it, with no announcement.
fn coordinator() -> anyhow::Result<Arc<Coordinator>> {
    let builder = Coordinator::builder().cap(Duration::from_secs(60)).announce(Duration::ZERO);
    builder.build().context("cannot build a coordinator")
}
