//! The server: one call wraps an ordinary `App` factory, and joins the shutdown.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{ConnectionType, HttpService, Request, Response};
use actix_rt::net::TcpStream;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, apply_fn_factory,
    fn_service, map_config,
};
use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::AppConfig;
use actix_web::http::Version;
use sundown::{Phase, PlanError, Registration, ShutdownCoordinator, Waiter};

use crate::accept::accept;
use crate::body::TrackedBody;
use crate::connection::{Connection, Connections, InFlight, Stage};
use crate::drain::{Running, drain};
use crate::io::TrackedIo;
use crate::metrics;

/// How long a client may take to send the head of its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

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

/// A server to be: its name, its workers, the phase that closes it.
///
/// ```
/// # use std::net::TcpListener;
/// # use std::sync::Arc;
/// # use actix_web::{App, HttpResponse, web};
/// # use sundown::{Cause, Coordinator, Phase};
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let coordinator = Coordinator::builder().build()?;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let admin = sundown_web::Server::new("admin")
///     .workers(1)
///     .closes_in(Phase::RELEASE) // health and metrics are answered to the end
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
    phase: Phase,
    request_timeout: Duration,
}

impl Server {
    /// A server of this name, which is its waiter's name too.
    pub fn new(name: impl Into<String>) -> Self {
        Server {
            name: name.into(),
            workers: None,
            phase: Phase::DRAIN,
            request_timeout: REQUEST_TIMEOUT,
        }
    }

    /// How many threads serve; by default one for each core.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers.max(1));
        self
    }

    /// The phase in which it stops accepting and drains; by default `drain`.
    pub fn closes_in(mut self, phase: Phase) -> Self {
        self.phase = phase;
        self
    }

    /// How long a client may take to send the head of its request; by default 5 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Serves the application, HTTP/1 and HTTP/2 on the same port, until the shutdown drains it.
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
        let address = listener.local_addr();
        let describe = address.as_ref().map_or_else(|_| "?".to_owned(), ToString::to_string);
        let failed = |source| WebError::Listen {
            name: self.name.clone(),
            address: describe.clone(),
            source,
        };
        let address = address.map_err(failed)?;
        let connections = Connections::new();
        let mut builder = actix_server::Server::build().disable_signals();
        if let Some(workers) = self.workers {
            builder = builder.workers(workers);
        }
        let (all, patience) = (connections.clone(), self.request_timeout);
        let server = builder
            .listen(&self.name, listener, move || stack(&application, &all, patience))
            .map_err(failed)?
            .run();
        self.join(&coordinator, address, connections, server)
    }

    /// Makes the running server part of the shutdown.
    fn join(
        self,
        coordinator: &Arc<dyn ShutdownCoordinator>,
        address: SocketAddr,
        connections: Arc<Connections>,
        server: actix_server::Server,
    ) -> Result<WebServer, WebError> {
        let handle = server.handle();
        #[expect(clippy::disallowed_methods, reason = "the waiter owns it and ends it")]
        let task = tokio::spawn(server);
        let running = Running { connections: connections.clone(), handle, task };
        let waiter = Waiter::new(self.name.clone(), |deadline| drain(running, deadline));
        let drains = coordinator.register_waiter(waiter.in_phase(self.phase))?;
        let all = connections.clone();
        let announces = coordinator.register_notification(self.name, move |_cause| {
            metrics::in_flight_at_signal(all.in_flight());
            all.advance(Stage::Announcing);
        });
        Ok(WebServer { address, connections, _registrations: [drains, announces] })
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
    _registrations: [Registration; 2],
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

/// What one worker serves on the listener: sockets, HTTP, and the application inside.
fn stack<F, I, S, B>(
    application: &F,
    connections: &Arc<Connections>,
    patience: Duration,
) -> impl ServiceFactory<TcpStream, Config = (), Response = (), Error = DispatchError, InitError = ()>
+ use<F, I, S, B>
where
    F: Fn() -> I,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let (accepting, tracking, draining) =
        (connections.clone(), connections.clone(), connections.clone());
    let application = application().into_factory().map_err(|e| e.into().error_response());
    let application = map_config(application, |()| AppConfig::default());
    let tracked = apply_fn_factory(application, move |request, service: &_| {
        answer(request, service, tracking.clone())
    });
    let http = HttpService::build()
        .client_request_timeout(patience)
        .graceful_shutdown_signal(move || {
            let draining = draining.clone();
            async move { draining.reached(Stage::Draining).await }
        })
        .on_connect_ext(|io: &TrackedIo, extensions| {
            extensions.insert(io.connection());
            extensions.insert(io.server());
        })
        .finish(tracked);
    fn_service(move |socket| accept(socket, accepting.clone(), patience)).and_then(http)
}

/// Answers one request: counted until its body is gone, and told to look elsewhere next time once
/// the end was announced.
fn answer<S, B, E>(
    request: Request,
    service: &S,
    connections: Arc<Connections>,
) -> impl Future<Output = Result<Response<TrackedBody<B>>, E>> + use<S, B, E>
where
    S: Service<Request, Response: Into<Response<B>>, Error = E, Future: 'static>,
    B: MessageBody + 'static,
{
    let connection = request.conn_data::<Arc<Connection>>().cloned();
    let in_flight = InFlight::begin(&connections, connection);
    if connections.stage() > Stage::Open {
        metrics::request_after_signal();
    }
    let is_h1 = request.version() < Version::HTTP_2;
    let answer = service.call(request);
    async move {
        let mut response: Response<B> = answer.await?.into();
        if is_h1 && connections.stage() > Stage::Open && !response.head().upgrade() {
            response.head_mut().set_connection_type(ConnectionType::Close);
        }
        Ok(response.map_body(|_, body| TrackedBody::new(body, in_flight)))
    }
}
