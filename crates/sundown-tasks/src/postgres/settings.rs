//! Where a store in PostgreSQL lives, and how it behaves.

use std::time::Duration;

use super::address::Address;
use crate::StoreError;

/// How tasks are kept in PostgreSQL; only the URL has no default.
#[derive(Clone)]
#[must_use = "settings do nothing until `PostgresStore::connect`"]
pub struct PostgresSettings {
    pub(super) url: String,
    pub(super) listen: Listen,
    pub(super) schema: String,
    pub(super) connections: usize,
    pub(super) events_kept: u32,
    pub(super) patience: Duration,
    pub(super) answer_limit: usize,
}

/// Over which connection it hears of what other processes did.
#[derive(Clone)]
pub(super) enum Listen {
    /// One like all the others.
    There,
    /// One to this URL.
    At(String),
    /// None: it looks from time to time.
    Nowhere,
}

impl PostgresSettings {
    /// The server and the database, as `postgres://user@host/database`; it may be a pooler in
    /// transaction mode.
    ///
    /// With `?sslmode=require` or `verify-full` everything is encrypted, and the server must prove its
    /// name: by a signer whom browsers trust, or by one in the file `sslrootcert=PATH`. With
    /// `sslmode=disable` nothing is. Without, nothing is either, and a server that is not on this machine
    /// is refused. What only may be encrypted (`prefer`, `allow`) is refused.
    pub fn new(url: impl Into<String>) -> Self {
        PostgresSettings {
            url: url.into(),
            listen: Listen::There,
            schema: "sundown".to_owned(),
            connections: 4,
            events_kept: 1000,
            patience: Duration::from_secs(5),
            answer_limit: 256 << 20,
        }
    }

    /// How many events of a task are kept; by default 1000.
    pub fn events_kept(mut self, events_kept: u32) -> Self {
        self.events_kept = events_kept.max(1);
        self
    }

    /// Over how many connections it reads and writes; by default 4. One more listens.
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections.clamp(1, 100);
        self
    }

    /// In which schema the tables are; by default `sundown`. It is created if need be.
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = schema.into();
        self
    }

    /// Where it listens for what other processes did; by default over a connection like the others.
    ///
    /// A pooler in transaction mode passes nothing on, so behind one this is the URL of the server
    /// itself, or `None`: then [`changed`](crate::Store::changed) wakes for changes of this process
    /// alone.
    pub fn listen(mut self, url: Option<String>) -> Self {
        self.listen = url.map_or(Listen::Nowhere, Listen::At);
        self
    }

    /// How long callers wait while the server is not there, before they are told; by default 5 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How many bytes an answer of the server may have on one connection; by default 256 MiB. Whoever
    /// claims a thousand tasks at once with inputs of megabytes may need more.
    pub fn answer_limit(mut self, bytes: usize) -> Self {
        self.answer_limit = bytes;
        self
    }

    /// How to reach the server that is written to.
    pub(super) fn address(&self) -> Result<Address, StoreError> {
        Address::read(&self.url, self.patience, self.answer_limit)
    }

    /// How to reach the server that is listened to.
    pub(super) fn listen_address(&self) -> Result<Option<Address>, StoreError> {
        match &self.listen {
            Listen::There => self.address().map(Some),
            Listen::At(url) => Address::read(url, self.patience, self.answer_limit).map(Some),
            Listen::Nowhere => Ok(None),
        }
    }

    /// Schemas stand in statements as they are, so their names are plain.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let name = &self.schema;
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let begins = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        if begins && name.len() <= 40 && name.bytes().all(is_plain) {
            return Ok(());
        }
        let why = format!(
            "`{name}` is no name of a schema for it (up to 40 of a-z, 0-9 and _, not a digit first)"
        );
        Err(StoreError::Broken { why })
    }
}

impl std::fmt::Debug for PostgresSettings {
    /// Without the URLs: there may be a password in them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresSettings")
            .field("schema", &self.schema)
            .field("connections", &self.connections)
            .field("events_kept", &self.events_kept)
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}
