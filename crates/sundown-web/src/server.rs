//! The server: one call wraps an ordinary `App` factory, and joins the shutdown.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::available_parallelism;
use std::time::Duration;

use actix_http::{Request, Response};
use actix_service::{IntoServiceFactory, Service, ServiceFactory};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::AppConfig;
use sundown::{Phase, PlanError, Priority, ScopedRegistration, ShutdownCoordinator, Waiter};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::connections::{Connections, Stage};
use crate::drain::{NAMED, Running, drain};
use crate::http::services;
use crate::limits::Limits;
use crate::listen::{Acceptor, QUEUE, ToWorker};
use crate::metrics;
use crate::worker::{self, Orders};

/// How long a client may take to send the head of its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than this nobody waits; so that no sum of times overflows.
const LONGEST: Duration = Duration::from_secs(86_400 * 365);
const MOST_WORKERS: usize = 512;
/// How many connections may be open at once.
const CONNECTIONS: usize = 25_000;

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebError {
    /// The listener cannot be used.
    #[error("cannot serve `{name}` on {address}: {source} (is the listener still open?)")]
    Listen {
        /// The server's name.
        name: String,
        /// Where.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot take part in the shutdown.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

/// A server to be: its name, its workers, what it bears of its clients, and what closes it.
///
/// ```
/// # use std::net::TcpListener;
/// # use std::sync::Arc;
/// # use actix_web::{App, HttpResponse, web};
/// # use sundown::{Cause, Coordinator};
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let coordinator = Coordinator::builder().build()?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let admin = sundown_web::Server::new("admin")
///     .workers(1)
///     .closes_last() // health and metrics are answered to the end
///     .serve(coordinator.clone(), listener, || {
///         App::new().route("/healthz", web::get().to(async || HttpResponse::Ok().body("alive")))
///     })?;
/// println!("admin on {}", admin.local_addr());
/// # coordinator.initiate(Cause::requested("doc test"));
/// # assert!(coordinator.run().await.is_clean());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a server does nothing until `serve`"]
pub struct Server {
    name: String,
    workers: Option<usize>,
    closes: Closes,
    limits: Limits,
    connections: usize,
    is_shared: bool,
}

/// When a server stops accepting and drains.
#[derive(Debug, Clone)]
enum Closes {
    In(Phase),
    Last,
}

impl Server {
    /// A server of this name, which is its waiter's name too.
    pub fn new(name: impl Into<String>) -> Self {
        Server {
            name: name.into(),
            workers: None,
            closes: Closes::In(Phase::DRAIN),
            limits: Limits { head: REQUEST_TIMEOUT, body: None, has_http2: false, stall: None },
            connections: CONNECTIONS,
            is_shared: false,
        }
    }

    /// How many threads serve; by default one for each core. There is at least one, and there are
    /// at most 512.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers.clamp(1, MOST_WORKERS));
        self
    }

    /// Whether HTTP/2 is spoken on the same port, by clients that know beforehand that it is (h2c); by
    /// default it is not.
    ///
    /// A connection may have 100 streams, 64 KiB of headers for a request, and 256 KiB for all requests that
    /// are being answered. One that sends many frames without progress (empty DATA, PING, SETTINGS, resets,
    /// endless headers) is ended with GOAWAY. The times for heads and for idle connections are those of
    /// HTTP/1.
    pub fn http2(mut self, is_on: bool) -> Self {
        self.limits.has_http2 = is_on;
        self
    }

    /// The most connections that are open at once, at least 1; by default 25,000. Others wait in the queue of
    /// the system until one is closed. When the server drains, those that wait are taken all the same.
    pub fn max_connections(mut self, most: usize) -> Self {
        self.connections = most.max(1);
        self
    }

    /// The listener is open in another process too, as one that systemd keeps (`LISTEN_FDS`): when the server
    /// drains, clients that wait in its queue are left to that process, or to the next one.
    pub fn shared_listener(mut self) -> Self {
        self.is_shared = true;
        self
    }

    /// The phase in which it stops accepting and drains; by default `drain`.
    pub fn closes_in(mut self, phase: Phase) -> Self {
        self.closes = Closes::In(phase);
        self
    }

    /// It drains at the very end: in `release`, as a hook of [`Priority::Cleanup`]. That is after all
    /// waiters of the plan, and after all hooks that were registered before it with this priority or
    /// have a higher one. For an admin server, which answers probes and scrapes to the end: register
    /// it last. In [`closes_in`](Server::closes_in)`(Phase::RELEASE)` it would be gone before the
    /// first hook runs.
    pub fn closes_last(mut self) -> Self {
        self.closes = Closes::Last;
        self
    }

    /// How long a client may take to send the head of a request, the first of its connection or a
    /// later one, once it has begun it; by default 5 s. With HTTP/1 so long it has as well for the
    /// rest of a body that nobody read.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.limits.head = timeout.min(LONGEST);
        self
    }

    /// The most bytes that the body of a request may have; by default any number.
    ///
    /// A request that says itself that it has more is answered 413, and the application does not see
    /// it. A body that turns out to have more fails in the application's hands with
    /// [`PayloadError::Overflow`](actix_web::error::PayloadError::Overflow), which the extractors of
    /// actix-web answer with 413 too, and the connection is closed after the answer. This holds for
    /// every handler, also for one that takes a raw [`web::Payload`](actix_web::web::Payload), and
    /// beside limits of the application's own. What comes after an upgrade to another protocol, as
    /// to a WebSocket, is no body.
    pub fn body_limit(mut self, bytes: u64) -> Self {
        self.limits.body = Some(bytes);
        self
    }

    /// How long a client may let the server wait; by default for ever, until it drains.
    ///
    /// A client is waited for when the application asks for more of a request's body and there is
    /// none, and when the client does not take what was written. It must move 1 KiB within so much
    /// waiting, or the rest of the message if that is less. Otherwise:
    ///
    /// - A body that does not come fails in the application's hands with
    ///   [`PayloadError::Io`](actix_web::error::PayloadError::Io) of the kind `TimedOut`. If the
    ///   application turns that into 400, as the extractors of actix-web do, the client is answered
    ///   408. After that an HTTP/1 connection is closed, and an HTTP/2 stream ended.
    /// - A connection whose client takes nothing is reset.
    ///
    /// The time a handler takes, a stream of events that is quiet, and an idle connection do not
    /// count. A connection that was upgraded, as to a WebSocket, is the application's own. So is an
    /// HTTP/2 stream for which the client opens no window, as long as it takes what else is written:
    /// browsers pause a download so.
    ///
    /// While the server drains, the window is a quarter of what is left of the drain, if that is
    /// shorter, and holds without this setting too: a client that does not move must not make the
    /// stop fail. (Of little time it is a second, and at most half.) It holds then for what a client
    /// takes through a WebSocket, and for the windows of an HTTP/2 connection of which nothing else
    /// is waited for. How many clients were given up tells the metric
    /// `sundown_clients_given_up_total`.
    ///
    /// With it an idle connection is kept for two windows, 5 s at the least: actix begins to count when
    /// an answer is encoded, and must not cut off a client that is still taking it.
    pub fn stall_timeout(mut self, timeout: Duration) -> Self {
        self.limits.stall = Some(timeout);
        self
    }

    /// Serves the application until the shutdown drains it.
    ///
    /// # Errors
    ///
    /// A listener that cannot be used; a name that the phase has already.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[expect(clippy::needless_pass_by_value, reason = "a layer takes the coordinator, as all do")]
    pub fn serve<F, I, S, B>(
        self,
        coordinator: Arc<dyn ShutdownCoordinator>,
        listener: TcpListener,
        application: F,
    ) -> Result<WebServer, WebError>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        S::Service: 'static,
        <S::Service as Service<Request>>::Future: 'static,
        B: MessageBody + 'static,
    {
        metrics::describe();
        let address = listener.local_addr();
        let describe = address.as_ref().map_or_else(|_| "?".to_owned(), ToString::to_string);
        let failed = |source| WebError::Listen {
            name: self.name.clone(),
            address: describe.clone(),
            source,
        };
        let address = address.map_err(failed)?;
        let connections = Connections::new(&self.name, self.limits.stall);
        let running = self.start(listener, connections.clone(), application).map_err(failed)?;
        self.join(&coordinator, address, connections, running)
    }

    /// Starts the workers, and the thread that accepts once they serve.
    fn start<F, I, S, B>(
        &self,
        listener: TcpListener,
        connections: Arc<Connections>,
        application: F,
    ) -> io::Result<Running>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<Response<B>> + 'static,
        S::Service: 'static,
        <S::Service as Service<Request>>::Future: 'static,
        B: MessageBody + 'static,
    {
        let count = self.workers.unwrap_or_else(|| available_parallelism().map_or(1, Into::into));
        let cut = CancellationToken::new();
        // From here on everything ends with it.
        let mut running = Running { connections: connections.clone(), close: None, cut };
        let (started, has_started) = sync_channel(count);
        let mut workers = Vec::new();
        for _ in 0..count {
            let (queue, arrivals) = mpsc::channel(QUEUE);
            workers.push(ToWorker { load: Arc::default(), queue });
            let orders = Orders {
                name: self.name.clone(),
                workers: count,
                arrivals,
                cut: running.cut.clone(),
                started: started.clone(),
                limits: self.limits,
            };
            let (application, limits) = (application.clone(), self.limits);
            worker::start(orders, async move || services(application, limits).await)?;
        }
        drop(started);
        for _ in 0..count {
            let worker = has_started.recv().map_err(|_| io::Error::other("a worker panicked"))?;
            worker.map_err(|why| io::Error::other(format!("cannot start a worker: {why}")))?;
        }
        let (most, is_shared) = (self.connections, self.is_shared);
        let acceptor = Acceptor { listener, connections, workers, most, is_shared };
        running.close = Some(acceptor.start()?);
        Ok(running)
    }

    /// Makes the running server part of the shutdown.
    fn join(
        self,
        coordinator: &Arc<dyn ShutdownCoordinator>,
        address: SocketAddr,
        connections: Arc<Connections>,
        running: Running,
    ) -> Result<WebServer, WebError> {
        let all = connections.clone();
        let waiter = Waiter::new(self.name.clone(), |deadline| drain(running, deadline))
            .pending(move || all.pending(NAMED));
        let drains = coordinator.register_waiter(match self.closes {
            Closes::In(phase) => waiter.in_phase(phase),
            Closes::Last => waiter.in_phase(Phase::RELEASE).as_hook(Priority::Cleanup),
        })?;
        let all = connections.clone();
        let announces = coordinator.register_notification(self.name, move |_cause| {
            metrics::in_flight_at_signal(&all.server, all.in_flight());
            all.advance(Stage::Announcing);
        });
        let _registrations = [drains.scoped(), announces.scoped()];
        Ok(WebServer { address, connections, _registrations })
    }
}

/// Serves an application on a listener until the shutdown drains it: a [`Server`] named `web`.
///
/// # Errors
///
/// As [`Server::serve`].
///
/// # Panics
///
/// Outside a tokio runtime.
pub fn serve<F, I, S, B>(
    coordinator: Arc<dyn ShutdownCoordinator>,
    listener: TcpListener,
    application: F,
) -> Result<WebServer, WebError>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    Server::new("web").serve(coordinator, listener, application)
}

/// A server that serves. Dropping it takes it out of the shutdown, and ends it at once.
#[derive(Debug)]
#[must_use = "dropped, it serves no more"]
pub struct WebServer {
    address: SocketAddr,
    connections: Arc<Connections>,
    _registrations: [ScopedRegistration; 2],
}

impl WebServer {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// How many requests are being answered.
    pub fn in_flight(&self) -> usize {
        self.connections.in_flight()
    }

    /// How many connections are open.
    pub fn connections(&self) -> usize {
        self.connections.open()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_at_least_one_worker_and_not_too_many() {
        for (wanted, workers) in [(0, 1), (8, 8), (512, 512), (513, 512), (usize::MAX, 512)] {
            assert_eq!(Server::new("web").workers(wanted).workers, Some(workers));
        }
    }
}
