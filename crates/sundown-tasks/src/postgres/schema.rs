//! The tables and functions of the store: made once, by whoever comes first.
//!
//! Versions have two numbers. A higher minor one only adds: tables, columns with defaults, indexes,
//! functions under new names. So during a rolling update the old version goes on beside the new one,
//! with the functions that it knows. A higher major one is for changes that the old version would not
//! survive; it refuses to start on such a schema.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::fault::Fault;

/// What this version knows.
const MAJOR: i32 = 1;

/// What each minor version adds, from the first on.
pub(super) const MINORS: &[&[&str]] = &[
    FIRST,
    &[
        include_str!("sql/bulk.sql"),
        include_str!("sql/identity.sql"),
        include_str!("sql/routes.sql"),
    ],
];

const FIRST: &[&str] = &[
    include_str!("sql/tables.sql"),
    include_str!("sql/begin.sql"),
    include_str!("sql/enqueue.sql"),
    include_str!("sql/claim.sql"),
    include_str!("sql/finish.sql"),
    include_str!("sql/progress.sql"),
    include_str!("sql/change.sql"),
];

/// Brings the schema to this version, unless it is there or beyond. Replicas that start at once do it
/// one after the other.
pub(super) async fn migrate(client: &Client, schema: &str) -> Result<(), Fault> {
    migrate_to(client, schema, MINORS).await
}

/// The same, with these versions.
pub(super) async fn migrate_to(
    client: &Client,
    schema: &str,
    minors: &[&[&str]],
) -> Result<(), Fault> {
    if is_up_to_date(version(client, schema).await?, minors.len())? {
        return Ok(());
    }
    let lock =
        format!("begin; select pg_advisory_xact_lock(hashtextextended('{schema}.schema', 0))");
    client.batch_execute(&lock).await?;
    let done = write(client, schema, minors).await;
    let end = if done.is_ok() { "commit" } else { "rollback" };
    let ended = client.batch_execute(end).await;
    done?;
    Ok(ended?)
}

async fn write(client: &Client, schema: &str, minors: &[&[&str]]) -> Result<(), Fault> {
    let found = version(client, schema).await?;
    if is_up_to_date(found, minors.len())? {
        return Ok(());
    }
    let is_there = "select 1 from pg_namespace where nspname = $1";
    if client.query_typed(is_there, &[(&schema, Type::TEXT)]).await?.is_empty() {
        client.batch_execute(&format!("create schema {schema}")).await?;
    }
    let first = found.map_or(0, |(_, minor)| usize::try_from(minor).unwrap_or(0));
    for texts in &minors[first..] {
        for text in *texts {
            client.batch_execute(&text.replace("{s}", schema)).await?;
        }
    }
    let sql = format!(
        "create table if not exists {schema}.schema_version (major int not null, minor int not null);
         delete from {schema}.schema_version;
         insert into {schema}.schema_version values ({MAJOR}, {})",
        minors.len()
    );
    Ok(client.batch_execute(&sql).await?)
}

/// Major and minor, if there is a schema.
async fn version(client: &Client, schema: &str) -> Result<Option<(i32, i32)>, Fault> {
    // Read from the catalog, which is seen as it is now; names are looked up in what the connection
    // remembers.
    let is_there = "select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace \
         where n.nspname = $1 and c.relname = 'schema_version'";
    if client.query_typed(is_there, &[(&schema, Type::TEXT)]).await?.is_empty() {
        return Ok(None);
    }
    let sql = format!("select major, minor from {schema}.schema_version");
    let rows = client.query_typed(&sql, &[]).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    Ok(Some((row.try_get(0)?, row.try_get(1)?)))
}

/// What tells this store from every other one.
pub(super) async fn identity(client: &Client, schema: &str) -> Result<String, Fault> {
    let rows = client.query_typed(&format!("select identity from {schema}.store"), &[]).await?;
    let missing = "the row of its table `store` is missing (restore it, or make a new one as the \
                   page on tasks says)";
    let row = rows.first().ok_or_else(|| Fault::Broken(missing.to_owned()))?;
    Ok(row.try_get(0)?)
}

/// Whether it has at least so many minor versions.
fn is_up_to_date(found: Option<(i32, i32)>, minors: usize) -> Result<bool, Fault> {
    match found {
        None => Ok(false),
        Some((major, minor)) if major > MAJOR => Err(Fault::Broken(format!(
            "its tables are of version {major}.{minor}, and this program knows {MAJOR}.{minors} (run \
             the newer program that made them, or use another schema)"
        ))),
        Some((major, _)) if major < MAJOR => Err(Fault::Broken(format!(
            "its tables are of version {major}, which this program, of version {MAJOR}, cannot bring \
             up to date (run the program between the two first)"
        ))),
        Some((_, minor)) => Ok(usize::try_from(minor).is_ok_and(|minor| minor >= minors)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use serde_json::value::RawValue;
    use sundown_drill::postgres::{Fsync, Server};

    use super::super::address::Address;
    use super::super::session::Session;
    use super::*;
    use crate::{
        Ending, Enqueued, Finish, NewTask, PostgresSettings, PostgresStore, State, Store, Wanted,
    };

    /// What a later version might add: a column, an index, a function under a new name.
    const LATER: &[&str] = &[
        "alter table {s}.task add column tenant text not null default 'nobody';
         create index task_tenant on {s}.task (tenant, id);",
        "create function {s}.tenants_1() returns table (o_tenant text, o_count bigint)
         language sql as 'select tenant, count(*) from {s}.task group by tenant';",
    ];

    /// One task of the old version, from its beginning to its end.
    async fn work(store: &PostgresStore) {
        let new = NewTask {
            kind: "a".to_owned(),
            route: String::new(),
            input: RawValue::NULL.to_owned(),
            key: None,
            priority: 0,
            run_at: None,
            max_attempts: 1,
            max_interruptions: 1,
        };
        let taken = store.enqueue(vec![new], u64::MAX).await.unwrap();
        assert!(matches!(taken[..], [Enqueued::New(_)]));
        let wanted = Wanted { kind: "a".to_owned(), routes: [].into(), count: 1 };
        let claims = store.claim(vec![wanted], 1, Duration::from_secs(60)).await.unwrap();
        let ending = Ending::Succeeded(RawValue::NULL.to_owned());
        let finished = store.finish(vec![(claims[0].fence, ending)]).await.unwrap();
        assert_eq!(finished, [Finish::Now(State::Succeeded)]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_store_from_before_gets_an_identity_of_its_own_and_keeps_it() {
        let (server, patience) = (Server::start(Fsync::Off).unwrap(), Duration::from_secs(20));
        let address = Address::read(&server.url(), patience, 1 << 20).unwrap();
        let session = Session::open(&address, patience).await.unwrap();
        let mut found = Vec::new();
        for schema in ["alice", "bob"] {
            migrate_to(&session.client, schema, &MINORS[..1]).await.unwrap();
            let settings = PostgresSettings::new(server.url()).schema(schema);
            let store = PostgresStore::connect(settings.clone()).await.unwrap();
            let again = PostgresStore::connect(settings).await.unwrap();
            assert_eq!(store.identity(), again.identity());
            found.push(store.identity().to_owned());
        }
        assert_ne!(found[0], found[1]);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn an_old_replica_works_on_while_a_new_one_adds_to_the_tables() {
        let server = Server::start(Fsync::Off).unwrap();
        let later: Vec<&[&str]> = MINORS.iter().copied().chain([LATER]).collect();
        let settings = PostgresSettings::new(server.url()).schema("rolling");
        let old = Arc::new(PostgresStore::connect(settings.clone()).await.unwrap());
        work(&old).await;
        let is_over = Arc::new(AtomicBool::new(false));
        let (store, over) = (Arc::clone(&old), Arc::clone(&is_over));
        let mut working = tokio::task::JoinSet::new();
        working.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                work(&store).await;
            }
        });

        let patience = Duration::from_secs(20);
        let address = Address::read(&server.url(), patience, 1 << 20).unwrap();
        let new = Session::open(&address, patience).await.unwrap();
        for _ in 0..2 {
            migrate_to(&new.client, "rolling", &later).await.unwrap();
            let found = version(&new.client, "rolling").await.unwrap();
            assert_eq!(found, Some((MAJOR, i32::try_from(later.len()).unwrap())));
        }
        is_over.store(true, Ordering::Relaxed);
        while let Some(worked) = working.join_next().await {
            worked.unwrap();
        }
        // Statements that were planned before know the new column, and new old replicas start.
        work(&old).await;
        work(&PostgresStore::connect(settings).await.unwrap()).await;
        let found = version(&new.client, "rolling").await.unwrap();
        assert_eq!(found, Some((MAJOR, i32::try_from(later.len()).unwrap())), "it goes not back");
        let tenants = "select 1 / (o_tenant = 'nobody')::int from rolling.tenants_1()";
        new.client.batch_execute(tenants).await.unwrap();

        // From the first on, all at once.
        migrate_to(&new.client, "afresh", &later).await.unwrap();
        let settings = PostgresSettings::new(server.url()).schema("afresh");
        work(&PostgresStore::connect(settings).await.unwrap()).await;
    }
}
