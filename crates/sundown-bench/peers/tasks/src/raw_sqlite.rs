//! The limit on SQLite: one thread, one table, one commit for whoever waits. No keys, no limits, no
//! progress, no retries.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rusqlite::{Connection, params};
use serde_json::to_string;
use tokio::sync::oneshot;

use crate::queue::{Queue, callers};
use crate::ran::{self, Work};
use crate::world::World;

const BATCH: usize = 500;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 4000;
    CREATE TABLE task (
        id INTEGER PRIMARY KEY, kind TEXT NOT NULL, input TEXT NOT NULL, state INTEGER NOT NULL,
        attempt INTEGER NOT NULL DEFAULT 0, leased_until INTEGER, output TEXT
    );
    CREATE INDEX waiting ON task (id) WHERE state = 0;";
const INSERT: &str = "INSERT INTO task (kind, input, state) VALUES ('nothing', ?1, 0)";
const CLAIM: &str = "
    UPDATE task SET state = 1, attempt = attempt + 1, leased_until = unixepoch() + 10
    WHERE id IN (SELECT id FROM task WHERE state = 0 ORDER BY id LIMIT ?1)
    RETURNING id, attempt, input";
const FINISH: &str = "
    UPDATE task SET state = 2, leased_until = NULL, output = 'null'
    WHERE id = ?1 AND attempt = ?2 AND state = 1";

pub(crate) struct RawSqlite {
    asks: SyncSender<Ask>,
    thread: JoinHandle<anyhow::Result<()>>,
}

enum Ask {
    /// Take this in, and say when it is on disk.
    Insert(String, oneshot::Sender<()>),
    /// Take so many in, and drain them.
    Drain(u32, oneshot::Sender<Duration>),
}

impl Queue for RawSqlite {
    const NAME: &'static str = "raw rusqlite loop";

    async fn open(world: &World) -> anyhow::Result<Self> {
        let connection = Connection::open(world.place()?.join("tasks.db"))?;
        connection.execute_batch(SCHEMA)?;
        let (asks, asked) = sync_channel(BATCH);
        let name = "raw loop".to_owned();
        let thread = Builder::new().name(name).spawn(move || serve(&connection, &asked))?;
        Ok(RawSqlite { asks, thread })
    }

    async fn take_in(&self, count: u32) -> anyhow::Result<Duration> {
        callers(count, |caller, own| {
            let asks = self.asks.clone();
            async move {
                for number in 0..own {
                    let (done, is_done) = oneshot::channel();
                    let input = to_string(&Work::new(caller * own + number))?;
                    asks.send(Ask::Insert(input, done)).context("the loop has ended")?;
                    is_done.await.context("the loop has ended")?;
                }
                Ok(())
            }
        })
        .await
    }

    async fn drain(&self, count: u32) -> anyhow::Result<Duration> {
        ran::forget();
        let (done, is_done) = oneshot::channel();
        self.asks.send(Ask::Drain(count, done)).context("the loop has ended")?;
        is_done.await.context("the loop has ended")
    }

    async fn close(self) -> anyhow::Result<()> {
        drop(self.asks);
        self.thread.join().unwrap_or_else(|_| anyhow::bail!("the loop panicked"))
    }
}

fn serve(connection: &Connection, asked: &Receiver<Ask>) -> anyhow::Result<()> {
    let mut insert = connection.prepare(INSERT)?;
    while let Ok(first) = asked.recv() {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let mut waiting = Vec::new();
        let mut drains = Vec::new();
        for ask in std::iter::once(first).chain(asked.try_iter()).take(BATCH) {
            match ask {
                Ask::Insert(input, done) => {
                    insert.execute([input])?;
                    waiting.push(done);
                }
                Ask::Drain(count, done) => drains.push((count, done)),
            }
        }
        connection.execute_batch("COMMIT")?;
        for done in waiting {
            let _ = done.send(());
        }
        for (count, done) in drains {
            fill(connection, count)?;
            let start = Instant::now();
            let drained = drain(connection)?;
            let took = start.elapsed();
            ensure!(drained == count, "{drained} of {count} were drained");
            let _ = done.send(took);
        }
    }
    Ok(())
}

fn fill(connection: &Connection, count: u32) -> anyhow::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut insert = connection.prepare(INSERT)?;
    for number in 0..count {
        insert.execute([to_string(&Work::new(number))?])?;
    }
    Ok(connection.execute_batch("COMMIT")?)
}

/// The end of one batch and the claim of the next are one commit.
fn drain(connection: &Connection) -> anyhow::Result<u32> {
    let mut claim = connection.prepare(CLAIM)?;
    let mut finish = connection.prepare(FINISH)?;
    let mut drained = 0;
    let mut batch: Vec<(i64, i64, String)> = Vec::new();
    loop {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        for (id, attempt, _) in batch.drain(..) {
            drained += u32::try_from(finish.execute(params![id, attempt])?)?;
        }
        let claimed = claim.query_map([i64::try_from(BATCH)?], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?;
        batch.extend(claimed.collect::<Result<Vec<_>, _>>()?);
        connection.execute_batch("COMMIT")?;
        for (_, _, input) in &batch {
            ran::run(&serde_json::from_str(input)?);
        }
        if batch.is_empty() {
            return Ok(drained);
        }
    }
}
