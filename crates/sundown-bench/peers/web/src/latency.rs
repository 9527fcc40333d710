//! One request in flight when the stop begins: how long the server stays after its last byte.

use std::time::Duration;

use anyhow::Context as _;
use sundown_bench::{Row, Target};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::Times;
use crate::client::KeepAlive;
use crate::server::{DONE, Kind, Server};

const WORKERS: usize = 2;
const LIMIT_MS: f64 = 20.0;

pub(crate) fn rows(runtime: &Runtime) -> anyhow::Result<Vec<Row>> {
    let mut rows = runtime.block_on(beside_all("last byte → gone, 50 ms request", 50, 11))?;
    rows.extend(runtime.block_on(beside_all("last byte → gone, 1.2 s request", 1_200, 5))?);
    Ok(rows)
}

async fn beside_all(name: &str, ms: u64, runs: usize) -> anyhow::Result<Vec<Row>> {
    let mut times = Kind::ALL.map(|_| Times::default());
    for _ in 0..runs {
        for (kind, times) in Kind::ALL.into_iter().zip(&mut times) {
            times.push(after_last_byte(kind, ms).await.with_context(|| kind.name())?);
        }
    }
    let [ours, actix, axum] = times;
    let axum_row = ours.row(name, Kind::Axum.name(), axum.usual_ms()).target(Target::AtMost(1.0));
    Ok(vec![
        ours.row(name, "limit", LIMIT_MS).target(Target::AtMost(1.0)),
        ours.row(name, Kind::Actix.name(), actix.usual_ms()),
        if axum.usual_is_nothing() {
            axum_row.note("the peer was gone before its last byte had been read")
        } else {
            axum_row
        },
    ])
}

/// From the arrival of the response's last byte to the end of the server.
async fn after_last_byte(kind: Kind, ms: u64) -> anyhow::Result<Duration> {
    let server = Server::start(kind, WORKERS)?;
    let mut client = KeepAlive::open(server.address).await?;
    let begun = server.begun.clone();
    let mut clients = JoinSet::new();
    clients.spawn(async move { client.ask_slow(ms, DONE).await });
    begun.notified().await;
    let gone = server.stop().await?;
    let arrived = clients.join_next().await.context("there is one client")???;
    Ok(gone.saturating_duration_since(arrived))
}
