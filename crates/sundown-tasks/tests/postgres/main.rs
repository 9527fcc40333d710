//! What only the store in PostgreSQL has to show: servers that end and come back, connections that
//! are lost, other versions, and news between processes.
#![cfg(all(unix, feature = "postgres"))]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod answers;
mod encrypted;
mod ground;
mod hostile;
mod limits;
mod losses;
mod news;
mod silence;
mod versions;
mod wire;
