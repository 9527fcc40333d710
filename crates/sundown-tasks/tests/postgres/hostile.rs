//! A server that means harm, or is none: what it says is bounded, and the error says what it did.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use sundown_tasks::{PostgresSettings, PostgresStore};

/// What the process may take more, whatever the server says.
const MOST: u64 = 100 << 20;
/// What a server says that is refused at once, at the most.
const ANSWER: usize = 8 << 20;

/// A message of the protocol.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[kind][..], &length.to_be_bytes(), body].concat()
}

fn welcome() -> Vec<u8> {
    [message(b'R', &[0; 4]), message(b'Z', b"I")].concat()
}

/// A server on a port of its own that says the first to whoever connects, the second to whoever asks
/// something then, and the third for ever after that.
fn server(greeting: Vec<u8>, answer: Vec<u8>, endless: Vec<u8>) -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let sent = Arc::<AtomicU64>::default();
    let counter = sent.clone();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (greeting, answer, endless) = (greeting.clone(), answer.clone(), endless.clone());
            let counter = counter.clone();
            thread::spawn(move || say(client, &greeting, &answer, &endless, &counter));
        }
    });
    (port, sent)
}

fn say(
    mut client: TcpStream,
    greeting: &[u8],
    answer: &[u8],
    endless: &[u8],
    sent: &AtomicU64,
) -> std::io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(20)))?;
    let mut asked = [0; 4096];
    if client.read(&mut asked)? == 0 {
        return Ok(());
    }
    client.write_all(greeting)?;
    if !answer.is_empty() {
        if client.read(&mut asked)? == 0 {
            return Ok(());
        }
        client.write_all(answer)?;
    }
    loop {
        client.write_all(endless)?;
        sent.fetch_add(endless.len() as u64, Ordering::Relaxed);
    }
}

/// What this process has taken at the most, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_server_says_memory_is_bounded_and_the_error_says_what_it_was() {
    let huge = |kind: u8| vec![kind, 0x7f, 0xff, 0xff, 0xff];
    let zeros = vec![0; 1 << 20];
    let column =
        [b"\0\x01a\0".as_slice(), &[0; 6], &23_i32.to_be_bytes(), &[0, 4], &[0xff; 4], &[0; 2]];
    let rows = [message(b'1', &[]), message(b'2', &[]), message(b'T', &column.concat())];
    let row = message(b'D', &[&[0, 1][..], &1000_u32.to_be_bytes(), &[0; 1000]].concat());
    let notice =
        message(b'N', &[b"SNOTICE\0C00000\0M".as_slice(), &[b'x'; 1000], b"\0\0"].concat());
    let parameter = message(b'S', b"a\0b\0");
    for (name, greeting, answer, endless, culprit) in [
        ("a huge greeting", huge(b'R'), vec![], zeros.clone(), "a message of 2147483647 bytes"),
        (
            "endless notices at first",
            message(b'R', &[0; 4]),
            vec![],
            notice.repeat(100),
            "while it is connected to",
        ),
        (
            "endless parameters at first",
            message(b'R', &[0; 4]),
            vec![],
            parameter.repeat(1000),
            "bytes",
        ),
        (
            "a huge row",
            welcome(),
            [rows.concat(), huge(b'D')].concat(),
            zeros,
            "a message of 2147483647",
        ),
        ("endless rows", welcome(), rows.concat(), row.repeat(100), "as one answer"),
        ("endless notices", welcome(), rows[..2].concat(), notice.repeat(100), "as one answer"),
    ] {
        let (port, sent) = server(greeting, answer, endless);
        let url = format!("postgres://me@127.0.0.1:{port}/tasks");
        let settings = PostgresSettings::new(url).patience(Duration::from_secs(3));
        let before = peak();
        let connected = PostgresStore::connect(settings.answer_limit(ANSWER)).await;
        let why = connected.expect_err(name).to_string();
        assert!(why.contains(culprit), "{name}: {why}");
        // The kernel counts it page by page on each core: it may seem to have gone down a little.
        let more = peak().saturating_sub(before);
        assert!(more < MOST, "{name}: {} MiB more", more >> 20);
        assert!(sent.load(Ordering::Relaxed) > 0, "{name}: it said what it was to say");
    }
}
