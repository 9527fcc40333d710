//! From an accepted socket to a connection that speaks HTTP/1 or HTTP/2: decided by its first
//! bytes, for which nobody waits longer than a request may take.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use actix_http::Protocol;
use actix_http::error::DispatchError;
use actix_rt::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::connection::{Connections, Stage};
use crate::io::TrackedIo;
use crate::limits::Limits;

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2";
/// How long to wait for the rest of a preface that came in pieces, and how often. Who stops in the
/// middle of it, or has hung up, is left to HTTP/1, which knows what to do with such.
const PIECE: Duration = Duration::from_millis(1);
const PIECES: u32 = 100;

type Accepted = (TrackedIo, Protocol, Option<SocketAddr>);

/// Takes a socket over. One that says nothing is given up when the server drains.
pub(crate) async fn accept(
    socket: TcpStream,
    connections: Arc<Connections>,
    limits: Limits,
) -> Result<Accepted, DispatchError> {
    let open = connections.enter();
    let first_bytes = timeout(limits.head, protocol_of(&socket));
    let protocol = tokio::select! {
        biased;
        protocol = first_bytes => protocol.map_err(|_| DispatchError::SlowRequestTimeout)??,
        () = connections.reached(Stage::Draining) => return Err(DispatchError::DisconnectTimeout),
    };
    // Small responses must not wait for an acknowledgement.
    socket.set_nodelay(true)?;
    let peer = socket.peer_addr().ok();
    let io = TrackedIo::new(socket, open, protocol == Protocol::Http2, limits.head);
    Ok((io, protocol, peer))
}

async fn protocol_of(socket: &TcpStream) -> Result<Protocol, DispatchError> {
    let mut first = [0; PREFACE.len()];
    for _ in 0..PIECES {
        let seen = socket.peek(&mut first).await?;
        if seen == PREFACE.len() && first == PREFACE {
            return Ok(Protocol::Http2);
        }
        if seen == 0 || !PREFACE.starts_with(&first[..seen]) {
            return Ok(Protocol::Http1);
        }
        sleep(PIECE).await;
    }
    Ok(Protocol::Http1)
}
