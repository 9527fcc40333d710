//! A tree of `CancellationToken`s under the coordinator's: one service is cancelled alone while
//! the others go on, and a signal ends the rest.
//!
//! Code written for tokio-util takes part unchanged. The root is `coordinator.token()`; nobody
//! but the coordinator cancels it. Each service has a child, and whoever holds a child may cancel
//! that branch at any time without touching its siblings.
//!
//! Run `cargo run --example token_tree`: after a second ETHUSDT is delisted and its feed ends
//! alone. Press Ctrl-C: the other feed and the executor end too, and the exit code is 0.

use std::time::Duration;

use sundown::{BoxError, Coordinator, Exit};
use tokio::time::{interval, sleep};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> Exit {
    Exit::of(trade().await)
}

async fn trade() -> Result<Exit, BoxError> {
    let coordinator = Coordinator::builder().build()?;
    coordinator.listen_for_signals()?;

    let root = coordinator.token();
    let feeds = root.child_token();
    let (btc, eth) = (feeds.child_token(), feeds.child_token());
    coordinator.spawn("feed BTCUSDT", feed(btc, "BTCUSDT", 6_500_000));
    coordinator.spawn("feed ETHUSDT", feed(eth.clone(), "ETHUSDT", 320_000));
    coordinator.spawn("executor", executor(root.child_token()));
    coordinator.spawn("listings", delist(root.child_token(), eth));
    coordinator.check()?;
    println!("ready: two feeds and an executor (Ctrl-C stops whatever still runs)");

    let report = coordinator.run().await;
    report.print();
    Ok(report.exit())
}

/// Follows one market, in cents, until its branch of the tree is cancelled.
async fn feed(token: CancellationToken, symbol: &str, mut cents: i64) {
    let mut ticks = interval(Duration::from_millis(250));
    while token.run_until_cancelled(ticks.tick()).await.is_some() {
        cents += fastrand::i64(-500..=500);
        println!("{symbol}: {}.{:02}", cents / 100, cents % 100);
    }
    println!("{symbol}: feed closed");
}

/// Executes orders until it is cancelled; the one in hand is finished first.
async fn executor(token: CancellationToken) {
    let mut executed = 0;
    while !token.is_cancelled() {
        // Not raced against the token: an order is never dropped half-way.
        sleep(Duration::from_millis(60)).await;
        executed += 1;
    }
    println!("executor: closed after {executed} orders");
}

/// One branch is cut at run time, unless the whole tree is felled before.
async fn delist(token: CancellationToken, eth: CancellationToken) {
    if token.run_until_cancelled(sleep(Duration::from_millis(1100))).await.is_some() {
        println!("ETHUSDT is delisted: only its feed is cancelled");
        eth.cancel();
    }
}
