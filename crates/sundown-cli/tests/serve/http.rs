//! A small HTTP/1.1 client that takes nothing for granted: whoever closes early is found out.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::service::PATIENCE;

/// An answer that arrived in full.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The head, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn closes(&self) -> bool {
        self.head.contains("connection: close")
    }
}

/// A connection of a client.
pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream: BufReader::with_capacity(64 * 1024, stream) })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes).await
    }

    pub(crate) async fn ask(&mut self, line: &str, headers: &str) -> std::io::Result<()> {
        self.send(format!("{line} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes()).await
    }

    /// Asks and reads the answer.
    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, String> {
        self.ask(&format!("GET {path}"), "").await.map_err(|error| error.to_string())?;
        self.answer(Duration::ZERO).await
    }

    /// The head of an answer, in lower case.
    pub(crate) async fn head(&mut self) -> Result<String, String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match timeout(PATIENCE, self.stream.read_u8()).await {
                Ok(Ok(byte)) => head.push(byte),
                Ok(Err(error)) => {
                    return Err(format!("{error} after {} bytes of head", head.len()));
                }
                Err(_) => return Err("no head".to_owned()),
            }
        }
        Ok(String::from_utf8_lossy(&head).to_lowercase())
    }

    /// An answer to its last byte, read with a pause between the pieces.
    pub(crate) async fn answer(&mut self, pause: Duration) -> Result<Answer, String> {
        let head = self.head().await?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| format!("no status: {head}"))?;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let body = match length {
            Some(length) => {
                let length = length.trim().parse().map_err(|_| format!("no length: {head}"))?;
                self.exactly(length, pause).await?
            }
            None if head.contains("transfer-encoding: chunked") => self.chunks(pause).await?,
            None => Vec::new(),
        };
        Ok(Answer { status, head, body })
    }

    async fn exactly(&mut self, length: usize, pause: Duration) -> Result<Vec<u8>, String> {
        let mut body = vec![0; length];
        for (index, piece) in body.chunks_mut(64 * 1024).enumerate() {
            if index > 0 && !pause.is_zero() {
                tokio::time::sleep(pause).await;
            }
            let read = timeout(PATIENCE, self.stream.read_exact(piece)).await;
            read.map_err(|_| "stalled".to_owned())?
                .map_err(|error| format!("{error} in piece {index} of {length} bytes"))?;
        }
        Ok(body)
    }

    async fn chunks(&mut self, pause: Duration) -> Result<Vec<u8>, String> {
        let mut body = Vec::new();
        loop {
            let mut size = Vec::new();
            while !size.ends_with(b"\r\n") {
                size.extend(self.exactly(1, Duration::ZERO).await?);
            }
            let size = String::from_utf8_lossy(&size);
            let size = usize::from_str_radix(size.trim(), 16).map_err(|_| format!("{size:?}"))?;
            body.extend(self.exactly(size, pause).await?);
            self.exactly(2, Duration::ZERO).await?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    /// Some bytes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Result<Vec<u8>, String> {
        self.exactly(count, Duration::ZERO).await
    }

    /// Says that nothing more will come.
    pub(crate) async fn finish(&mut self) {
        // Whoever was refused may be gone already.
        let _ = self.stream.get_mut().shutdown().await;
    }

    /// What comes until the other side closes; a reset counts as an end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "it was never closed");
        rest
    }
}

/// One question on a connection of its own.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<Answer, String> {
    Client::connect(address).await.map_err(|error| error.to_string())?.get(path).await
}

/// One request of any kind on a connection of its own.
pub(crate) async fn request(
    address: SocketAddr,
    line: &str,
    headers: &str,
    body: &str,
) -> Result<Answer, String> {
    let mut client = Client::connect(address).await.map_err(|error| error.to_string())?;
    let headers = format!("{headers}Content-Length: {}\r\n", body.len());
    client.ask(line, &headers).await.map_err(|error| error.to_string())?;
    client.send(body.as_bytes()).await.map_err(|error| error.to_string())?;
    client.answer(Duration::ZERO).await
}
