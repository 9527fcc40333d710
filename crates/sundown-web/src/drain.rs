//! The end of a server: accept no more, finish what was begun, leave when the last connection is
//! closed and not a moment later.
//!
//! actix's own graceful stop looks once a second whether it may leave. So it is told to stop, which
//! closes the listener, and then dropped as soon as our own count says that nobody is left.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use actix_server::ServerHandle;
use sundown::Deadline;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::connection::{Connections, Stage};
use crate::metrics;

/// What the accept thread has handed over is picked up by a worker within this.
const HAND_OVER: Duration = Duration::from_millis(10);
/// Kept back before the deadline to cut what is left and say so.
const LAST_CUT: Duration = Duration::from_millis(20);

/// A running server, ended when this is dropped.
pub(crate) struct Running {
    pub(crate) connections: Arc<Connections>,
    pub(crate) handle: ServerHandle,
    pub(crate) task: JoinHandle<io::Result<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The body of the server's waiter.
pub(crate) async fn drain(server: Running, deadline: Deadline) -> Result<(), String> {
    let connections = &server.connections;
    connections.advance(Stage::Announcing);
    let deadline = deadline.minus(LAST_CUT);
    let finish = async {
        server.handle.pause().await;
        sleep(HAND_OVER).await;
        connections.pace.hurry(deadline.instant());
        connections.advance(Stage::Draining);
        // Closes the listener. What it answers a second later is nothing to wait for.
        drop(server.handle.stop(true));
        connections.all_closed().await;
    };
    if deadline.bound(finish).await.is_some() {
        return Ok(());
    }
    let (open, in_flight) = (connections.open(), connections.in_flight());
    metrics::forced_closes(&connections.server, open);
    Err(format!("{open} connections were cut, {in_flight} requests in flight"))
}
