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
const MINORS: &[&[&str]] = &[&[
    include_str!("sql/tables.sql"),
    include_str!("sql/begin.sql"),
    include_str!("sql/enqueue.sql"),
    include_str!("sql/claim.sql"),
    include_str!("sql/finish.sql"),
    include_str!("sql/progress.sql"),
    include_str!("sql/change.sql"),
]];

/// Brings the schema to this version, unless it is there or beyond. Replicas that start at once do it
/// one after the other.
pub(super) async fn migrate(client: &Client, schema: &str) -> Result<(), Fault> {
    if is_up_to_date(version(client, schema).await?)? {
        return Ok(());
    }
    let lock =
        format!("begin; select pg_advisory_xact_lock(hashtextextended('{schema}.schema', 0))");
    client.batch_execute(&lock).await?;
    let done = write(client, schema).await;
    let end = if done.is_ok() { "commit" } else { "rollback" };
    let ended = client.batch_execute(end).await;
    done?;
    Ok(ended?)
}

async fn write(client: &Client, schema: &str) -> Result<(), Fault> {
    let found = version(client, schema).await?;
    if is_up_to_date(found)? {
        return Ok(());
    }
    let is_there = "select 1 from pg_namespace where nspname = $1";
    if client.query_typed(is_there, &[(&schema, Type::TEXT)]).await?.is_empty() {
        client.batch_execute(&format!("create schema {schema}")).await?;
    }
    let first = found.map_or(0, |(_, minor)| usize::try_from(minor).unwrap_or(0));
    for texts in &MINORS[first..] {
        for text in *texts {
            client.batch_execute(&text.replace("{s}", schema)).await?;
        }
    }
    let sql = format!(
        "create table if not exists {schema}.schema_version (major int not null, minor int not null);
         delete from {schema}.schema_version;
         insert into {schema}.schema_version values ({MAJOR}, {})",
        MINORS.len()
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

fn is_up_to_date(found: Option<(i32, i32)>) -> Result<bool, Fault> {
    match found {
        None => Ok(false),
        Some((major, minor)) if major > MAJOR => Err(Fault::Broken(format!(
            "its tables are of version {major}.{minor}, and this program knows {MAJOR}.{} (run the \
             newer program that made them, or use another schema)",
            MINORS.len()
        ))),
        Some((major, _)) if major < MAJOR => Err(Fault::Broken(format!(
            "its tables are of version {major}, which this program, of version {MAJOR}, cannot bring \
             up to date (run the program between the two first)"
        ))),
        Some((_, minor)) => Ok(usize::try_from(minor).is_ok_and(|minor| minor >= MINORS.len())),
    }
}
