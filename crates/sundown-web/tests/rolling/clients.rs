//! Clients that never retry: fresh connections, kept ones, slow pages, large pages, event streams.
//! A failure is any error, a body that is not whole, or a status that is not 200.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(15);

/// What the clients have seen.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) requests: u64,
    pub(super) event_streams: u64,
    pub(super) failures: Vec<String>,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.requests += other.requests;
        self.event_streams += other.event_streams;
        self.failures.extend(other.failures);
    }
}

pub(super) struct Clients {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Tally>>,
}

type Client = fn(u16, &AtomicBool, &mut Tally) -> io::Result<()>;

impl Clients {
    pub(super) fn start(port: u16, has_events: bool) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut kinds: Vec<(&str, usize, Client)> =
            vec![("fresh", 3, fresh), ("kept", 4, kept), ("slow", 4, slow), ("large", 1, large)];
        if has_events {
            kinds.push(("events", 3, events));
        }
        let all = kinds.into_iter().flat_map(|(kind, count, client)| vec![(kind, client); count]);
        let threads =
            all.map(|(kind, client)| follow(kind, client, port, is_over.clone())).collect();
        Clients { is_over, threads }
    }

    pub(super) fn stop(self) -> Tally {
        self.is_over.store(true, Ordering::SeqCst);
        let mut tally = Tally::default();
        for thread in self.threads {
            tally += thread.join().unwrap();
        }
        tally
    }
}

/// A client on a thread of its own. A failure is counted, and it goes on with a new connection.
fn follow(
    kind: &'static str,
    client: Client,
    port: u16,
    is_over: Arc<AtomicBool>,
) -> JoinHandle<Tally> {
    thread::spawn(move || {
        let mut tally = Tally::default();
        while !is_over.load(Ordering::SeqCst) {
            if let Err(error) = client(port, &is_over, &mut tally) {
                tally.failures.push(format!("{kind}: {error}"));
            }
        }
        tally
    })
}

/// A new connection for every request.
fn fresh(port: u16, _: &AtomicBool, tally: &mut Tally) -> io::Result<()> {
    tally.requests += 1;
    expect(&mut Connection::open(port)?, "/", b"hello\n")
}

/// One connection for many requests, with pauses in between.
fn kept(port: u16, is_over: &AtomicBool, tally: &mut Tally) -> io::Result<()> {
    let mut connection = Connection::open(port)?;
    while !is_over.load(Ordering::SeqCst) && !connection.is_closing {
        tally.requests += 1;
        expect(&mut connection, "/", b"hello\n")?;
        thread::park_timeout(Duration::from_millis(2));
    }
    Ok(())
}

fn slow(port: u16, _: &AtomicBool, tally: &mut Tally) -> io::Result<()> {
    tally.requests += 1;
    expect(&mut Connection::open(port)?, "/slow/700", b"that took a while\n")
}

fn large(port: u16, _: &AtomicBool, tally: &mut Tally) -> io::Result<()> {
    tally.requests += 1;
    expect(&mut Connection::open(port)?, "/big", &vec![b'x'; 1 << 20])
}

/// Follows events until the stream ends, which it may do only with a `retry:`.
fn events(port: u16, is_over: &AtomicBool, tally: &mut Tally) -> io::Result<()> {
    let mut connection = Connection::open(port)?;
    tally.requests += 1;
    tally.event_streams += 1;
    connection.ask("/events")?;
    connection.head()?;
    let mut last = String::new();
    while !is_over.load(Ordering::SeqCst) {
        let Some(chunk) = connection.chunk()? else {
            // What comes at once may be put into one chunk on its way.
            let goodbye = last.trim_end().rsplit("\n\n").next();
            return if goodbye.is_some_and(|word| word.starts_with("retry: ")) {
                Ok(())
            } else {
                Err(io::Error::other(format!("the stream broke off after {last:?}")))
            };
        };
        last = String::from_utf8_lossy(&chunk).into_owned();
        if !last.ends_with("\n\n") {
            return Err(io::Error::other(format!("a torn event: {last:?}")));
        }
    }
    Ok(())
}

fn expect(connection: &mut Connection, path: &str, body: &[u8]) -> io::Result<()> {
    connection.ask(path)?;
    let length = connection.head()?;
    let mut got = vec![0; length];
    connection.stream.read_exact(&mut got)?;
    if got == body { Ok(()) } else { Err(io::Error::other("another body")) }
}

/// Whether somebody answers this path with this body.
pub(super) fn answers(port: u16, path: &str, body: &str) -> bool {
    let ask = || expect(&mut Connection::open(port)?, path, body.as_bytes());
    ask().is_ok()
}

struct Connection {
    stream: BufReader<TcpStream>,
    is_closing: bool,
}

impl Connection {
    fn open(port: u16) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream: BufReader::new(stream), is_closing: false })
    }

    fn ask(&mut self, path: &str) -> io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_lowercase())
    }

    /// Reads the head of a response; answers the length of its body.
    fn head(&mut self) -> io::Result<usize> {
        let status = self.line()?;
        if !status.contains(" 200") {
            return Err(io::Error::other(status));
        }
        let mut length = 0;
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                None => return Ok(length),
                Some(("content-length", value)) => length = value.parse().unwrap(),
                Some(("connection", "close")) => self.is_closing = true,
                Some(_) => {}
            }
        }
    }

    /// The next chunk of a chunked body; `None` at its end.
    fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let size = usize::from_str_radix(&self.line()?, 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size + 2];
        self.stream.read_exact(&mut chunk)?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }
}
