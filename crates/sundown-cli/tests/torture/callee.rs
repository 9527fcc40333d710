//! A server that tasks of the kind `http` ask. It writes down every call, outside the store.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::ledger::{Call, Ledger, now};
use crate::processes::pause;

/// How long a client may be silent, and an answer may wait to be read.
const SILENCE: Duration = Duration::from_secs(20);
/// How long an answer takes, so that some callers are gone before.
const WORK: Duration = Duration::from_millis(40);

/// It listens until it is dropped.
pub(crate) struct Callee {
    pub(crate) address: SocketAddr,
    is_over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Callee {
    pub(crate) fn start(record: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (ledger, is_over) = (Arc::new(Ledger::create(record)), Arc::<AtomicBool>::default());
        let ends = is_over.clone();
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                let ledger = ledger.clone();
                // It ends with its connection, at the latest after two silences.
                std::thread::spawn(move || answer(stream, &ledger));
            }
        });
        Callee { address, is_over, listening: Some(listening) }
    }

    /// What the configuration of a replica allows.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/call", self.address)
    }
}

impl Drop for Callee {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // It waits for a connection.
        let woken = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take().filter(|_| woken.is_ok()) {
            let _ = listening.join();
        }
    }
}

/// One request, one line in the record, one answer; whoever asks may be gone before.
fn answer(mut stream: TcpStream, ledger: &Ledger) -> Option<()> {
    stream.set_read_timeout(Some(SILENCE)).ok()?;
    stream.set_write_timeout(Some(SILENCE)).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let (mut name, mut key, mut length) = (None, None, 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if name.is_none() {
            name = Some(line.split(' ').nth(1)?.strip_prefix("/call/")?.to_owned());
        }
        let (field, value) = line.split_once(": ").unwrap_or((line, ""));
        match field.to_ascii_lowercase().as_str() {
            "idempotency-key" => key = Some(value.to_owned()),
            "content-length" => length = value.parse().ok()?,
            _ => {}
        }
    }
    reader.read_exact(&mut vec![0; length]).ok()?;
    let key = key.unwrap_or_else(|| "none".to_owned());
    ledger.call(&Call { name: name?, key, at: now() });
    pause(WORK);
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ndone";
    stream.write_all(answer.as_bytes()).ok()
}
