//! A worker on a plain thread that looks at the shutdown flag before each order, so that it stops
//! between two orders and never inside one.
//!
//! The worker knows nothing of tokio. It polls the flag, which costs one atomic load, and between
//! two batches it sleeps on the handle instead of the clock, so that a shutdown wakes it at once.
//! A blocking waiter joins the thread: the process does not go before the last order is through.
//!
//! Run `cargo run --example flag_worker` and press Ctrl-C while an order is being executed: that
//! order is finished, the next one is never begun, and the exit code is 0.

use std::io;
use std::panic::resume_unwind;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sundown::{BoxError, Coordinator, Exit, Shutdown, Waiter};

const BATCH: u32 = 10;
const EXECUTION: Duration = Duration::from_millis(150);
const BETWEEN_BATCHES: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Exit {
    Exit::of(trade().await)
}

async fn trade() -> Result<Exit, BoxError> {
    let coordinator = Coordinator::builder().build()?;
    coordinator.listen_for_signals()?;

    let worker = start_worker(coordinator.shutdown())?;
    let joins = Waiter::blocking("order worker", move |_deadline| {
        let executed = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        println!("joined the worker: {executed} orders executed, none half done");
    });
    coordinator.register_waiter(joins)?;
    coordinator.check()?;
    println!("ready: the worker takes orders (Ctrl-C stops it between two of them)");

    let report = coordinator.run().await;
    report.print();
    Ok(report.exit())
}

fn start_worker(shutdown: Shutdown) -> io::Result<JoinHandle<u32>> {
    thread::Builder::new().name("orders".to_owned()).spawn(move || work(&shutdown))
}

/// Executes orders in batches until the shutdown begins; answers how many.
fn work(shutdown: &Shutdown) -> u32 {
    let mut executed = 0;
    while !shutdown.is_shutting_down() {
        executed += 1;
        execute(executed);
        if executed % BATCH == 0 {
            println!("idle: the next batch is due in {BETWEEN_BATCHES:?}");
            shutdown.wait_timeout(BETWEEN_BATCHES);
        }
    }
    println!("stopped between two orders, after order {executed}");
    executed
}

/// Stands for a call that blocks and must not be torn: placing an order, say.
fn execute(order: u32) {
    println!("order {order}: executing");
    #[expect(clippy::disallowed_methods, reason = "this thread is no runtime's: it may block")]
    thread::sleep(EXECUTION);
    println!("order {order}: done");
}
