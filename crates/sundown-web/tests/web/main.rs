//! The web layer with real sockets: what clients see of a server that drains.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod drain;
mod given_up;
mod heads;
mod hostile;
mod large;
mod pending;
mod slow;
mod stops;
mod streams;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, web};
use bytes::Bytes;
use sundown::{Cause, Coordinator, Outcome, Report};
use sundown_web::{Server, WebServer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);
const BIG: usize = 4 << 20;

struct Service {
    coordinator: Arc<Coordinator>,
    web: WebServer,
}

async fn wait(path: web::Path<u64>) -> HttpResponse {
    sleep(Duration::from_millis(path.into_inner())).await;
    HttpResponse::Ok().body("done")
}

async fn big() -> HttpResponse {
    HttpResponse::Ok().body(vec![b'x'; BIG])
}

async fn echo(body: Bytes) -> HttpResponse {
    HttpResponse::Ok().body(body.len().to_string())
}

async fn hello(_: HttpRequest) -> HttpResponse {
    HttpResponse::Ok().body("hello")
}

fn start(announce: Duration) -> Service {
    start_server(announce, Server::new("web"))
}

fn start_server(announce: Duration, server: Server) -> Service {
    let coordinator =
        Coordinator::builder().cap(Duration::from_secs(20)).announce(announce).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let application = || {
        App::new()
            .app_data(web::PayloadConfig::new(2 * BIG))
            .route("/", web::get().to(hello))
            .route("/slow/{ms}", web::get().to(wait))
            .route("/big", web::get().to(big))
            .route("/echo", web::post().to(echo))
            .route("/events", web::get().to(streams::events))
            .route("/silent", web::get().to(streams::silent))
            .route("/chat", web::get().to(streams::chat))
            .route("/panic", web::get().to(hostile::panics))
            .route("/panic-mid-body", web::get().to(hostile::panics_mid_body))
            .route("/raw", web::post().to(large::raw))
            .route("/deaf", web::post().to(hello))
            .route("/some", web::get().to(given_up::some))
            .route("/huge", web::get().to(slow::huge))
            .route("/quiet", web::get().to(slow::quiet))
            .route("/busy", web::post().to(slow::busy))
    };
    let web = server.http2(true).serve(coordinator.clone(), listener, application).unwrap();
    Service { coordinator, web }
}

impl Service {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.web.local_addr()).await.unwrap()
    }

    /// Runs the shutdown beside something else.
    async fn stop_while<T>(&self, other: impl Future<Output = T>) -> (Report, T) {
        self.coordinator.initiate(Cause::requested("test"));
        tokio::join!(self.coordinator.run(), async { timeout(PATIENCE, other).await.unwrap() })
    }
}

async fn send(stream: &mut TcpStream, head: &str) {
    stream.write_all(format!("{head}\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
}

/// Everything until the server closes.
async fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut all)).await.unwrap().unwrap();
    String::from_utf8(all).unwrap()
}

/// One response of a keep-alive connection whose body is this.
async fn response(stream: &mut TcpStream, body: &str) -> String {
    let mut all = Vec::new();
    while !all.ends_with(body.as_bytes()) {
        let mut buffer = [0; 1024];
        let n = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(n > 0, "closed after {}", String::from_utf8_lossy(&all));
        all.extend_from_slice(&buffer[..n]);
    }
    String::from_utf8(all).unwrap()
}

fn drained(report: &Report) -> Duration {
    assert_eq!(report.waiter("web").unwrap().outcome, Some(Outcome::Done), "{report}");
    report.elapsed
}
