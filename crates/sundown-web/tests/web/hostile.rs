//! Clients that misbehave and handlers that break: no crash, and an end in time.

use std::pin::Pin;
use std::task::{Context, Poll};

use fastrand::Rng;
use futures_core::Stream;

use super::*;

pub(super) async fn panics() -> HttpResponse {
    panic!("scripted");
}

/// A body that breaks off after a few chunks.
struct Breaks(u32);

impl Stream for Breaks {
    type Item = Result<Bytes, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0 += 1;
        assert!(self.0 < 4, "scripted");
        Poll::Ready(Some(Ok(Bytes::from_static(b"chunk"))))
    }
}

pub(super) async fn panics_mid_body() -> HttpResponse {
    HttpResponse::Ok().streaming(Breaks(0))
}

#[tokio::test]
async fn handlers_that_panic_leave_no_connection_behind() {
    let service = start(Duration::ZERO);
    for path in ["/panic", "/panic-mid-body"] {
        let mut stream = service.connect().await;
        send(&mut stream, &format!("GET {path} HTTP/1.1")).await;
        let mut all = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut all)).await.unwrap();
    }
    let mut stream = service.connect().await;
    send(&mut stream, "GET / HTTP/1.1").await;
    response(&mut stream, "hello").await;
    assert_eq!(service.web.in_flight(), 0);
    let (report, ()) = service.stop_while(async {}).await;
    assert!(drained(&report) < Duration::from_secs(5), "{report}");
}

#[tokio::test]
async fn a_thousand_half_open_connections_hold_nobody() {
    let service = start(Duration::ZERO);
    let mut streams = Vec::new();
    for number in 0..1000 {
        let mut stream = service.connect().await;
        match number % 3 {
            0 => {}
            1 => stream.write_all(b"GET / HT").await.unwrap(),
            _ => stream.write_all(b"PRI * HTTP/2.0\r\n").await.unwrap(),
        }
        streams.push(stream);
    }
    while service.web.connections() < 1000 {
        sleep(Duration::from_millis(10)).await;
    }
    let (report, ()) = service.stop_while(async {}).await;
    assert!(drained(&report) < Duration::from_secs(8), "{report}");
}

#[tokio::test]
async fn who_is_not_answered_by_the_deadline_is_cut_and_reported() {
    let service = start(Duration::ZERO);
    let mut stream = service.connect().await;
    send(&mut stream, "GET /slow/60000 HTTP/1.1").await;
    sleep(Duration::from_millis(200)).await;
    service.coordinator.initiate(Cause::requested("test"));
    let cap = Some(Duration::from_secs(11));
    let report = service.coordinator.wait_for_shutdown(cap).await;
    let web = report.waiter("web").unwrap();
    assert_eq!(web.outcome, Some(Outcome::Failed), "{report}");
    let detail = web.detail.as_deref().unwrap();
    assert!(detail.starts_with("1 connections were cut"), "{detail}");
}

#[tokio::test]
async fn malformed_requests_crash_nothing() {
    let service = start(Duration::ZERO);
    let seeds = [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    ];
    for seed in 0..300 {
        let mut rng = Rng::with_seed(seed);
        let mut bytes = rng.choice(seeds).unwrap().as_bytes().to_vec();
        for _ in 0..rng.usize(1..8) {
            let place = rng.usize(0..bytes.len());
            match rng.u8(0..3) {
                0 => bytes[place] = rng.u8(..),
                1 => drop(bytes.remove(place)),
                _ => bytes.insert(place, rng.u8(..)),
            }
        }
        let mut stream = service.connect().await;
        let _ = stream.write_all(&bytes).await;
        let _ = stream.shutdown().await;
        let mut answer = Vec::new();
        let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end");
    }
    let mut stream = service.connect().await;
    send(&mut stream, "GET / HTTP/1.1").await;
    response(&mut stream, "hello").await;
    let (report, ()) = service.stop_while(async {}).await;
    drained(&report);
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let service = start(Duration::ZERO);
    let mut stream = service.connect().await;
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(1 << 20));
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answer)).await.expect("an end");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    let (report, ()) = service.stop_while(async {}).await;
    drained(&report);
}
