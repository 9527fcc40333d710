//! A connection to the server, and what statements need to know.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::address::Address;
use super::bounds::Excess;
use super::fault::{self, Fault};
use super::tls;
use crate::store::age::Since;
use crate::{Incarnation, UnixMillis};

/// A connection. Dropped, it is closed.
pub(super) struct Session {
    pub(super) client: Client,
    excess: Excess,
    _driver: JoinSet<()>,
}

impl Session {
    pub(super) async fn open(address: &Address, patience: Duration) -> Result<Self, Fault> {
        let late = |_| Fault::Lost("it takes too long to connect to the server".to_owned());
        let connecting = time::timeout(patience.max(Duration::from_secs(1)), address.connect());
        let (client, connection, excess) = connecting.await.map_err(late)??;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // How it ended is told by the statement that was under way.
            let _ = connection.await;
        });
        Ok(Session { client, excess, _driver: driver })
    }

    /// The fault of this connection, by its true name: a server that said too much was cut off, and the
    /// statement under way knows only that the connection is gone.
    pub(super) fn named(&self, fault: Fault) -> Fault {
        match (fault, self.excess.get()) {
            (Fault::Lost(_), Some(why)) => Fault::Lost(why.clone()),
            (fault, _) => fault,
        }
    }
}

/// Why there is no connection. What no waiting mends is a wrong name or password.
pub(super) fn refused(error: tokio_postgres::Error) -> Fault {
    if tls::is_stranger(&error) {
        let what = "the server does not prove its name (is sslrootcert the file of its signer?)";
        return Fault::Broken(format!("{what}: {}", fault::text(&error)));
    }
    match Fault::from(error) {
        Fault::Broken(why) if why.contains("no encryption") => {
            Fault::Broken(format!("{why}; add ?sslmode=require to its URL"))
        }
        Fault::Broken(why) if !why.contains("(28") && !why.contains("(3D") => Fault::Lost(why),
        fault => fault,
    }
}

/// What the server says the time is, in milliseconds.
pub(super) async fn clock(client: &Client) -> Result<UnixMillis, Fault> {
    let sql = "select (extract(epoch from clock_timestamp()) * 1000)::bigint";
    let rows = client.query_typed(sql, &[]).await?;
    let row = rows.first().ok_or_else(|| Fault::Broken("a clock has no row".to_owned()))?;
    Ok(row.try_get(0)?)
}

/// A parameter and its type: told with the statement, so that nothing is prepared and every
/// transaction may run on another connection of a pooler.
pub(super) type Parameter<'a> = (&'a (dyn ToSql + Sync), Type);

/// What a statement needs to know.
pub(super) struct Desk<'a> {
    pub(super) client: &'a Client,
    pub(super) schema: &'a str,
    pub(super) owner: Incarnation,
    pub(super) lane: i32,
    /// The number of this write.
    pub(super) batch: i64,
    /// The number of the write before, if that was done and its answer is lost.
    pub(super) lost: Option<i64>,
    /// Whether it was not sent before.
    pub(super) is_first: bool,
    pub(super) events_kept: i64,
    /// The server's clock at the start.
    pub(super) since: Option<Since>,
    /// Milliseconds since the start.
    pub(super) steady: i64,
}

impl Desk<'_> {
    /// Calls a function of the schema that begins with whose write it is.
    pub(super) async fn write(
        &self,
        function: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Fault> {
        let owner = self.owner.0.as_slice();
        let mut all: Vec<Parameter<'_>> =
            vec![(&owner, Type::BYTEA), (&self.lane, Type::INT4), (&self.batch, Type::INT8)];
        all.extend(parameters.iter().map(|(value, kind)| (*value, kind.clone())));
        self.call(function, &all).await
    }

    /// Calls a function of the schema.
    pub(super) async fn call(
        &self,
        function: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Fault> {
        let places: Vec<_> = (1..=parameters.len()).map(|number| format!("${number}")).collect();
        let sql = format!("select * from {}.{function}({})", self.schema, places.join(", "));
        Ok(self.client.query_typed(&sql, parameters).await?)
    }

    /// Reads.
    pub(super) async fn read(
        &self,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<Vec<Row>, Fault> {
        let sql = sql.replace("{s}", self.schema);
        Ok(self.client.query_typed(&sql, parameters).await?)
    }
}
