//! What it costs to track connections, requests and bodies: requests per second of a tiny page.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use sundown_bench::{Contest, Row, Statistic, Target};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::client::KeepAlive;
use crate::server::{Kind, Server};

const CONNECTIONS: u32 = 16;
const ROUNDS: usize = 301;
const REQUESTS: u32 = CONNECTIONS * 60;
/// One core serves, the other one asks.
const WORKERS: usize = 1;

pub(crate) fn rows(runtime: &Runtime) -> anyhow::Result<Vec<Row>> {
    let runtimes = (runtime, &Builder::new_current_thread().enable_io().build()?);
    let (ours, mut to_ours) = start(Kind::Sundown, runtimes)?;
    let (stock, mut to_stock) = start(Kind::Actix, runtimes)?;
    let (name, peer) = (Kind::Sundown.name(), Kind::Actix.name());
    let wall = Contest::new(Statistic::Median, ROUNDS, REQUESTS)
        .side(name, |requests| to_ours.round(requests))
        .side(peer, |requests| to_stock.round(requests))
        .run();
    let busy = Contest::new(Statistic::Median, ROUNDS, REQUESTS)
        .side(name, |requests| to_ours.busy_round(requests))
        .side(peer, |requests| to_stock.busy_round(requests))
        .run();
    drop((to_ours, to_stock));
    runtime.block_on(ours.stop())?;
    runtime.block_on(stock.stop())?;
    let per_second = |side| 1e9 / wall.nanos(side);
    let share = 100.0 * busy.nanos(name) / wall.nanos(name);
    let row = Row::new(
        "requests of a tiny page, 16 connections, 1 worker",
        "/s",
        per_second(name),
        peer,
        per_second(peer),
    );
    Ok(vec![
        row.target(Target::AtLeast(0.97)).note(format!(
            "median of {ROUNDS} rounds; our worker is busy {share:.0} % of the time"
        )),
        busy.row("processor time of the worker, per request", peer).target(Target::AtMost(1.03)),
    ])
}

/// A server, and clients of it on a runtime of their own.
fn start<'a>(
    kind: Kind,
    (servers, clients): (&Runtime, &'a Runtime),
) -> anyhow::Result<(Server, Clients<'a>)> {
    let before = threads()?;
    let guard = servers.enter();
    let server = Server::start(kind, WORKERS)?;
    drop(guard);
    let mut clients = Clients::open(clients, server.address)?;
    clients.serving = threads()?.difference(&before).cloned().collect();
    ensure!(!clients.serving.is_empty(), "{} has no thread of its own", kind.name());
    Ok((server, clients))
}

/// The threads of this process.
fn threads() -> anyhow::Result<BTreeSet<PathBuf>> {
    let threads = fs::read_dir("/proc/self/task").context("cannot list the threads")?;
    threads.map(|thread| Ok(thread?.path())).collect()
}

/// For how long this thread has had a processor.
fn processor_time(thread: &Path) -> Duration {
    let text = fs::read_to_string(thread.join("schedstat")).expect("the thread is there");
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.expect("it begins with a number"))
}

/// Clients of one server, on one thread, each with one connection and one request at a time.
struct Clients<'a> {
    runtime: &'a Runtime,
    open: Vec<KeepAlive>,
    /// The threads of the server.
    serving: Vec<PathBuf>,
}

impl<'a> Clients<'a> {
    fn open(runtime: &'a Runtime, address: SocketAddr) -> anyhow::Result<Self> {
        let open = (0..CONNECTIONS).map(|_| runtime.block_on(KeepAlive::open(address)));
        let open = open.collect::<anyhow::Result<_>>().context("cannot open connections")?;
        Ok(Clients { runtime, open, serving: Vec::new() })
    }

    /// So many requests, spread over all connections.
    fn round(&mut self, requests: u32) -> Duration {
        let open = std::mem::take(&mut self.open);
        let (took, open) = self.runtime.block_on(async {
            let start = Instant::now();
            let mut clients = JoinSet::new();
            for mut client in open {
                clients.spawn(async move {
                    for _ in 0..requests / CONNECTIONS {
                        client.ask().await.expect("an idle server answers");
                    }
                    client
                });
            }
            let open = clients.join_all().await;
            (start.elapsed(), open)
        });
        self.open = open;
        took
    }

    /// The same, but answers how long the server was busy with it.
    fn busy_round(&mut self, requests: u32) -> Duration {
        let before = self.served();
        self.round(requests);
        self.served() - before
    }

    fn served(&self) -> Duration {
        self.serving.iter().map(|thread| processor_time(thread)).sum()
    }
}
