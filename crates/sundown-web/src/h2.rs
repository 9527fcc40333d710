//! HTTP/2, where it is turned on: requests and responses between the library `h2` and the application, with
//! bounds on what one connection may hold.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use actix_http::error::PayloadError;
use actix_http::{HttpMessage as _, Payload, Request, Response, StatusCode};
use actix_service::Service;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, HttpDate, TRANSFER_ENCODING, UPGRADE,
};
use bytes::Bytes;
use futures_core::Stream;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::connection::{Connection, Known};
use crate::guard;
use crate::io::TrackedIo;
use crate::limits::Limits;

const STREAMS: u32 = 100;
/// The headers of one request, and of all that are being answered, in bytes.
const HEADERS: u32 = 64 << 10;
const ALL_HEADERS: usize = 256 << 10;
/// What may come of request bodies before the application reads them.
const STREAM_WINDOW: u32 = 256 << 10;
const CONNECTION_WINDOW: u32 = 512 << 10;
/// What is kept of responses until the client takes it.
const SEND_BUFFER: usize = 64 << 10;
const CHUNK: usize = 16 << 10;
const RESETS: usize = 20;
/// What a whole answer earns, and a piece of a body that was read.
const ANSWERED: i32 = 8;
const READ: i32 = 2;

/// Serves one connection to its end.
pub(crate) async fn serve<R, B>(
    io: TrackedIo,
    peer: Option<SocketAddr>,
    service: Rc<R>,
    limits: Limits,
) where
    R: Service<Request, Response = Response<B>, Future: 'static> + 'static,
    R::Error: Into<Response<BoxBody>>,
    B: MessageBody + 'static,
{
    let client = Client { known: io.known(), token: io.token(), peer };
    let handshake = h2::server::Builder::new()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEADERS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .max_concurrent_reset_streams(RESETS)
        .max_pending_accept_reset_streams(RESETS)
        .handshake::<_, Bytes>(io);
    let Ok(Ok(mut http)) = timeout(limits.head, handshake).await else { return };
    let mut streams = JoinSet::new();
    let mut idle_until = Instant::now() + limits.keep_alive();
    loop {
        tokio::select! {
            biased;
            accepted = http.accept() => {
                let Some(Ok((request, respond))) = accepted else { return };
                streams.spawn_local(answer(request, respond, service.clone(), client.clone()));
            }
            Some(_ended) = streams.join_next() => idle_until = Instant::now() + limits.keep_alive(),
            () = sleep_until(idle_until), if streams.is_empty() && !client.known.connection.ends() => {
                client.known.connection.end();
            }
        }
    }
}

/// Who asks.
#[derive(Clone)]
struct Client {
    known: Rc<Known>,
    token: CancellationToken,
    peer: Option<SocketAddr>,
}

/// The headers of a request, counted while it is answered.
struct Headers(Arc<Connection>, usize);

impl Headers {
    fn count(connection: &Arc<Connection>, request: &http::Request<RecvStream>) -> Option<Self> {
        let fields = request.headers().iter();
        let sum: usize = fields.map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        let before = connection.header_bytes.fetch_add(sum, Ordering::Relaxed);
        let headers = Headers(connection.clone(), sum);
        (before + sum <= ALL_HEADERS).then_some(headers)
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        self.0.header_bytes.fetch_sub(self.1, Ordering::Relaxed);
    }
}

/// Answers one request, as long as the client wants to know.
async fn answer<R, B>(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    service: Rc<R>,
    client: Client,
) where
    R: Service<Request, Response = Response<B>, Future: 'static>,
    R::Error: Into<Response<BoxBody>>,
    B: MessageBody + 'static,
{
    let Some(_headers) = Headers::count(&client.known.connection, &request) else {
        let refusal = Response::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
        return drop(respond.send_response(head_of(&refusal, BodySize::None), true));
    };
    let is_head = request.method() == http::Method::HEAD;
    let called = service.call(incoming(request, &client));
    let sent = tokio::select! {
        biased;
        answer = called => match answer {
            Ok(response) => send(response, &mut respond, is_head).await,
            Err(error) => send(error.into(), &mut respond, is_head).await,
        },
        _reset = poll_fn(|cx| respond.poll_reset(cx)) => return,
    };
    if sent.is_some() {
        guard::add(&client.known.connection, ANSWERED);
    }
}

/// The request as actix knows it.
fn incoming(request: http::Request<RecvStream>, client: &Client) -> Request {
    let (parts, body) = request.into_parts();
    let payload: Payload = if body.is_end_stream() {
        Payload::None
    } else {
        Payload::Stream {
            payload: Box::pin(Body { body, connection: client.known.connection.clone() }),
        }
    };
    let mut request = Request::with_payload(payload);
    let head = request.head_mut();
    head.uri = parts.uri;
    head.method = parts.method;
    head.version = parts.version;
    head.headers = parts.headers.into();
    head.peer_addr = client.peer;
    let mut extensions = request.extensions_mut();
    extensions.insert(client.known.clone());
    extensions.insert(client.known.connections.clone());
    extensions.insert(client.token.clone());
    drop(extensions);
    request
}

/// The body of a request, as the application reads it.
struct Body {
    body: RecvStream,
    connection: Arc<Connection>,
}

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let chunk = match ready!(this.body.poll_data(cx)) {
            Some(Ok(chunk)) => chunk,
            Some(Err(error)) => return Poll::Ready(Some(Err(PayloadError::Http2Payload(error)))),
            None => return Poll::Ready(None),
        };
        if !chunk.is_empty() {
            guard::add(&this.connection, READ);
        }
        let released = this.body.flow_control().release_capacity(chunk.len());
        Poll::Ready(Some(released.map(|()| chunk).map_err(PayloadError::Http2Payload)))
    }
}

/// Sends a response. Nothing comes back if the client is gone, or the body broke off.
async fn send<B: MessageBody>(
    response: Response<B>,
    respond: &mut SendResponse<Bytes>,
    is_head: bool,
) -> Option<()> {
    let (response, body) = response.into_parts();
    let size = match response.status() {
        StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => BodySize::None,
        _ => body.size(),
    };
    let is_whole = size.is_eof() || is_head;
    let mut stream = respond.send_response(head_of(&response, size), is_whole).ok()?;
    if is_whole {
        return Some(());
    }
    let mut body = std::pin::pin!(body);
    loop {
        // A client that wants no more is not to keep a body that waits for its next piece.
        let next = poll_fn(|cx| match stream.poll_reset(cx) {
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => body.as_mut().poll_next(cx).map(Some),
        });
        match next.await? {
            Some(Ok(chunk)) => send_chunk(&mut stream, chunk).await?,
            // Without an end the client knows that something is missing.
            Some(Err(_)) => {
                stream.send_reset(h2::Reason::INTERNAL_ERROR);
                return None;
            }
            None => return stream.send_data(Bytes::new(), true).ok(),
        }
    }
}

async fn send_chunk(stream: &mut SendStream<Bytes>, mut chunk: Bytes) -> Option<()> {
    while !chunk.is_empty() {
        stream.reserve_capacity(chunk.len().min(CHUNK));
        let capacity = poll_fn(|cx| stream.poll_capacity(cx)).await?.ok()?;
        let piece = chunk.split_to(chunk.len().min(capacity));
        stream.send_data(piece, false).ok()?;
    }
    Some(())
}

/// The head of a response, without what only HTTP/1 has.
fn head_of<B>(response: &Response<B>, size: BodySize) -> http::Response<()> {
    const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
    const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
    let mut head = http::Response::new(());
    *head.status_mut() = response.status();
    *head.version_mut() = http::Version::HTTP_2;
    for (name, value) in response.headers() {
        let is_of_http1 =
            [CONNECTION, TRANSFER_ENCODING, UPGRADE, KEEP_ALIVE, PROXY_CONNECTION].contains(name);
        if !is_of_http1 && *name != CONTENT_LENGTH {
            head.headers_mut().append(name, value.clone());
        }
    }
    if let BodySize::Sized(length) = size {
        head.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    #[expect(clippy::disallowed_methods, reason = "another machine reads it")]
    let date = HttpDate::from(SystemTime::now()).to_string();
    if let Ok(date) = HeaderValue::from_str(&date) {
        head.headers_mut().entry(DATE).or_insert(date);
    }
    head
}
