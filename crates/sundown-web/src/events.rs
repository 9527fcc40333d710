//! Streams that end well: server-sent events that stop between two events, and the word for handlers
//! of their own making.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_core::Stream;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use crate::connections::{Connections, Stage};

/// After so long without an event a comment is sent, so that whoever is in between sees that somebody
/// still speaks: proxies give up after a minute, some after half of it.
const QUIET: Duration = Duration::from_secs(15);
/// No event, and nothing of one.
const COMMENT: &[u8] = b":\n\n";
/// How long a client is told to wait before it comes back, unless said otherwise.
const RETRY: Duration = Duration::from_secs(1);

/// Tells a handler that its server has begun to drain.
///
/// ```
/// use actix_web::{HttpRequest, HttpResponse};
/// use sundown_web::Draining;
///
/// async fn export(request: HttpRequest) -> HttpResponse {
///     let draining = Draining::of(&request);
///     // … between two pages:
///     if draining.has_begun() {
///         return HttpResponse::ServiceUnavailable().finish();
///     }
///     HttpResponse::Ok().finish()
/// }
/// ```
#[derive(Clone)]
pub struct Draining {
    server: Option<Arc<Connections>>,
}

impl Draining {
    /// That of the server a request came to. Behind another server, in a unit test of a handler for
    /// one, it never begins.
    pub fn of(request: &HttpRequest) -> Self {
        let known = request.conn_data::<Arc<Connections>>().cloned();
        Draining { server: known.or_else(|| request.extensions().get().cloned()) }
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.server.as_ref().is_some_and(|server| server.stage() == Stage::Draining)
    }

    /// Waits until it begins.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn begins(&self) {
        match &self.server {
            Some(server) => server.reached(Stage::Draining).await,
            None => std::future::pending().await,
        }
    }

    /// The future's output, or `None` as soon as it begins: for loops that end between two messages,
    /// as a WebSocket's does before it says goodbye with 1001.
    ///
    /// ```
    /// use actix_web::{HttpRequest, HttpResponse, rt, web};
    /// use actix_ws::{CloseCode, Message};
    /// use sundown_web::Draining;
    ///
    /// async fn chat(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    ///     let draining = Draining::of(&request);
    ///     let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    ///     rt::spawn(async move {
    ///         while let Some(Some(Ok(message))) = draining.until(messages.recv()).await {
    ///             if let Message::Text(text) = message {
    ///                 let _ = session.text(text).await;
    ///             }
    ///         }
    ///         let _ = session.close(Some(CloseCode::Away.into())).await;
    ///     });
    ///     Ok(response)
    /// }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// When it begins the future is dropped where it stands: race only what may be dropped there.
    pub async fn until<F: Future>(&self, future: F) -> Option<F::Output> {
        tokio::select! {
            biased;
            () = self.begins() => None,
            output = future => Some(output),
        }
    }
}

impl fmt::Debug for Draining {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draining").field("has_begun", &self.has_begun()).finish()
    }
}

/// One server-sent event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    id: Option<String>,
    name: Option<String>,
    data: String,
}

impl Event {
    /// An event with this data; it may have several lines.
    pub fn new(data: impl Into<String>) -> Self {
        Event { data: data.into(), ..Event::default() }
    }

    /// Its id, which a client that comes back sends as `Last-Event-ID`.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Its name; without one it is a `message`.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// As it goes over the wire. A line break in an id or a name would begin another field: such
    /// characters are left out.
    fn to_bytes(&self) -> Bytes {
        let one_line = |text: &str| text.replace(['\r', '\n', '\0'], "");
        let mut text = String::new();
        if let Some(id) = &self.id {
            text.push_str(&format!("id: {}\n", one_line(id)));
        }
        if let Some(name) = &self.name {
            text.push_str(&format!("event: {}\n", one_line(name)));
        }
        for line in self.data.replace("\r\n", "\n").split(['\n', '\r']) {
            text.push_str(&format!("data: {line}\n"));
        }
        text.push('\n');
        Bytes::from(text)
    }
}

pin_project! {
    /// A stream of events as a response body that ends when the server drains: between two events,
    /// and with a `retry:` that says when to come back.
    ///
    /// ```
    /// use actix_web::{HttpRequest, HttpResponse};
    /// use sundown_web::{Event, EventStream};
    ///
    /// async fn prices(request: HttpRequest) -> HttpResponse {
    ///     # struct Prices;
    ///     # impl futures_core::Stream for Prices {
    ///     #     type Item = Event;
    ///     #     fn poll_next(
    ///     #         self: std::pin::Pin<&mut Self>,
    ///     #         _: &mut std::task::Context<'_>,
    ///     #     ) -> std::task::Poll<Option<Event>> {
    ///     #         std::task::Poll::Ready(None)
    ///     #     }
    ///     # }
    ///     # fn watch_prices() -> Prices { Prices }
    ///     EventStream::new(&request, watch_prices()).into_response()
    /// }
    /// ```
    pub struct EventStream<S> {
        #[pin]
        events: Option<S>,
        draining: Pin<Box<dyn Future<Output = ()>>>,
        retry: Duration,
        // Ends the silence that has begun.
        quiet: Option<Pin<Box<Sleep>>>,
        keep_alive: Duration,
    }
}

impl<S: Stream<Item = Event> + 'static> EventStream<S> {
    /// The events, until the server of this request drains.
    pub fn new(request: &HttpRequest, events: S) -> Self {
        let draining = Draining::of(request);
        EventStream {
            events: Some(events),
            draining: Box::pin(async move { draining.begins().await }),
            retry: RETRY,
            quiet: None,
            keep_alive: QUIET,
        }
    }

    /// How long nothing may be sent; by default 15 s. After that a comment goes out, which clients do
    /// not see and proxies do.
    #[must_use]
    pub fn keep_alive(mut self, longest_silence: Duration) -> Self {
        self.keep_alive = longest_silence;
        self
    }

    /// How long clients are told to wait before they come back; by default 1 s. Each is told up to
    /// half of it more, so that they do not all come at once.
    #[must_use]
    pub fn retry(mut self, retry: Duration) -> Self {
        self.retry = retry;
        self
    }

    /// The response: `text/event-stream`, not to be cached or buffered.
    pub fn into_response(self) -> HttpResponse {
        HttpResponse::Ok()
            .content_type("text/event-stream")
            .insert_header(("Cache-Control", "no-store"))
            .insert_header(("X-Accel-Buffering", "no"))
            .streaming(self)
    }
}

impl<S: Stream<Item = Event>> Stream for EventStream<S> {
    type Item = Result<Bytes, std::convert::Infallible>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        let Some(events) = this.events.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        if this.draining.as_mut().poll(cx).is_ready() {
            this.events.set(None);
            let retry = *this.retry + this.retry.mul_f64(spread() / 2.0);
            let goodbye = format!("retry: {}\n\n", retry.as_millis());
            return Poll::Ready(Some(Ok(Bytes::from(goodbye))));
        }
        if let Poll::Ready(event) = events.poll_next(cx) {
            *this.quiet = None;
            return Poll::Ready(event.map(|event| Ok(event.to_bytes())));
        }
        let quiet = this.quiet.get_or_insert_with(|| Box::pin(sleep(*this.keep_alive)));
        ready!(quiet.as_mut().poll(cx));
        *this.quiet = None;
        Poll::Ready(Some(Ok(Bytes::from_static(COMMENT))))
    }
}

impl<S> fmt::Debug for EventStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").field("retry", &self.retry).finish_non_exhaustive()
    }
}

/// A number from 0 to 1 that differs from client to client; nobody's secret.
fn spread() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_cannot_smuggle_in_a_field() {
        let event = Event::new("two\nlines\rthree").id("7\nevent: x").name("price\r\ndata: y");
        let text = String::from_utf8(event.to_bytes().to_vec()).unwrap();
        assert_eq!(
            text,
            "id: 7event: x\nevent: pricedata: y\ndata: two\ndata: lines\ndata: three\n\n"
        );
    }
}
