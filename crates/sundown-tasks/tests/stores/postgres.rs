//! The store in PostgreSQL against the suite: directly, and through a pooler in transaction mode.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use sundown_drill::postgres::{Fsync, Pooler, Server};
use sundown_tasks::{PostgresSettings, PostgresStore, Store};

use crate::conformance::Bench;

/// One server for all tests; each has a schema of its own.
fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(Fsync::Off).unwrap())
}

fn pooler() -> &'static Pooler {
    static POOLER: OnceLock<Pooler> = OnceLock::new();
    POOLER.get_or_init(|| Pooler::start(server()).unwrap())
}

fn schema() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("test_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

async fn connect(settings: PostgresSettings, events: u32) -> Arc<dyn Store> {
    let settings = settings.events_kept(events).connections(3);
    Arc::new(PostgresStore::connect(settings).await.unwrap())
}

struct Direct {
    schema: String,
}

impl Bench for Direct {
    async fn new(_test: &str) -> Self {
        Direct { schema: schema() }
    }

    async fn open_keeping(&self, events: u32) -> Arc<dyn Store> {
        connect(PostgresSettings::new(server().url()).schema(&self.schema), events).await
    }
}

mod direct {
    use super::*;
    conformance!(Direct);
}

/// Everything goes through the pooler; what it cannot pass on, news, comes past it.
struct Pooled {
    schema: String,
}

impl Bench for Pooled {
    async fn new(_test: &str) -> Self {
        Pooled { schema: schema() }
    }

    async fn open_keeping(&self, events: u32) -> Arc<dyn Store> {
        let url = pooler().url_of("postgres");
        let settings = PostgresSettings::new(url).listen(Some(server().url()));
        connect(settings.schema(&self.schema), events).await
    }
}

mod pooled {
    use super::*;
    conformance!(Pooled);
}
