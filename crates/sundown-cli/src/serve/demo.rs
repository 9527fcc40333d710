//! `/try`: slow answers, long ones, uploads, streams and sockets, with which to see that a stop, or a
//! rolling update, interrupts none of them.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload, Query, ServiceConfig, get, post, scope};
use actix_web::{HttpRequest, HttpResponse, rt};
use actix_ws::{CloseCode, Closed, Message, Session};
use bytes::Bytes;
use futures_core::Stream;
use serde::Deserialize;
use serde_json::json;
use sundown_tempfiles::TempFiles;
use sundown_web::{Draining, Event, EventStream};
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Interval, interval, sleep, timeout};

use super::problem::problem;

/// The longest an answer may be made to take.
const SLOWEST: Duration = Duration::from_secs(600);
/// The most bytes that may be asked for.
const LONGEST: u64 = 1 << 30;
/// One piece of a long answer: a line of text, again and again.
const PIECE: Bytes = Bytes::from_static(&[b'.'; 16 * 1024]);
/// How often an event stream has news.
const TICK: Duration = Duration::from_millis(200);
/// How long a WebSocket's goodbye may take to find its place.
const GOODBYE: Duration = Duration::from_millis(500);

pub(super) fn routes(app: &mut ServiceConfig) {
    let tries = scope("/try")
        .route("", get().to(index))
        .route("/", get().to(index))
        .route("/slow", get().to(slow_by_seconds))
        .route("/slow/{millis}", get().to(slow))
        .route("/bytes/{count}", get().to(long))
        .route("/upload", post().to(upload))
        .route("/events", get().to(events))
        .route("/socket", get().to(socket));
    app.service(tries);
}

/// What there is to try, for people.
async fn index() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .body(include_str!("demo/index.html"))
}

/// How long an answer is to take.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Slowness {
    seconds: u32,
}

/// Answers after so many seconds.
async fn slow_by_seconds(slowness: Query<Slowness>) -> HttpResponse {
    let seconds = slowness.seconds;
    answer_after(Duration::from_secs(seconds.into()), format!("that took {seconds} s\n")).await
}

/// Answers after so many milliseconds.
async fn slow(millis: Path<u64>) -> HttpResponse {
    answer_after(Duration::from_millis(*millis), format!("that took {millis} ms\n")).await
}

async fn answer_after(time: Duration, text: String) -> HttpResponse {
    if time > SLOWEST {
        let detail = format!("an answer may take {} seconds at most", SLOWEST.as_secs());
        return problem(StatusCode::BAD_REQUEST, "bad_request", &detail);
    }
    sleep(time).await;
    HttpResponse::Ok().body(text)
}

/// Answers with so many bytes.
async fn long(count: Path<u64>) -> HttpResponse {
    if *count > LONGEST {
        return problem(
            StatusCode::BAD_REQUEST,
            "bad_request",
            &format!("at most {LONGEST} bytes"),
        );
    }
    HttpResponse::Ok().content_type("text/plain").body(SizedStream::new(*count, Dots(*count)))
}

struct Dots(u64);

impl Stream for Dots {
    type Item = std::io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = usize::try_from(self.0).map_or(PIECE.len(), |left| left.min(PIECE.len()));
        self.0 -= piece as u64;
        Poll::Ready((piece > 0).then(|| Ok(PIECE.slice(..piece))))
    }
}

/// Keeps a body in a temporary file until it is whole, and says what it was.
async fn upload(mut body: Payload, files: Data<TempFiles>) -> actix_web::Result<HttpResponse> {
    let failed = |error: &dyn std::fmt::Display| {
        let detail = format!("cannot keep the upload: {error}");
        problem(StatusCode::INSUFFICIENT_STORAGE, "no_room", &detail)
    };
    let mut file = match files.file("upload").await {
        Ok(file) => file,
        Err(error) => return Ok(failed(&error)),
    };
    let (mut bytes, mut sum) = (0, FNV);
    while let Some(piece) = next(&mut body).await {
        let piece = piece?;
        bytes += piece.len();
        sum = piece.iter().fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(PRIME));
        if let Err(error) = file.write_all(&piece).await {
            return Ok(failed(&error));
        }
    }
    if let Err(error) = file.flush().await {
        return Ok(failed(&error));
    }
    Ok(HttpResponse::Ok().json(json!({ "bytes": bytes, "fnv1a": format!("{sum:016x}") })))
}

/// The offset basis and the prime of FNV-1a.
const FNV: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    std::future::poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

/// Counts, five times a second, from where `Last-Event-ID` left off.
async fn events(request: HttpRequest) -> HttpResponse {
    let last = request.headers().get("Last-Event-ID").and_then(|id| id.to_str().ok());
    let last = last.and_then(|id| id.parse().ok()).unwrap_or(0);
    EventStream::new(&request, Ticks { interval: interval(TICK), last }).into_response()
}

struct Ticks {
    interval: Interval,
    last: u64,
}

impl Stream for Ticks {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        ready!(self.interval.poll_tick(cx));
        self.last = self.last.saturating_add(1);
        Poll::Ready(Some(Event::new(format!("tick {}", self.last)).id(self.last.to_string())))
    }
}

/// Sends every message back, until the server drains.
async fn socket(request: HttpRequest, body: Payload) -> actix_web::Result<HttpResponse> {
    let draining = Draining::of(&request);
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    rt::spawn(async move {
        while let Some(Some(Ok(message))) = draining.until(messages.recv()).await {
            if matches!(message, Message::Close(_)) {
                break;
            }
            // A client that takes nothing must not keep the drain from it.
            match draining.until(send_back(&mut session, message)).await {
                Some(Ok(())) => {}
                Some(Err(_)) => return,
                None => break,
            }
        }
        // Who is gone already needs no goodbye, and who takes nothing gets none.
        let _ = timeout(GOODBYE, session.close(Some(CloseCode::Away.into()))).await;
    });
    Ok(response)
}

async fn send_back(session: &mut Session, message: Message) -> Result<(), Closed> {
    match message {
        Message::Text(text) => session.text(text).await,
        Message::Binary(bytes) => session.binary(bytes).await,
        Message::Ping(bytes) => session.pong(&bytes).await,
        Message::Close(_) | Message::Pong(_) | Message::Continuation(_) | Message::Nop => Ok(()),
    }
}
