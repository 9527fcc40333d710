//! Attacks with raw sockets: the service keeps its memory, answers its probes, and stops in time.
//!
//! Each lasts 3 s; with `XTASK_FULL` it lasts 30 s.

use std::fs;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sundown_drill::process::Signal;

use crate::service::{PATIENCE, Scratch, launch, serving};

const CONNECTIONS: usize = 64;
const MEMORY_KIB: u64 = 150 << 10;
/// What the probe is granted on a machine that is busy with other tests; the figure is printed.
const PROBE: Duration = Duration::from_secs(3);
const CAP: Duration = Duration::from_secs(16);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// What one attacker does with a new connection, until it breaks or the attack is over.
type Attack = fn(&mut TcpStream, &AtomicBool) -> std::io::Result<()>;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The head of a request as HPACK: `:method` by index, `:scheme http`, `:path` and `:authority` as text.
fn head(method: u8, path: &str) -> Vec<u8> {
    let mut block = vec![0x80 | method, 0x86, 0x04, u8::try_from(path.len()).unwrap()];
    block.extend(path.as_bytes());
    block.extend(b"\x01\x09localhost");
    block
}

const GET: u8 = 2;
const POST: u8 = 3;

/// Writes all, throwing away what the service says meanwhile.
fn push(stream: &mut TcpStream, mut bytes: &[u8], is_over: &AtomicBool) -> std::io::Result<()> {
    let mut scraps = [0; 16 << 10];
    while !bytes.is_empty() {
        if is_over.load(Ordering::Relaxed) {
            return Err(ErrorKind::Interrupted.into());
        }
        match stream.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            // The attackers must not take the processor from the service: elsewhere they have their own.
            Err(error) if is_wait(&error) => thread::park_timeout(Duration::from_millis(1)),
            Err(error) => return Err(error),
        }
        match stream.read(&mut scraps) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if is_wait(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn is_wait(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// Waits until the service closes, or the attack is over.
fn hold(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    let mut byte = [0];
    while !is_over.load(Ordering::Relaxed) {
        match stream.read(&mut byte) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if is_wait(&error) => thread::park_timeout(Duration::from_millis(20)),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn repeat(stream: &mut TcpStream, frames: &[u8], is_over: &AtomicBool) -> std::io::Result<()> {
    let many = frames.repeat(1 + (16 << 10) / frames.len());
    loop {
        push(stream, &many, is_over)?;
    }
}

fn empty_data(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    push(stream, PREFACE, is_over)?;
    push(stream, &frame(HEADERS, END_HEADERS, 1, &head(POST, "/try/upload")), is_over)?;
    repeat(stream, &frame(DATA, 0, 1, b""), is_over)
}

fn endless_head(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    push(stream, PREFACE, is_over)?;
    push(stream, &frame(HEADERS, 0, 1, &head(GET, "/")), is_over)?;
    let more = b"\x40\x01a\x01b".repeat(200);
    repeat(stream, &frame(CONTINUATION, 0, 1, &more), is_over)
}

/// A large header once, and then thousands of references to it.
fn header_bomb(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    push(stream, PREFACE, is_over)?;
    for stream_id in (1..).step_by(2) {
        let mut block = head(GET, "/try/slow/60000");
        if stream_id == 1 {
            block.extend(b"\x40\x01a\x7f\x81\x1e");
            block.extend([b'x'; 4000]);
        }
        block.extend([0xbe; 8000]);
        push(stream, &frame(HEADERS, END_HEADERS | END_STREAM, stream_id, &block), is_over)?;
    }
    Ok(())
}

fn rapid_reset(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    streams(stream, is_over, true)
}

fn stream_flood(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    streams(stream, is_over, false)
}

fn streams(stream: &mut TcpStream, is_over: &AtomicBool, resets: bool) -> std::io::Result<()> {
    push(stream, PREFACE, is_over)?;
    let block = head(GET, "/try/slow/60000");
    for id in (1..).step_by(2) {
        let mut frames = frame(HEADERS, END_HEADERS | END_STREAM, id, &block);
        if resets {
            frames.extend(frame(RST_STREAM, 0, id, &[0, 0, 0, 8]));
        }
        push(stream, &frames, is_over)?;
    }
    Ok(())
}

fn silent_http2(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    push(stream, PREFACE, is_over)?;
    hold(stream, is_over)
}

fn pings_and_settings(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    push(stream, PREFACE, is_over)?;
    let frames = [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, b"")].concat();
    repeat(stream, &frames, is_over)
}

fn drip(stream: &mut TcpStream, is_over: &AtomicBool, start: &[u8]) -> std::io::Result<()> {
    push(stream, start, is_over)?;
    loop {
        push(stream, b"x", is_over)?;
        thread::park_timeout(Duration::from_millis(100));
    }
}

fn slow_heads(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    drip(stream, is_over, b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")
}

fn slow_bodies(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    let head = b"POST /try/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n";
    drip(stream, is_over, head)
}

fn slow_readers(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    stream.write_all(b"GET /try/bytes/4194304 HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    hold(stream, is_over)
}

fn idle(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    hold(stream, is_over)
}

fn half_open(stream: &mut TcpStream, is_over: &AtomicBool) -> std::io::Result<()> {
    stream.write_all(b"GET /try/bytes/4194304 HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    stream.shutdown(Shutdown::Write)?;
    while !is_over.load(Ordering::Relaxed) {
        thread::park_timeout(Duration::from_millis(20));
    }
    Ok(())
}

/// One attacker, with one connection after the other.
fn attack_until(address: SocketAddr, attack: Attack, is_over: &AtomicBool) {
    while !is_over.load(Ordering::Relaxed) {
        if let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) {
            stream.set_nonblocking(true).unwrap();
            // That the service ends it is what it should do.
            let _ = attack(&mut stream, is_over);
        }
        thread::park_timeout(Duration::from_millis(20));
    }
}

/// How long the probe took.
fn probe(admin: SocketAddr) -> Duration {
    let began = Instant::now();
    let mut stream = TcpStream::connect_timeout(&admin, PATIENCE).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("alive"), "{answer}");
    began.elapsed()
}

fn resident_kib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn withstands(name: &str, flags: &str, attack: Attack) {
    let is_full = std::env::var_os("XTASK_FULL").is_some();
    let lasts = Duration::from_secs(if is_full { 30 } else { 3 });
    let scratch = Scratch::new();
    let launch =
        launch(&scratch, flags).env("GRACEFUL_SHUTDOWN_TIMEOUT", CAP.as_secs().to_string());
    let mut service = serving(launch.spawn().unwrap());
    let (address, is_over) = (service.web, Arc::new(AtomicBool::new(false)));
    let attackers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let is_over = is_over.clone();
            thread::spawn(move || attack_until(address, attack, &is_over))
        })
        .collect();
    let began = Instant::now();
    let (mut slowest, mut largest) = (Duration::ZERO, 0);
    while began.elapsed() < lasts {
        slowest = slowest.max(probe(service.admin));
        largest = largest.max(resident_kib(service.process.id()));
        thread::park_timeout(Duration::from_millis(50));
    }
    service.signal(Signal::Term);
    let stopped = Instant::now();
    let exit = service.process.wait(PATIENCE).unwrap();
    let took = stopped.elapsed();
    is_over.store(true, Ordering::Relaxed);
    attackers.into_iter().for_each(|attacker| attacker.join().unwrap());
    println!(
        "{name}: at most {} MiB, /healthz within {} ms, gone after {} ms",
        largest >> 10,
        slowest.as_millis(),
        took.as_millis()
    );
    assert!(largest < MEMORY_KIB, "{name}: {largest} KiB");
    assert!(slowest < PROBE, "{name}: /healthz took {slowest:?}");
    assert!(took < CAP + Duration::from_secs(2), "{name}: gone after {took:?}");
    assert!(matches!(exit.code, Some(0 | 3)), "{name}: {:?} {}", exit.code, exit.stdout);
}

#[test]
fn empty_data_frames_are_not_kept() {
    withstands("empty DATA", "", empty_data);
}

#[test]
fn a_header_block_without_an_end_is_ended() {
    withstands("endless header block", "", endless_head);
}

#[test]
fn headers_that_grow_when_they_are_read_are_refused() {
    withstands("header bomb", "", header_bomb);
}

#[test]
fn streams_that_are_reset_at_once_are_not_served_for_ever() {
    withstands("rapid reset", "", rapid_reset);
}

#[test]
fn a_flood_of_streams_is_bounded() {
    withstands("stream flood", "", stream_flood);
}

#[test]
fn silent_http2_connections_are_closed() {
    withstands("silent HTTP/2", "--web-max-connections 64", silent_http2);
}

#[test]
fn a_flood_of_pings_and_settings_is_ended() {
    withstands("pings and settings", "", pings_and_settings);
}

#[test]
fn slow_heads_keep_nobody_away() {
    withstands("slow heads", "", slow_heads);
}

#[test]
fn slow_bodies_keep_nobody_away() {
    withstands("slow bodies", "", slow_bodies);
}

#[test]
fn slow_readers_keep_nobody_away() {
    withstands("slow readers", "", slow_readers);
}

#[test]
fn connections_beyond_the_cap_wait() {
    withstands("connection flood", "--web-max-connections 32", idle);
}

#[test]
fn half_open_connections_keep_nobody_away() {
    withstands("half open", "", half_open);
}
