//! Clients: bytes on a socket for HTTP/1, and the crate `h2` for HTTP/2.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::server::HELLO;

const TINY: &[u8] = b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n";

/// An HTTP/1 connection that is kept alive.
pub(crate) struct KeepAlive {
    stream: TcpStream,
    buffer: [u8; 1024],
    /// The length of the tiny page's response: from then on only bytes are counted.
    length: usize,
}

impl KeepAlive {
    /// Connects, and asks for the tiny page once.
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        let mut this = KeepAlive { stream, buffer: [0; 1024], length: 0 };
        this.stream.write_all(TINY).await?;
        this.length = this.response(HELLO).await?;
        Ok(this)
    }

    /// Asks for the tiny page, and waits for all of it.
    pub(crate) async fn ask(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(TINY).await?;
        let mut length = 0;
        while length < self.length {
            let read = self.stream.read(&mut self.buffer).await?;
            ensure!(read > 0, "the connection was closed");
            length += read;
        }
        ensure!(length == self.length, "{length} bytes instead of {}", self.length);
        Ok(())
    }

    /// Asks for the slow page; answers when its last byte was here. Stays until the server closes
    /// the connection.
    pub(crate) async fn ask_slow(&mut self, ms: u64, body: &str) -> anyhow::Result<Instant> {
        let request = format!("GET /slow/{ms} HTTP/1.1\r\nHost: bench\r\n\r\n");
        self.stream.write_all(request.as_bytes()).await?;
        self.response(body).await?;
        let arrived = Instant::now();
        self.until_closed().await;
        Ok(arrived)
    }

    /// Waits until the server closes, as an idle client does. How it closes is its own affair.
    pub(crate) async fn until_closed(&mut self) {
        while self.stream.read(&mut self.buffer).await.is_ok_and(|read| read > 0) {}
    }

    /// Reads a response that ends with this body; answers its length.
    async fn response(&mut self, body: &str) -> anyhow::Result<usize> {
        let mut all = Vec::new();
        while !all.ends_with(body.as_bytes()) {
            let read = self.stream.read(&mut self.buffer).await?;
            let so_far = String::from_utf8_lossy(&all);
            ensure!(read > 0, "the connection was closed after {so_far:?}");
            all.extend_from_slice(&self.buffer[..read]);
        }
        ensure!(all.starts_with(b"HTTP/1.1 200"), "{:?}", String::from_utf8_lossy(&all));
        Ok(all.len())
    }
}

/// An HTTP/2 connection, without TLS, that was asked for the tiny page once and stays open.
pub(crate) struct H2 {
    _idle: h2::client::SendRequest<&'static [u8]>,
    _driver: JoinSet<Result<(), h2::Error>>,
}

impl H2 {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect")?;
        let (idle, connection) =
            h2::client::Builder::new().handshake(stream).await.context("no handshake")?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let mut idle = idle.ready().await?;
        let request = http::Request::get("http://bench/").body(())?;
        let mut body = idle.send_request(request, true)?.0.await?.into_body();
        let mut page = Vec::new();
        while let Some(chunk) = body.data().await {
            page.extend_from_slice(&chunk?);
        }
        ensure!(page == HELLO.as_bytes(), "{:?}", String::from_utf8_lossy(&page));
        Ok(H2 { _idle: idle, _driver: driver })
    }
}
