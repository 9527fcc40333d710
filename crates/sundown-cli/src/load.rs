//! The clients of `cargo xtask e2e kubernetes`, which run in the cluster from the same image. Not part of
//! what the program promises, and of no help text.

use std::time::Duration;

use serde_json::json;
use sundown::{BoxError, Coordinator, Exit};
use sundown_drill::load::{Load, Tally};

/// The command that asks for it.
pub(crate) const NAME: &str = "__load";

/// How often it is told how it stands.
const TELL: Duration = Duration::from_secs(2);
/// What slow readers ask for, and how fast they take it: some ten seconds long.
const LONG: &str = "/try/bytes/1048576";
const SLOWLY: u32 = 100 << 10;
const SHORT: &str = "/try/slow/100";

/// Asks the server at this address, with so many clients that keep their connections and so many that read
/// slowly, until it is told to stop.
pub(crate) fn run(arguments: &[String]) -> Result<Exit, BoxError> {
    let [address, kept, slow] = arguments else { return Err(USAGE.into()) };
    let coordinator = Coordinator::builder().build()?;
    coordinator.listen_for_signals()?;
    let load = Load::on(address)
        .keep_alive(kept.parse()?, SHORT)
        .slow_readers(slow.parse()?, LONG, SLOWLY)
        .start();
    while !coordinator.shutdown().wait_timeout(TELL) {
        tell(&load.tally())?;
    }
    tell(&load.stop())
}

const USAGE: &str = "__load takes the address of a server, and two numbers of clients";

fn tell(tally: &Tally) -> Result<Exit, BoxError> {
    let Tally { answered, sent_again, failed, failures, .. } = tally;
    let line = json!({
        "answered": answered, "sent_again": sent_again, "failed": failed, "failures": failures,
    });
    crate::print(&format!("{line}\n"))
}
