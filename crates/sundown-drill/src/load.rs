//! Clients over HTTP/1.1 that a service must not notice it stops: some keep their connections from one
//! request to the next, others take long answers slowly.
//!
//! ```
//! use std::io::{BufRead as _, BufReader, Write as _};
//! use std::net::TcpListener;
//! use std::time::Duration;
//! use sundown_drill::load::Load;
//!
//! # fn main() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! std::thread::spawn(move || {
//!     // It answers one request, and is gone: whoever asks after that is refused.
//!     let (mut client, _) = listener.accept()?;
//!     BufReader::new(&client).lines().map_while(Result::ok).find(String::is_empty);
//!     client.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
//! });
//! let load = Load::on(address.to_string()).keep_alive(1, "/").start();
//! load.wait_until(Duration::from_secs(10), |tally| tally.failed > 0);
//! let tally = load.stop();
//! assert_eq!((tally.answered, tally.failures.len() > 0), (1, true));
//! # Ok(())
//! # }
//! ```

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, connect, socket, sockopt};

/// How long an answer may leave its client without a byte.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two requests of a client that keeps its connection, and after a failure.
const PAUSE: Duration = Duration::from_millis(50);
/// What the kernel of a slow client takes on its own.
const SMALL_BUFFER: usize = 16 << 10;
/// How many different failures are told in words.
const TOLD: usize = 20;
/// The head of an answer is no longer.
const LONGEST_HEAD: u64 = 64 << 10;

/// Who asks what of a service.
#[derive(Debug, Clone)]
pub struct Load {
    address: String,
    clients: Vec<Client>,
}

#[derive(Debug, Clone)]
struct Client {
    path: String,
    /// How many bytes a second it takes; as many as come, and the next request over the same connection, if
    /// nothing stands here.
    pace: Option<u32>,
}

/// What became of the requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Answered with 200, whole.
    pub answered: u64,
    /// Sent over a kept connection that the server closed at that moment, and answered over a new one: what
    /// every client that keeps connections has to do.
    pub sent_again: u64,
    /// Refused, cut off, or answered with something else.
    pub failed: u64,
    /// What went wrong, in words, each once.
    pub failures: Vec<String>,
}

/// Clients that ask until they are stopped, or this is dropped.
#[derive(Debug)]
pub struct Running {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    is_over: AtomicBool,
    tally: Mutex<Tally>,
}

impl Load {
    /// For the server at this `host:port`.
    pub fn on(address: impl Into<String>) -> Self {
        Load { address: address.into(), clients: Vec::new() }
    }

    /// Adds clients that ask for this path again and again, each over one connection as long as the server
    /// keeps it.
    #[must_use]
    pub fn keep_alive(self, count: usize, path: &str) -> Self {
        self.with(count, Client { path: path.to_owned(), pace: None })
    }

    /// Adds clients that ask for this path over new connections, and take so many bytes a second of the
    /// answer.
    #[must_use]
    pub fn slow_readers(self, count: usize, path: &str, bytes_per_second: u32) -> Self {
        self.with(count, Client { path: path.to_owned(), pace: Some(bytes_per_second.max(1)) })
    }

    fn with(mut self, count: usize, client: Client) -> Self {
        self.clients.extend(std::iter::repeat_n(client, count));
        self
    }

    /// Lets all of them ask, each on a thread of its own.
    pub fn start(self) -> Running {
        let shared = Arc::<Shared>::default();
        let start = |client: Client| {
            let (shared, address) = (shared.clone(), self.address.clone());
            thread::spawn(move || client.ask(&address, &shared))
        };
        let threads = self.clients.into_iter().map(start).collect();
        Running { shared, threads }
    }
}

impl Running {
    /// How it stands.
    pub fn tally(&self) -> Tally {
        self.shared.tally().clone()
    }

    /// Waits until it stands so, and no longer than this; whether it does.
    pub fn wait_until(&self, patience: Duration, is_so: impl Fn(&Tally) -> bool) -> bool {
        let began = Instant::now();
        loop {
            if is_so(&self.tally()) {
                return true;
            }
            if began.elapsed() >= patience {
                return false;
            }
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Lets every client finish what it has begun, and says how it stands then.
    pub fn stop(mut self) -> Tally {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // One that panicked has nothing to add.
            let _ = thread.join();
        }
        self.tally()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, what: String) {
        let mut tally = self.tally();
        tally.failed += 1;
        if tally.failures.len() < TOLD && !tally.failures.contains(&what) {
            tally.failures.push(what);
        }
    }
}

/// How a request went wrong.
enum Fault {
    /// Not a byte of an answer came, over a connection that had answered before.
    Stale,
    Other(io::Error),
}

impl Client {
    fn ask(&self, address: &str, shared: &Shared) {
        let mut kept = None;
        while !shared.is_over.load(Ordering::Relaxed) {
            let mut was_sent_again = false;
            let asked = match self.once(address, kept.take()) {
                Err(Fault::Stale) => {
                    was_sent_again = true;
                    self.once(address, None)
                }
                asked => asked,
            };
            match asked {
                Ok(connection) => {
                    kept = connection;
                    let mut tally = shared.tally();
                    tally.answered += 1;
                    tally.sent_again += u64::from(was_sent_again);
                }
                Err(Fault::Other(error)) => shared.failed(format!("GET {}: {error}", self.path)),
                Err(Fault::Stale) => {
                    shared.failed(format!("GET {}: a new connection was closed", self.path));
                }
            }
            thread::park_timeout(PAUSE);
        }
    }

    /// One request; the connection, if it may be kept.
    fn once(
        &self,
        address: &str,
        kept: Option<BufReader<TcpStream>>,
    ) -> Result<Option<BufReader<TcpStream>>, Fault> {
        let is_kept = kept.is_some();
        let mut connection = match kept {
            Some(connection) => connection,
            None => BufReader::with_capacity(1 << 12, self.connect(address).map_err(Fault::Other)?),
        };
        let request = format!("GET {} HTTP/1.1\r\nHost: {address}\r\n\r\n", self.path);
        let sent = connection.get_mut().write_all(request.as_bytes());
        // Whatever went wrong with sending: if there is an answer, it counts.
        let is_stale = is_kept && connection.fill_buf().map_or(true, <[u8]>::is_empty);
        if is_stale {
            return Err(Fault::Stale);
        }
        sent.map_err(Fault::Other)?;
        let head = Head::read(&mut connection).map_err(Fault::Other)?;
        self.take_body(&mut connection, head.length).map_err(Fault::Other)?;
        Ok(Some(connection).filter(|_| self.pace.is_none() && !head.closes))
    }

    fn connect(&self, address: &str) -> io::Result<TcpStream> {
        let address = address.to_socket_addrs()?.next();
        let address = address.ok_or_else(|| io::Error::other("the name has no address"))?;
        let stream = match self.pace {
            None => TcpStream::connect_timeout(&address, PATIENCE)?,
            Some(_) => connect_slow(address)?,
        };
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    }

    /// Takes the body as fast as this client does.
    fn take_body(&self, connection: &mut impl BufRead, length: u64) -> io::Result<()> {
        let began = Instant::now();
        let (mut taken, mut body) = (0, connection.take(length));
        let mut piece = vec![0; 1 << 12];
        while taken < length {
            match body.read(&mut piece)? {
                0 => {
                    let what = format!("cut off after {taken} of {length} bytes");
                    return Err(io::Error::new(ErrorKind::UnexpectedEof, what));
                }
                count => taken += count as u64,
            }
            if let Some(pace) = self.pace {
                #[expect(clippy::cast_precision_loss, reason = "a pace, not a sum")]
                let due = Duration::from_secs_f64(taken as f64 / f64::from(pace));
                thread::park_timeout(due.saturating_sub(began.elapsed()));
            }
        }
        Ok(())
    }
}

/// A connection whose kernel takes little that its client has not asked for.
fn connect_slow(address: SocketAddr) -> io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket(family, SocketType::STREAM, None)?;
    // It counts only before the connection is made.
    sockopt::set_socket_recv_buffer_size(&socket, SMALL_BUFFER)?;
    connect(&socket, &address)?;
    Ok(socket.into())
}

/// What counts of the head of an answer.
struct Head {
    length: u64,
    closes: bool,
}

impl Head {
    fn read(connection: &mut impl BufRead) -> io::Result<Head> {
        let mut lines = connection.by_ref().take(LONGEST_HEAD).lines();
        let mut line = || {
            lines
                .next()
                .unwrap_or_else(|| Err(io::Error::other("cut off before the answer's head")))
        };
        let status = line()?;
        if status.split(' ').nth(1) != Some("200") {
            return Err(io::Error::other(format!("answered with {status}")));
        }
        let (mut length, mut closes) = (None, false);
        loop {
            let field = line()?;
            if field.is_empty() {
                break;
            }
            let Some((name, value)) = field.split_once(':') else { continue };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().ok(),
                "connection" => closes = value.trim().eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        let length = length.ok_or_else(|| io::Error::other("an answer without Content-Length"))?;
        Ok(Head { length, closes })
    }
}
