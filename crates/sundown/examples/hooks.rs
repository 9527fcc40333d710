//! Cleanup hooks with priorities: registered in any order, run from `Critical` to `Cleanup`.
//!
//! Each part of the program registers its own hook where it is set up; nobody keeps a list. Hooks
//! run one after the other, in `release` unless told otherwise, and may block. The ledger's hook
//! is async and runs in `flush`, which comes before: nothing is given back until it is in safety.
//!
//! Run `cargo run --example hooks` and press Ctrl-C: the hooks run in the order of their
//! priorities, the temporary file is gone, and the exit code is 0.

use std::path::Path;
use std::time::Duration;
use std::{env, fs, process};

use sundown::{BoxError, Coordinator, Exit, Phase, PlanError, Priority, Waiter};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Exit {
    Exit::of(trade().await)
}

async fn trade() -> Result<Exit, BoxError> {
    let coordinator = Coordinator::builder().build()?;
    coordinator.listen_for_signals()?;

    let scratch = env::temp_dir().join(format!("sundown-hooks-{}.tmp", process::id()));
    fs::write(&scratch, "quotes of today")?;
    register_hooks(&coordinator, &scratch)?;
    coordinator.check()?;
    println!("ready: trading, with a scratch file at {}", scratch.display());

    let report = coordinator.run().await;
    report.print();
    Ok(report.exit())
}

fn register_hooks(coordinator: &Coordinator, scratch: &Path) -> Result<(), PlanError> {
    let hook = |name: &'static str, priority, does: &'static str| {
        println!("registered {name} ({priority:?})");
        let hook = move || println!("{name}: {does}");
        coordinator.register_hook(name, priority, hook).map(drop)
    };
    hook("exchanges", Priority::Low, "logged out")?;
    hook("risk limits", Priority::Critical, "final figures saved")?;
    hook("orders", Priority::Normal, "order book archived")?;
    hook("positions", Priority::High, "hedges confirmed")?;

    let scratch = scratch.to_owned();
    let remove = move || {
        fs::remove_file(&scratch)?;
        println!("scratch file: removed");
        Ok::<_, std::io::Error>(())
    };
    println!("registered scratch file (Cleanup)");
    coordinator.register_hook("scratch file", Priority::Cleanup, remove)?;

    let ledger = Waiter::new("ledger", |_deadline| async {
        sleep(Duration::from_millis(50)).await;
        println!("ledger: written and confirmed");
    });
    println!("registered ledger (Critical, async, in flush)");
    coordinator.register_waiter(ledger.in_phase(Phase::FLUSH).as_hook(Priority::Critical))?;
    Ok(())
}
