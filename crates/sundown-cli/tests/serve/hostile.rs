//! Clients that mean no good, or do not know better: nothing crashes, and the end is bounded.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sundown_drill::process::Signal;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::http::{Client, get, request};
use crate::service::{Scratch, files_below, start};

#[tokio::test(flavor = "multi_thread")]
async fn a_body_beyond_the_limit_is_refused_however_it_is_sent() {
    let scratch = Scratch::new();
    let service = start(&scratch, "--web-body-limit 64KiB");
    let fits = "x".repeat(64 * 1024);
    let answer = request(service.web, "POST /try/upload", "", &fits).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");

    let mut sized = Client::connect(service.web).await.unwrap();
    sized.ask("POST /try/upload", "Content-Length: 65537\r\n").await.unwrap();
    assert_eq!(sized.answer(Duration::ZERO).await.unwrap().status, 413);

    let mut chunked = Client::connect(service.web).await.unwrap();
    chunked.ask("POST /try/upload", "Transfer-Encoding: chunked\r\n").await.unwrap();
    // It may be refused while it is still being sent.
    let _ = chunked.send(format!("10001\r\n{fits}x\r\n0\r\n\r\n").as_bytes()).await;
    assert_eq!(chunked.answer(Duration::ZERO).await.unwrap().status, 413);

    let huge = request(service.admin, "POST /shutdown", "", &"x".repeat(5000)).await.unwrap();
    assert_eq!(huge.status, 413, "the admin listener has a limit of its own");
    assert_eq!(get(service.web, "/").await.unwrap().status, 200, "it still serves");
    assert_eq!(files_below(&scratch.0.join("tmp")), 0, "nothing is left of what was refused");
    stopped(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_beyond_the_quota_of_temporary_files_is_refused() {
    let scratch = Scratch::new();
    let service = start(&scratch, "--temp-quota 64KiB --web-body-limit 1MiB");
    let answer = request(service.web, "POST /try/upload", "", &"x".repeat(100_000)).await.unwrap();
    assert_eq!(answer.status, 507, "{answer:?}");
    assert!(answer.text().contains("quota"), "{}", answer.text());
    let answer = request(service.web, "POST /try/upload", "", &"x".repeat(1000)).await.unwrap();
    assert_eq!(answer.status, 200, "the room was given back: {answer:?}");
    stopped(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn heads_beyond_all_measure_are_refused() {
    let scratch = Scratch::new();
    let service = start(&scratch, "");
    let mut client = Client::connect(service.web).await.unwrap();
    // It may be refused while it is still being sent.
    let _ = client.ask("GET /", &format!("X: {}\r\n", "x".repeat(1 << 20))).await;
    let answer = String::from_utf8_lossy(&client.rest().await).into_owned();
    // An empty one was closed.
    let is_refused = answer.is_empty() || answer.starts_with("HTTP/1.1 431 ");
    assert!(is_refused, "{answer}");
    assert_eq!(get(service.web, "/").await.unwrap().status, 200, "it still serves");
    stopped(service).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_crash_nothing() {
    let scratch = Scratch::new();
    let mut service = start(&scratch, "--web-head-timeout 500ms --web-stall-timeout 500ms");
    for seeds in (0..300).collect::<Vec<u64>>().chunks(25) {
        let clients: JoinSet<()> = seeds.iter().map(|seed| malformed(*seed, service.web)).collect();
        clients.join_all().await;
    }
    assert_eq!(get(service.web, "/").await.unwrap().status, 200, "it still serves");
    service.signal(Signal::Term);
    let exit = service.ends_with(0);
    assert!(!exit.stderr.contains("\"ERROR\""), "anybody could fill the log: {}", exit.stderr);
}

/// Sends a request with some letters changed, and reads every answer to its end.
async fn malformed(seed: u64, address: SocketAddr) {
    let whole = b"POST /try/upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut bytes = whole.to_vec();
    for _ in 0..rng.usize(1..8) {
        let at = rng.usize(0..bytes.len());
        match rng.u8(0..3) {
            0 => bytes[at] = rng.u8(..),
            1 => drop(bytes.remove(at)),
            _ => bytes.insert(at, rng.u8(..)),
        }
    }
    bytes.truncate(rng.usize(1..=bytes.len()));
    let mut client = Client::connect(address).await.unwrap();
    let _ = client.send(&bytes).await;
    client.finish().await;
    let answer = String::from_utf8_lossy(&client.rest().await).into_owned();
    let statuses = answer.split("HTTP/1.1 ").skip(1).map(|rest| rest.get(..4).unwrap_or(rest));
    for status in statuses {
        let is_known = status.starts_with('2') || status.starts_with('4');
        assert!(is_known && status.ends_with(' '), "seed {seed}: {answer}");
    }
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 "), "seed {seed}: {answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_half_open_connections_hold_nobody() {
    let scratch = Scratch::new();
    let mut service = start(&scratch, "--web-head-timeout 60s");
    let mut clients = Vec::new();
    for index in 0..1000 {
        let mut client = Client::connect(service.web).await.unwrap();
        if index % 2 == 0 {
            client.send(b"GET / HTTP/1.1\r\nHos").await.unwrap();
        }
        clients.push(client);
    }
    sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    service.signal(Signal::Term);
    service.ends_with(0);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_stop_in_the_middle_are_given_up() {
    let scratch = Scratch::new();
    let service = start(&scratch, "--web-stall-timeout 300ms --web-head-timeout 300ms");
    let mut head = Client::connect(service.web).await.unwrap();
    head.send(b"GET / HTT").await.unwrap();
    let mut body = Client::connect(service.web).await.unwrap();
    body.ask("POST /try/upload", "Content-Length: 1000\r\n").await.unwrap();
    let mut reader = Client::connect(service.web).await.unwrap();
    reader.ask("GET /try/bytes/100000000", "").await.unwrap();
    sleep(Duration::from_millis(2500)).await;
    let head = String::from_utf8_lossy(&head.rest().await).into_owned();
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 408"), "{head}");
    let body = String::from_utf8_lossy(&body.rest().await).into_owned();
    assert!(body.starts_with("HTTP/1.1 408"), "{body}");
    assert!(reader.rest().await.len() < 90_000_000, "it waited for one who does not read");
    assert_eq!(files_below(&scratch.0.join("tmp")), 0, "nothing is left of what was given up");
    stopped(service).await;
}

/// It ends at once and well.
async fn stopped(mut service: crate::service::Service) {
    service.signal(Signal::Term);
    service.ends_with(0);
}
