//! The end of a server: accept no more, finish what was begun, leave when the last connection is
//! closed and not a moment later.

use std::sync::Arc;
use std::time::Duration;

use sundown::{Deadline, HandedBack, Pending};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::connections::{Connections, Stage};
use crate::listen::Close;
use crate::metrics;

/// Kept back before the deadline to cut what is left and say so.
const LAST_CUT: Duration = Duration::from_millis(20);
/// How many of the requests that are waited for, or were cut, are named.
pub(crate) const NAMED: usize = 10;

/// A running server, ended when this is dropped.
pub(crate) struct Running {
    pub(crate) connections: Arc<Connections>,
    /// Closes the listener.
    pub(crate) close: Option<Close>,
    /// Ends the workers.
    pub(crate) cut: CancellationToken,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cut.cancel();
    }
}

/// The body of the server's waiter.
pub(crate) async fn drain(mut server: Running, deadline: Deadline) -> Result<HandedBack, String> {
    let close = server.close.take();
    let connections = &server.connections;
    connections.advance(Stage::Announcing);
    let deadline = deadline.minus(LAST_CUT);
    let finish = async {
        let (closed, is_closed) = oneshot::channel();
        let is_told = close.is_some_and(|close| close.send(closed).is_ok());
        connections.pace.hurry(deadline.instant());
        connections.advance(Stage::Draining);
        if is_told {
            let _ = is_closed.await;
        }
        connections.all_closed().await;
    };
    let is_finished = deadline.bound(finish).await.is_some();
    let (clients, names) = connections.given_up();
    let mut given_up = String::new();
    if clients > 0 {
        let server = &connections.server;
        warn!(%server, clients, names, "clients that let the server wait too long were given up");
        given_up = format!("{clients} clients that took nothing were given up: {names}");
    }
    if is_finished {
        let ended = HandedBack::default();
        return Ok(if given_up.is_empty() { ended } else { ended.note(given_up) });
    }
    let open = connections.open();
    metrics::forced_closes(&connections.server, open);
    let Pending { total, oldest } = connections.pending(NAMED);
    let named = oldest.iter().map(|it| format!("{} ({:.1} s)", it.what, it.age.as_secs_f64()));
    let named: Vec<_> = named.collect();
    let what = if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
    let given_up = if given_up.is_empty() { given_up } else { format!("; {given_up}") };
    Err(format!("{open} connections were cut, {total} answers not complete{what}{given_up}"))
}
