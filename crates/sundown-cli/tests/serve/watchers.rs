//! Whoever looks on, or stops in the middle of something, does not hold the stop.

use std::time::{Duration, Instant};

use serde_json::Value;
use sundown_drill::process::Signal;
use tokio::time::{sleep, timeout};

use crate::http::Client;
use crate::service::{Scratch, Service, last_word, launch, serving, start};

const EVENTS: &str = "Accept: text/event-stream\r\n";
const BEARER: &str = "Authorization: Bearer battery-staple\r\nContent-Length: 100\r\n";

/// It ends well, and in less than this.
fn ends_within(mut service: Service, most: Duration) {
    let began = Instant::now();
    service.signal(Signal::Term);
    let exit = service.ends_with(0);
    assert!(began.elapsed() < most, "{:?}\n{}", began.elapsed(), exit.stderr);
    assert_eq!(last_word(&exit)["sundown"], "clean");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_the_stop_sees_it_to_the_end_and_does_not_hold_it() {
    let scratch = Scratch::new();
    let service = start(&scratch, "--shutdown-announce 300ms");
    let mut watcher = Client::connect(service.admin).await.unwrap();
    watcher.ask("GET /shutdown", EVENTS).await.unwrap();
    let mut deaf = Client::connect(service.admin).await.unwrap();
    deaf.ask("GET /shutdown", EVENTS).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    ends_within(service, Duration::from_secs(2));
    let answer = watcher.answer(Duration::ZERO).await.unwrap().text();
    let mut events: Vec<&str> = answer.split_terminator("\n\n").collect();
    assert_eq!(events.pop(), Some("retry: 1000"), "{answer}");
    let report = events.pop().unwrap().strip_prefix("event: report\ndata: ").unwrap();
    let report: Value = serde_json::from_str(report).unwrap();
    let phases = report["phases"].as_array().unwrap();
    let (last, earlier) = phases.split_last().unwrap();
    assert!(earlier.iter().all(|phase| phase["end_ms"].is_number()), "{report}");
    assert_eq!(last["name"], "release");
    assert!(last["start_ms"].is_number(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_stop_it_is_told_so_before_its_reasons_are_read() {
    let scratch = Scratch::new();
    let launch = launch(&scratch, "").env("SUNDOWN_ADMIN_TOKEN", "battery-staple");
    let service = serving(launch.spawn().unwrap());
    let mut stranger = Client::connect(service.admin).await.unwrap();
    stranger.ask("POST /shutdown", "Content-Length: 100\r\n").await.unwrap();
    let answer = timeout(Duration::from_secs(1), stranger.answer(Duration::ZERO)).await;
    let answer = answer.expect("at once").unwrap();
    assert!(answer.status == 401 && answer.closes(), "{answer:?}");
    ends_within(service, Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn half_a_request_to_stop_it_does_not_hold_the_stop() {
    let scratch = Scratch::new();
    let launch = launch(&scratch, "").env("SUNDOWN_ADMIN_TOKEN", "battery-staple");
    let service = serving(launch.spawn().unwrap());
    let mut friend = Client::connect(service.admin).await.unwrap();
    friend.ask("POST /shutdown", BEARER).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    ends_within(service, Duration::from_secs(3));
    assert_eq!(friend.answer(Duration::ZERO).await.unwrap().status, 408);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_whose_client_only_talks_is_given_up() {
    let scratch = Scratch::new();
    let service = start(&scratch, "--web-stall-timeout 1s");
    let mut talker = Client::connect(service.web).await.unwrap();
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    talker.ask("GET /try/socket", upgrade).await.unwrap();
    assert!(talker.head().await.unwrap().starts_with("http/1.1 101"));
    let mut frame = vec![0x82, 0xfe, 0xf0, 0, 0, 0, 0, 0];
    frame.extend([b'x'; 0xf000]);
    let talks = async { while talker.send(&frame).await.is_ok() {} };
    assert!(timeout(Duration::from_secs(2), talks).await.is_err(), "it is the client's to rest");
    ends_within(service, Duration::from_secs(4));
}
