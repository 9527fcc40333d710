//! Which protocol a client speaks, where a listener has two: decided by its first bytes, for which nobody
//! waits longer than a request may take.

use std::time::Duration;

use actix_http::Protocol;
use actix_rt::net::TcpStream;
use tokio::time::{sleep, sleep_until, timeout};

use crate::connections::{OpenConnection, Stage};
use crate::limits::Limits;

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2";
/// How long to wait for the rest of a preface that came in pieces, and how often. Who stops in the
/// middle of it, or has hung up, is left to HTTP/1, which knows what to do with such.
const PIECE: Duration = Duration::from_millis(1);
const PIECES: u32 = 100;

/// The protocol; none for a client that said nothing in time, or nothing by the time the server drains.
pub(crate) async fn protocol_of(
    socket: &TcpStream,
    open: &OpenConnection,
    limits: Limits,
) -> Option<Protocol> {
    let gives_up = async {
        open.connections.reached(Stage::Draining).await;
        sleep_until(open.connection.fresh_until()).await;
    };
    tokio::select! {
        biased;
        protocol = timeout(limits.head, first_bytes(socket)) => protocol.ok()?.ok(),
        () = gives_up => None,
    }
}

async fn first_bytes(socket: &TcpStream) -> std::io::Result<Protocol> {
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
