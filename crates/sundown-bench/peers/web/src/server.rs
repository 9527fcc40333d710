//! The three servers, with the same pages: each can be started, and stopped until it is gone.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use sundown::{Cause, Coordinator};
use sundown_web::WebServer;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// The whole of the tiny page.
pub(crate) const HELLO: &str = "hello";
/// The whole of the slow one.
pub(crate) const DONE: &str = "done";

/// How long stock actix waits for its connections before it cuts them.
const SHUTDOWN_TIMEOUT: u64 = 5;
const PATIENCE: Duration = Duration::from_secs(30);

/// Who serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sundown,
    Actix,
    Axum,
}

impl Kind {
    pub(crate) const ALL: [Kind; 3] = [Kind::Sundown, Kind::Actix, Kind::Axum];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Sundown => "sundown-web",
            Kind::Actix => "actix-web, stop(true)",
            Kind::Axum => "axum, graceful shutdown",
        }
    }
}

/// A server that serves.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// A slow page was begun.
    pub(crate) begun: Arc<Notify>,
    running: Running,
}

enum Running {
    Sundown { coordinator: Arc<Coordinator>, _web: WebServer },
    Actix { handle: ServerHandle, task: JoinSet<io::Result<()>> },
    Axum { stop: oneshot::Sender<()>, task: JoinSet<io::Result<()>> },
}

impl Server {
    /// Starts one on a port of its own. Axum has the workers of the runtime.
    pub(crate) fn start(kind: Kind, workers: usize) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen")?;
        let address = listener.local_addr()?;
        let begun = Arc::new(Notify::new());
        let running = match kind {
            Kind::Sundown => sundown(listener, workers, begun.clone()),
            Kind::Actix => actix(listener, workers, begun.clone()),
            Kind::Axum => axum(listener, begun.clone()),
        };
        let running = running.with_context(|| format!("cannot start {}", kind.name()))?;
        Ok(Server { address, begun, running })
    }

    /// Stops it gracefully, and answers when it was gone.
    pub(crate) async fn stop(self) -> anyhow::Result<Instant> {
        timeout(PATIENCE, self.running.stop()).await.context("it is not gone in 30 s")?
    }
}

impl Running {
    async fn stop(self) -> anyhow::Result<Instant> {
        let mut task = match self {
            Running::Sundown { coordinator, _web } => {
                coordinator.initiate(Cause::requested("bench"));
                let report = coordinator.run().await;
                let gone = Instant::now();
                ensure!(report.is_clean(), "the shutdown is not clean: {report}");
                return Ok(gone);
            }
            Running::Actix { handle, task } => {
                // What the call answers comes with the end of the server.
                drop(handle.stop(true));
                task
            }
            Running::Axum { stop, task } => {
                let _ = stop.send(());
                task
            }
        };
        let ended = task.join_next().await.context("it was never started")?;
        let gone = Instant::now();
        ended.context("it panicked")??;
        Ok(gone)
    }
}

fn sundown(listener: TcpListener, workers: usize, begun: Arc<Notify>) -> anyhow::Result<Running> {
    let coordinator = Coordinator::builder().cap(PATIENCE).announce(Duration::ZERO).build()?;
    let begun = web::Data::from(begun);
    let application = move || App::new().app_data(begun.clone()).configure(pages);
    let server = sundown_web::Server::new("web").workers(workers).http2(true);
    let web = server.serve(coordinator.clone(), listener, application)?;
    Ok(Running::Sundown { coordinator, _web: web })
}

fn actix(listener: TcpListener, workers: usize, begun: Arc<Notify>) -> anyhow::Result<Running> {
    let begun = web::Data::from(begun);
    let server = HttpServer::new(move || App::new().app_data(begun.clone()).configure(pages))
        .workers(workers)
        .shutdown_timeout(SHUTDOWN_TIMEOUT)
        .disable_signals()
        .listen_auto_h2c(listener)?
        .run();
    let handle = server.handle();
    let mut task = JoinSet::new();
    task.spawn(server);
    Ok(Running::Actix { handle, task })
}

fn pages(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(async || HttpResponse::Ok().body(HELLO)))
        .route("/slow/{ms}", web::get().to(slow));
}

async fn slow(ms: web::Path<u64>, begun: web::Data<Notify>) -> HttpResponse {
    begun.notify_one();
    sleep(Duration::from_millis(*ms)).await;
    HttpResponse::Ok().body(DONE)
}

fn axum(listener: TcpListener, begun: Arc<Notify>) -> anyhow::Result<Running> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let slow = async |State(begun): State<Arc<Notify>>, Path(ms): Path<u64>| {
        begun.notify_one();
        sleep(Duration::from_millis(ms)).await;
        DONE
    };
    let pages = Router::new()
        .route("/", get(async || HELLO))
        .route("/slow/{ms}", get(slow))
        .with_state(begun);
    let (stop, stopped) = oneshot::channel();
    let server = axum::serve(listener, pages).with_graceful_shutdown(async {
        let _ = stopped.await;
    });
    let mut task = JoinSet::new();
    task.spawn(server.into_future());
    Ok(Running::Axum { stop, task })
}
