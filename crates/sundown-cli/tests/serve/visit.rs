//! Clients of every kind, each of which finds out whether it was served to the end.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::http::Client;

/// What a client does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Visit {
    /// Was answered, and keeps its connection for later.
    Idle,
    /// Waits for an answer on a connection that was used before.
    Busy,
    /// Reads 4 MB slowly.
    SlowReader,
    /// Sends a body in chunks, slowly.
    ChunkedUpload,
    /// Sends a body of known length, slowly.
    SizedUpload,
    /// Follows events.
    Events,
    /// Talks through a WebSocket.
    Socket,
    /// Several streams on one HTTP/2 connection.
    H2,
}

impl Visit {
    pub(crate) const ALL: [Visit; 8] = [
        Visit::Idle,
        Visit::Busy,
        Visit::SlowReader,
        Visit::ChunkedUpload,
        Visit::SizedUpload,
        Visit::Events,
        Visit::Socket,
        Visit::H2,
    ];

    /// Visits; `begun` is called when the service has seen the request that must be served whole.
    pub(crate) async fn run(
        self,
        address: SocketAddr,
        begun: tokio::sync::oneshot::Sender<()>,
    ) -> Result<(), String> {
        let served = match self {
            Visit::Idle => idle(address, begun).await,
            Visit::Busy => busy(address, begun).await,
            Visit::SlowReader => slow_reader(address, begun).await,
            Visit::ChunkedUpload => upload(address, begun, true).await,
            Visit::SizedUpload => upload(address, begun, false).await,
            Visit::Events => events(address, begun).await,
            Visit::Socket => socket(address, begun).await,
            Visit::H2 => h2(address, begun).await,
        };
        served.map_err(|error| format!("{self:?}: {error}"))
    }
}

type Begun = tokio::sync::oneshot::Sender<()>;

fn told(error: impl Debug) -> String {
    format!("{error:?}")
}

fn expect(is: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if is { Ok(()) } else { Err(what()) }
}

/// A connection that was used once.
async fn used(address: SocketAddr) -> Result<Client, String> {
    let mut client = Client::connect(address).await.map_err(told)?;
    let answer = client.get("/").await?;
    expect(answer.status == 200 && !answer.closes(), || format!("{answer:?}"))?;
    Ok(client)
}

async fn idle(address: SocketAddr, begun: Begun) -> Result<(), String> {
    let mut client = used(address).await?;
    let _ = begun.send(());
    let rest = client.rest().await;
    expect(rest.is_empty(), || format!("{} bytes that nobody asked for", rest.len()))
}

async fn busy(address: SocketAddr, begun: Begun) -> Result<(), String> {
    let mut client = used(address).await?;
    client.ask("GET /try/slow/600", "").await.map_err(told)?;
    let _ = begun.send(());
    let answer = client.answer(Duration::ZERO).await?;
    expect(answer.text() == "that took 600 ms\n", || format!("{answer:?}"))
}

async fn slow_reader(address: SocketAddr, begun: Begun) -> Result<(), String> {
    const LONG: usize = 4 << 20;
    let mut client = used(address).await?;
    client.ask(&format!("GET /try/bytes/{LONG}"), "").await.map_err(told)?;
    let _ = begun.send(());
    let answer = client.answer(Duration::from_millis(10)).await?;
    expect(answer.body.len() == LONG && answer.body.iter().all(|byte| *byte == b'.'), || {
        format!("{} bytes", answer.body.len())
    })
}

async fn upload(address: SocketAddr, begun: Begun, is_chunked: bool) -> Result<(), String> {
    const PIECE: usize = 16 * 1024;
    const PIECES: usize = 32;
    let mut client = used(address).await?;
    let headers = if is_chunked {
        "Transfer-Encoding: chunked\r\n".to_owned()
    } else {
        format!("Content-Length: {}\r\n", PIECE * PIECES)
    };
    client.ask("POST /try/upload", &headers).await.map_err(told)?;
    let _ = begun.send(());
    let piece = "0123456789abcdef".repeat(PIECE / 16);
    for _ in 0..PIECES {
        sleep(Duration::from_millis(20)).await;
        let framed = if is_chunked { format!("{PIECE:x}\r\n{piece}\r\n") } else { piece.clone() };
        client.send(framed.as_bytes()).await.map_err(told)?;
    }
    if is_chunked {
        client.send(b"0\r\n\r\n").await.map_err(told)?;
    }
    let answer = client.answer(Duration::ZERO).await?;
    let said: Value = serde_json::from_slice(&answer.body).map_err(|_| format!("{answer:?}"))?;
    let whole = piece.repeat(PIECES);
    let sum = whole.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let is_whole = said["bytes"] == whole.len() && said["fnv1a"] == format!("{sum:016x}");
    expect(answer.status == 200 && is_whole, || format!("{answer:?}"))
}

async fn events(address: SocketAddr, begun: Begun) -> Result<(), String> {
    let mut client = Client::connect(address).await.map_err(told)?;
    client.ask("GET /try/events", "Last-Event-ID: 41\r\n").await.map_err(told)?;
    let _ = begun.send(());
    let answer = client.answer(Duration::ZERO).await?;
    let body = answer.text();
    let mut events: Vec<&str> = body.split_terminator("\n\n").collect();
    let last = events.pop().unwrap_or_default();
    expect(last.starts_with("retry: ") && body.ends_with("\n\n"), || {
        format!("ends with {last:?}")
    })?;
    for (id, event) in (42..).zip(&events) {
        expect(*event == format!("id: {id}\ndata: tick {id}"), || format!("{event:?}, not {id}"))?;
    }
    Ok(())
}

async fn socket(address: SocketAddr, begun: Begun) -> Result<(), String> {
    let mut client = Client::connect(address).await.map_err(told)?;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    client.ask("GET /try/socket", upgrade).await.map_err(told)?;
    let head = client.head().await?;
    expect(head.starts_with("http/1.1 101"), || head)?;
    // A text frame, masked with zeros: it comes back unmasked.
    client.send(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.map_err(told)?;
    let echo = client.bytes(4).await?;
    expect(echo == [0x81, 2, b'h', b'i'], || format!("{echo:?}"))?;
    let _ = begun.send(());
    let goodbye = client.bytes(4).await?;
    let code = u16::from_be_bytes([goodbye[2], goodbye[3]]);
    expect(goodbye[0] == 0x88 && code == 1001, || format!("{goodbye:?}"))?;
    client.send(&[0x88, 0x82, 0, 0, 0, 0, goodbye[2], goodbye[3]]).await.map_err(told)
}

async fn h2(address: SocketAddr, begun: Begun) -> Result<(), String> {
    let stream = TcpStream::connect(address).await.map_err(told)?;
    let (send, connection) = ::h2::client::handshake::<TcpStream>(stream).await.map_err(told)?;
    let streams = async {
        get_h2(send.clone(), "/").await?;
        let long = get_h2(send.clone(), "/try/bytes/4194304");
        let slow = get_h2(send.clone(), "/try/slow/600");
        let all = async { tokio::try_join!(long, slow) };
        let tell = async {
            sleep(Duration::from_millis(50)).await;
            let _ = begun.send(());
        };
        let (answers, ()) = tokio::join!(all, tell);
        let (long, slow) = answers?;
        expect((long, slow) == (4 << 20, 17), || format!("{long} and {slow} bytes"))
    };
    let (served, ended) = tokio::join!(streams, connection);
    served?;
    ended.map_err(|error| format!("after all was served: {error}"))
}

/// After so many bytes a slow reader of HTTP/2 rests. After every frame would not do: the less it
/// takes at a time, the smaller the frames become.
const PAUSE_EVERY: usize = 64 * 1024;

/// How many bytes came, read slowly.
async fn get_h2(send: ::h2::client::SendRequest<Bytes>, path: &str) -> Result<usize, String> {
    let request = http::Request::get(format!("http://localhost{path}")).body(()).map_err(told)?;
    let mut ready = send.ready().await.map_err(told)?;
    let (response, _) = ready.send_request(request, true).map_err(told)?;
    let mut body = response.await.map_err(told)?.into_body();
    let mut length = 0;
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(|error| format!("{path} after {length} bytes: {error}"))?;
        if (length + piece.len()) / PAUSE_EVERY > length / PAUSE_EVERY {
            sleep(Duration::from_millis(10)).await;
        }
        length += piece.len();
        body.flow_control().release_capacity(piece.len()).map_err(told)?;
    }
    Ok(length)
}
