//! Several services subscribe to one shutdown; each cleans up for itself and knows which signal
//! it was.
//!
//! A clone of the `Shutdown` handle is the subscription. SIGTERM, SIGINT, SIGQUIT and SIGHUP all
//! begin the same shutdown. The order executor, once told, still executes what was queued before,
//! so nothing the strategy has sent is lost.
//!
//! Run `cargo run --example signal_manager` and press Ctrl-C or Ctrl-\, or close the terminal, or
//! send `kill -TERM`: both services name the signal, clean up and end, and the exit code is 0.

use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;

use sundown::{BoxError, Cause, Coordinator, Exit, Shutdown};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{interval, sleep};

#[tokio::main]
async fn main() -> Exit {
    Exit::of(trade().await)
}

async fn trade() -> Result<Exit, BoxError> {
    let coordinator = Coordinator::builder().build()?;
    coordinator.listen_for_signals()?;

    let (orders, queue) = mpsc::channel(16);
    coordinator.spawn("market data", market_data(coordinator.shutdown(), orders));
    coordinator.spawn("order executor", order_executor(coordinator.shutdown(), queue));
    coordinator.check()?;
    say(format_args!("ready: process {} waits for a signal", std::process::id()));

    let report = coordinator.run().await;
    report.print();
    Ok(report.exit())
}

/// Follows the market and sends an order now and then.
async fn market_data(shutdown: Shutdown, orders: Sender<u32>) {
    let mut ticks = interval(Duration::from_millis(20));
    let mut sent = 0;
    while shutdown.until(ticks.tick()).await.is_some() {
        // A full queue holds the feed back; the shutdown still gets through.
        let Some(Ok(place)) = shutdown.until(orders.reserve()).await else { break };
        sent += 1;
        place.send(sent);
    }
    say(format_args!("market data: {}, closing the feed", describe(&shutdown)));
    sleep(Duration::from_millis(50)).await;
    say(format_args!("market data: feed closed, {sent} orders sent"));
}

/// Executes orders; when told to stop, those that were queued before as well.
async fn order_executor(shutdown: Shutdown, mut queue: Receiver<u32>) {
    let mut executed = 0;
    while let Some(order) = shutdown.until(queue.recv()).await.flatten() {
        executed = execute(order).await;
        if executed % 10 == 0 {
            say(format_args!("order executor: {executed} executed so far"));
        }
    }
    say(format_args!("order executor: {}, executing what is queued", describe(&shutdown)));
    // Ends when the queue is empty and the feed, its last sender, is gone.
    while let Some(order) = queue.recv().await {
        executed = execute(order).await;
    }
    say(format_args!("order executor: session closed, {executed} orders executed"));
}

async fn execute(order: u32) -> u32 {
    sleep(Duration::from_millis(30)).await;
    order
}

fn describe(shutdown: &Shutdown) -> String {
    match shutdown.cause() {
        Some(Cause::Signal { signal }) => format!("caught {signal}"),
        Some(cause) => format!("stopping ({cause})"),
        None => "out of work".to_owned(),
    }
}

/// Prints a line. After SIGHUP the terminal may be gone, and `println!` would panic.
fn say(line: fmt::Arguments<'_>) {
    let _ = writeln!(io::stdout(), "{line}");
}
