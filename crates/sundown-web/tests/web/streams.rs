//! Streams end between two events.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use sundown_web::{Draining, Event, EventStream};
use tokio::time::{Interval, interval};

use super::*;

/// An event every few milliseconds, for ever.
struct Ticks {
    interval: Interval,
    count: u32,
}

impl Stream for Ticks {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        ready!(self.interval.poll_tick(cx));
        self.count += 1;
        let data = format!("tick {}\n{}", self.count, "x".repeat(3000));
        Poll::Ready(Some(Event::new(data).id(self.count.to_string()).name("tick")))
    }
}

pub(super) async fn events(request: HttpRequest) -> HttpResponse {
    let interval = interval(Duration::from_millis(3));
    EventStream::new(&request, Ticks { interval, count: 0 }).into_response()
}

/// An event at the beginning, and none ever after.
pub(super) async fn silent(request: HttpRequest) -> HttpResponse {
    let mut first = interval(Duration::from_secs(3600));
    first.reset_immediately();
    EventStream::new(&request, Ticks { interval: first, count: 0 })
        .keep_alive(Duration::from_millis(20))
        .into_response()
}

/// The payload of a chunked response.
fn unchunked(response: &str) -> String {
    let (_, mut rest) = response.split_once("\r\n\r\n").unwrap();
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n").unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return body;
        }
        body.push_str(&after[..size]);
        rest = &after[size + 2..];
    }
}

#[tokio::test]
async fn event_streams_end_after_a_whole_event_and_say_when_to_come_back() {
    let service = start(Duration::ZERO);
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = service.connect().await;
        send(&mut stream, "GET /events HTTP/1.1").await;
        streams.push(stream);
    }
    sleep(Duration::from_millis(200)).await;
    let (report, responses) = service
        .stop_while(async {
            let mut responses = Vec::new();
            for stream in &mut streams {
                responses.push(rest(stream).await);
            }
            responses
        })
        .await;
    assert!(drained(&report) < Duration::from_secs(5), "{report}");
    let mut retries = Vec::new();
    for response in responses {
        assert!(response.to_lowercase().contains("content-type: text/event-stream"));
        let body = unchunked(&response);
        let mut events: Vec<&str> = body.split_terminator("\n\n").collect();
        let retry = events.pop().unwrap().strip_prefix("retry: ").unwrap().parse::<u64>().unwrap();
        assert!((1000..=1500).contains(&retry), "{retry}");
        retries.push(retry);
        assert!(events.len() > 3);
        for (index, event) in (1..).zip(events) {
            let whole =
                format!("id: {index}\nevent: tick\ndata: tick {index}\ndata: {}", "x".repeat(3000));
            assert_eq!(event, whole);
        }
    }
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > 5, "they do not all come back at once: {retries:?}");
}

#[tokio::test]
async fn while_it_announces_event_streams_go_on() {
    let service = start(Duration::from_millis(400));
    let mut stream = service.connect().await;
    send(&mut stream, "GET /events HTTP/1.1").await;
    let began = std::time::Instant::now();
    let (_, response) = service.stop_while(rest(&mut stream)).await;
    assert!(began.elapsed() >= Duration::from_millis(400));
    assert!(unchunked(&response).matches("event: tick").count() > 20);
}

pub(super) async fn chat(
    request: HttpRequest,
    body: web::Payload,
) -> actix_web::Result<HttpResponse> {
    let draining = Draining::of(&request);
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    actix_web::rt::spawn(async move {
        while let Some(Some(Ok(message))) = draining.until(messages.recv()).await {
            if let actix_ws::Message::Text(text) = message {
                let _ = session.text(text).await;
            }
        }
        let _ = session.close(Some(actix_ws::CloseCode::Away.into())).await;
    });
    Ok(response)
}

/// A WebSocket whose handshake is done.
pub(super) async fn open_chat(service: &Service) -> TcpStream {
    let mut stream = service.connect().await;
    let head = "GET /chat HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await.unwrap());
    }
    assert!(seen.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&seen));
    stream
}

/// A masked text frame, masked with zeros: "hi" comes back unmasked.
pub(super) async fn say_hi(stream: &mut TcpStream) {
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
    let mut echo = [0; 4];
    stream.read_exact(&mut echo).await.unwrap();
    assert_eq!(echo, [0x81, 2, b'h', b'i']);
}

#[tokio::test]
async fn websockets_are_closed_with_1001() {
    let service = start(Duration::ZERO);
    let mut stream = open_chat(&service).await;
    say_hi(&mut stream).await;
    let (report, goodbye) = service
        .stop_while(async {
            let mut goodbye = [0; 4];
            stream.read_exact(&mut goodbye).await.unwrap();
            let code = u16::from_be_bytes([goodbye[2], goodbye[3]]);
            // A polite client answers with the same.
            stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, goodbye[2], goodbye[3]]).await.unwrap();
            (goodbye[0], code)
        })
        .await;
    assert_eq!(goodbye, (0x88, 1001));
    assert!(drained(&report) < Duration::from_secs(5), "{report}");
}

#[tokio::test]
async fn a_silent_stream_says_now_and_then_that_it_is_there() {
    let service = start(Duration::ZERO);
    let mut stream = service.connect().await;
    send(&mut stream, "GET /silent HTTP/1.1").await;
    sleep(Duration::from_millis(300)).await;
    let (_, response) = service.stop_while(rest(&mut stream)).await;
    let body = unchunked(&response);
    let (event, silence) = body.split_once("\n\n").unwrap();
    assert!(event.starts_with("id: 1\n"), "{event}");
    let (comments, goodbye) = silence.rsplit_once(":\n\n").unwrap();
    assert!(comments.len() >= 2 * ":\n\n".len(), "{silence}");
    assert_eq!(comments.replace(":\n\n", ""), "");
    assert!(goodbye.starts_with("retry: "), "{goodbye}");
}
