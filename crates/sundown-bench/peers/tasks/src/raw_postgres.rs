//! The limit on PostgreSQL: one table and SKIP LOCKED, whoever waits is inserted by one statement. No
//! keys, no limits, no progress, no retries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::to_string;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

use crate::queue::{Queue, callers};
use crate::ran::{self, Work};
use crate::world::World;

const CONNECTIONS: usize = 4;
const BATCH: u16 = 500;

const SCHEMA: &str = "
    CREATE TABLE task (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, kind text NOT NULL,
        input text NOT NULL, state smallint NOT NULL DEFAULT 0, attempt int NOT NULL DEFAULT 0,
        leased_until timestamptz, output text
    );
    CREATE INDEX waiting ON task (id) WHERE state = 0;";
const INSERT: &str = "INSERT INTO task (kind, input) SELECT 'nothing', unnest($1::text[])";
const CLAIM: &str = "
    UPDATE task SET state = 1, attempt = attempt + 1,
        leased_until = clock_timestamp() + interval '10 s'
    WHERE id IN (
        SELECT id FROM task WHERE state = 0 ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    RETURNING id, attempt, input";
const FINISH: &str = "
    UPDATE task SET state = 2, leased_until = NULL, output = 'null'
    FROM unnest($1::bigint[], $2::int[]) AS ended (id, attempt)
    WHERE task.id = ended.id AND task.attempt = ended.attempt AND state = 1";

pub(crate) struct RawPostgres {
    clients: Vec<Arc<Client>>,
    asks: mpsc::Sender<(String, oneshot::Sender<()>)>,
    /// What inserts, and the connections.
    background: JoinSet<anyhow::Result<()>>,
}

impl Queue for RawPostgres {
    const NAME: &'static str = "raw SKIP LOCKED loop";

    async fn open(world: &World) -> anyhow::Result<Self> {
        let url = world.database()?;
        let mut background = JoinSet::new();
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
            background.spawn(async move { Ok(connection.await?) });
            clients.push(Arc::new(client));
        }
        clients[0].batch_execute(SCHEMA).await?;
        let (asks, asked) = mpsc::channel(BATCH.into());
        let asked = Arc::new(Mutex::new(asked));
        for client in &clients {
            background.spawn(insert(client.clone(), asked.clone()));
        }
        Ok(RawPostgres { clients, asks, background })
    }

    async fn take_in(&self, count: u32) -> anyhow::Result<Duration> {
        callers(count, |caller, own| {
            let asks = self.asks.clone();
            async move {
                for number in 0..own {
                    let (done, is_done) = oneshot::channel();
                    let input = to_string(&Work::new(caller * own + number))?;
                    asks.send((input, done)).await.context("nobody inserts")?;
                    is_done.await.context("nobody inserts")?;
                }
                Ok(())
            }
        })
        .await
    }

    async fn drain(&self, count: u32) -> anyhow::Result<Duration> {
        for first in (0..count).step_by(1000) {
            let numbers = first..count.min(first + 1000);
            let inputs: Vec<String> =
                numbers.map(|number| to_string(&Work::new(number))).collect::<Result<_, _>>()?;
            self.clients[0].execute(INSERT, &[&inputs]).await?;
        }
        ran::forget();
        let start = Instant::now();
        let mut workers = JoinSet::new();
        for client in &self.clients {
            workers.spawn(drain(client.clone()));
        }
        let mut drained = 0;
        while let Some(ended) = workers.join_next().await {
            drained += ended.context("a worker panicked")??;
        }
        let took = start.elapsed();
        ensure!(drained == u64::from(count), "{drained} of {count} were drained");
        Ok(took)
    }

    async fn close(mut self) -> anyhow::Result<()> {
        drop((self.asks, self.clients));
        while let Some(ended) = self.background.join_next().await {
            ended.context("it panicked")??;
        }
        Ok(())
    }
}

type Asked = mpsc::Receiver<(String, oneshot::Sender<()>)>;

/// While one connection waits for its commit, the next one collects.
async fn insert(client: Arc<Client>, asked: Arc<Mutex<Asked>>) -> anyhow::Result<()> {
    let statement = client.prepare(INSERT).await?;
    loop {
        let mut batch = Vec::new();
        if asked.lock().await.recv_many(&mut batch, BATCH.into()).await == 0 {
            return Ok(());
        }
        let (inputs, waiting): (Vec<String>, Vec<_>) = batch.into_iter().unzip();
        client.execute(&statement, &[&inputs]).await?;
        for done in waiting {
            let _ = done.send(());
        }
    }
}

async fn drain(client: Arc<Client>) -> anyhow::Result<u64> {
    let claim = client.prepare(CLAIM).await?;
    let finish = client.prepare(FINISH).await?;
    let mut drained = 0;
    loop {
        let claimed = client.query(&claim, &[&i64::from(BATCH)]).await?;
        if claimed.is_empty() {
            return Ok(drained);
        }
        let (mut ids, mut attempts) = (Vec::new(), Vec::new());
        for row in claimed {
            ids.push(row.get::<_, i64>(0));
            attempts.push(row.get::<_, i32>(1));
            ran::run(&serde_json::from_str(row.get(2))?);
        }
        drained += client.execute(&finish, &[&ids, &attempts]).await?;
    }
}
