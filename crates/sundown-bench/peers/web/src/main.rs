//! The web layer of Sundown beside its peers: `cargo xtask bench web [--json]`.
//!
//! All servers run in this process on the loopback, and so do their clients.

mod client;
mod idle;
mod latency;
mod server;
mod throughput;

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use sundown_bench::{Comparison, Row, Statistic};
use tokio::runtime::Runtime;

const USAGE: &str = "usage: web-peers [--json]";

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        [] => compare(false),
        ["--json"] => compare(true),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("web-peers: {error:#}");
        ExitCode::FAILURE
    })
}

/// Measures everything. A missed target is a finding, not a failure.
fn compare(json: bool) -> anyhow::Result<ExitCode> {
    type Part = (&'static str, fn(&Runtime) -> anyhow::Result<Vec<Row>>);
    let parts: [Part; 4] = [
        ("after the last response", latency::rows),
        ("idle h2c", idle::h2c_rows),
        ("idle keep-alive", idle::keep_alive_rows),
        ("throughput", throughput::rows),
    ];
    let runtime = Runtime::new().context("cannot start a runtime")?;
    let mut comparison = Comparison::new("web");
    for (name, rows) in parts {
        eprintln!("measuring: {name} …");
        comparison.extend(rows(&runtime).with_context(|| format!("cannot measure {name}"))?);
    }
    comparison.print(json);
    Ok(ExitCode::SUCCESS)
}

/// A server may be gone before its client has read the last byte: what took no time at all or less
/// counts as this.
const NOTHING: Duration = Duration::from_micros(1);

/// How long one side took, run by run.
#[derive(Debug, Default)]
struct Times(Vec<Duration>);

impl Times {
    fn push(&mut self, took: Duration) {
        self.0.push(took.max(NOTHING));
    }

    fn usual_is_nothing(&self) -> bool {
        self.usual() == NOTHING
    }

    fn usual(&self) -> Duration {
        Statistic::Median.of(self.0.iter().copied())
    }

    fn usual_ms(&self) -> f64 {
        millis(self.usual())
    }

    /// A row of ours beside this peer.
    fn row(&self, name: &str, peer: &str, peer_ms: f64) -> Row {
        let worst = self.0.iter().copied().max().unwrap_or_default();
        let note = format!("median of {} runs; ours at most {:.1} ms", self.0.len(), millis(worst));
        Row::new(name, "ms", self.usual_ms(), peer, peer_ms).note(note)
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
