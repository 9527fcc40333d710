//! Graceful until the deadline, then by force: five tasks, one of which hangs.
//!
//! Each task is owned by the coordinator under its name. When the shutdown begins they finish what
//! they have in hand; whoever still runs at the deadline is aborted, which runs its destructors,
//! and is named in the report. The hung task takes no time from the final save, which has a phase
//! and a budget of its own.
//!
//! Run `cargo run --example graceful_then_forced` and press Ctrl-C: four tasks finish, task 3 is
//! warned about at 50, 80 and 100 % of the time and then aborted, the save is done, and the exit
//! code is 3. A second Ctrl-C does not wait for the deadline.

use std::future::pending;
use std::io::{self, Write as _};
use std::time::Duration;

use sundown::{BoxError, Coordinator, Exit, Phase, Shutdown, Waiter};
use tokio::time::sleep;
use tracing::Level;

const HANGS: u64 = 3;

#[tokio::main]
async fn main() -> Exit {
    tracing_subscriber::fmt()
        .with_max_level(Level::WARN)
        .with_writer(io::stderr)
        .without_time()
        .init();
    Exit::of(serve().await)
}

async fn serve() -> Result<Exit, BoxError> {
    // What flush and release do not need of the cap is the time to be graceful in: about 1 s.
    let coordinator = Coordinator::builder()
        .cap(Duration::from_millis(1500))
        .budget(Phase::FLUSH, Duration::from_millis(250))
        .budget(Phase::RELEASE, Duration::from_millis(200))
        .build()?;
    coordinator.listen_for_signals()?;

    for number in 1..=5 {
        coordinator.spawn(format!("task {number}"), work(number, coordinator.shutdown()));
    }
    let save = Waiter::blocking("final save", |_deadline| println!("final save: done"));
    coordinator.register_waiter(save.in_phase(Phase::FLUSH))?;
    coordinator.check()?;
    println!("ready: five tasks, of which task {HANGS} will hang when asked to stop");

    let report = coordinator.run().await;
    for work in &report.left {
        println!("to be done again at the next start: {}", work.name);
    }
    report.print();
    Ok(report.exit())
}

async fn work(number: u64, shutdown: Shutdown) {
    let _connection = Connection { of_task: number };
    let mut items = 0;
    while shutdown.until(sleep(Duration::from_millis(50))).await.is_some() {
        items += 1;
    }
    if number == HANGS {
        println!("task {number}: waits for an answer that never comes");
        pending::<()>().await;
    }
    // The item in hand.
    sleep(Duration::from_millis(30 * number)).await;
    println!("task {number}: finished, {items} items done");
}

/// Whatever a task holds is given back, also by force.
struct Connection {
    of_task: u64,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A destructor must not panic, which `println!` does when nobody reads.
        let _ = writeln!(io::stdout(), "task {}: connection closed", self.of_task);
    }
}
