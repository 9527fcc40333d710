//! The clients of a load, against servers that do what they should not.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use sundown_drill::load::Load;

const PATIENCE: Duration = Duration::from_secs(20);

/// Serves each connection with this, which is told how many there were before; its address, and how many
/// connections it has seen.
fn server(serve: impl Fn(usize, TcpStream) + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (count, serve) = (Arc::new(AtomicUsize::new(0)), Arc::new(serve));
    let seen = count.clone();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (number, serve) = (seen.fetch_add(1, Ordering::SeqCst), serve.clone());
            thread::spawn(move || serve(number, stream));
        }
    });
    (address, count)
}

/// Reads the head of a request; false if there is none.
fn asked(stream: &TcpStream) -> bool {
    BufReader::new(stream).lines().map_while(Result::ok).any(|line| line.is_empty())
}

fn answer(mut stream: &TcpStream, fields: &str, body: &[u8]) {
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: {length}\r\n\r\n");
    // A client that is gone is no error here.
    let _ = stream.write_all(&[head.as_bytes(), body].concat());
}

#[test]
fn a_connection_is_kept_as_long_as_the_server_keeps_it() {
    let (address, connections) = server(|number, stream| {
        for request in 0..3 {
            if !asked(&stream) {
                return;
            }
            let closes = number == 0 && request == 2;
            answer(&stream, if closes { "Connection: close\r\n" } else { "" }, b"hello");
            if closes {
                return;
            }
        }
        while asked(&stream) {
            answer(&stream, "", b"hello");
        }
    });
    let load = Load::on(address).keep_alive(1, "/").start();
    assert!(load.wait_until(PATIENCE, |tally| tally.answered >= 10));
    let tally = load.stop();
    assert_eq!((tally.sent_again, tally.failed), (0, 0), "{tally:?}");
    assert_eq!(connections.load(Ordering::SeqCst), 2, "the first one was to be closed");
}

#[test]
fn a_kept_connection_that_is_gone_is_tried_once_more_and_a_new_one_that_is_cut_is_a_failure() {
    let (address, _) = server(|number, stream| {
        if asked(&stream) && number < 2 {
            answer(&stream, "", b"hello");
        }
    });
    let load = Load::on(address).keep_alive(1, "/").start();
    assert!(load.wait_until(PATIENCE, |tally| tally.failed > 0));
    let tally = load.stop();
    assert_eq!((tally.answered, tally.sent_again), (2, 1), "{tally:?}");
    assert!(
        tally.failures[0].contains("GET /: a new connection was closed")
            || tally.failures[0].contains("cut off"),
        "{tally:?}"
    );
}

#[test]
fn half_an_answer_and_an_answer_that_is_no_200_are_failures() {
    let (address, _) = server(|number, mut stream| {
        asked(&stream);
        let said: &[u8] = match number % 2 {
            0 => b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            _ => b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
        };
        stream.write_all(said).unwrap();
    });
    let load = Load::on(address).slow_readers(1, "/x", 1 << 20).start();
    assert!(load.wait_until(PATIENCE, |tally| tally.failed >= 2));
    let tally = load.stop();
    assert_eq!(tally.answered, 0);
    assert!(tally.failures[0].ends_with("GET /x: cut off after 4 of 10 bytes"), "{tally:?}");
    assert!(tally.failures[1].contains("answered with HTTP/1.1 503"), "{tally:?}");
}

#[test]
fn a_slow_reader_leaves_most_of_its_answer_to_the_server() {
    const LENGTH: usize = 4 << 20;
    let written = Arc::new(AtomicUsize::new(0));
    let count = written.clone();
    let (address, _) = server(move |_, mut stream| {
        asked(&stream);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&stream, 16 << 10).unwrap();
        for _ in 0..LENGTH >> 12 {
            if stream.write_all(&[b'.'; 1 << 12]).is_err() {
                return;
            }
            count.fetch_add(1 << 12, Ordering::SeqCst);
        }
    });
    let began = Instant::now();
    let load = Load::on(address).slow_readers(1, "/", 8 << 20).start();
    thread::park_timeout(Duration::from_millis(150));
    let early = written.load(Ordering::SeqCst);
    assert!(early < LENGTH, "half a second lies before the end");
    assert!(load.wait_until(PATIENCE, |tally| tally.answered > 0));
    assert!(began.elapsed() >= Duration::from_millis(450), "{:?}", began.elapsed());
    drop(load);
}
