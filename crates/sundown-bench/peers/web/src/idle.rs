//! Connections on which nothing happens: how long they keep a server that was told to stop.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sundown_bench::{Row, Target};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::Times;
use crate::client::{H2, KeepAlive};
use crate::server::{Kind, Server};

const WORKERS: usize = 2;
const H2C_RUNS: usize = 3;
const KEEP_ALIVE_RUNS: usize = 5;
const CONNECTIONS: usize = 1_000;
/// Both ends of every connection are in this process.
const FILES: u64 = 4_000;

pub(crate) fn h2c_rows(runtime: &Runtime) -> anyhow::Result<Vec<Row>> {
    let name = "an idle h2c connection: stop → gone";
    let mut times = Kind::ALL.map(|_| Times::default());
    for _ in 0..H2C_RUNS {
        for (kind, times) in Kind::ALL.into_iter().zip(&mut times) {
            times.push(runtime.block_on(h2c(kind)).with_context(|| kind.name())?);
        }
    }
    let [ours, actix, axum] = times;
    Ok(vec![
        ours.row(name, Kind::Actix.name(), actix.usual_ms()).target(Target::AtMost(0.01)),
        ours.row(name, Kind::Axum.name(), axum.usual_ms()).target(Target::AtMost(1.0)),
    ])
}

pub(crate) fn keep_alive_rows(runtime: &Runtime) -> anyhow::Result<Vec<Row>> {
    allow_files(FILES)?;
    let name = "1,000 idle keep-alive connections: stop → gone";
    let mut times = Kind::ALL.map(|_| Times::default());
    for _ in 0..KEEP_ALIVE_RUNS {
        for (kind, times) in Kind::ALL.into_iter().zip(&mut times) {
            times.push(runtime.block_on(keep_alive(kind)).with_context(|| kind.name())?);
        }
    }
    let [ours, actix, axum] = times;
    Ok(vec![
        ours.row(name, Kind::Actix.name(), actix.usual_ms()),
        ours.row(name, Kind::Axum.name(), axum.usual_ms()).target(Target::AtMost(1.0)),
    ])
}

async fn h2c(kind: Kind) -> anyhow::Result<Duration> {
    let server = Server::start(kind, WORKERS)?;
    let _client = H2::open(server.address).await?;
    let start = Instant::now();
    Ok(server.stop().await?.duration_since(start))
}

async fn keep_alive(kind: Kind) -> anyhow::Result<Duration> {
    let server = Server::start(kind, WORKERS)?;
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let mut client = KeepAlive::open(server.address).await?;
        clients.spawn(async move { client.until_closed().await });
    }
    ensure!(clients.try_join_next().is_none(), "a connection was closed before the stop");
    let start = Instant::now();
    let gone = server.stop().await?;
    clients.shutdown().await;
    Ok(gone.duration_since(start))
}

/// Raises this process's own limit on open files, if it is too low.
fn allow_files(needed: u64) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(needed), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).with_context(|| format!("cannot have {needed} open files"))
}
