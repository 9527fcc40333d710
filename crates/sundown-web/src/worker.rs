//! A worker: a thread with a runtime of its own, which serves the connections that it is handed.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::mpsc::SyncSender;
use std::thread;

use actix_http::{Protocol, Request, Response};
use actix_rt::net::TcpStream;
use actix_service::Service;
use actix_web::body::{BoxBody, MessageBody};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::accept::protocol_of;
use crate::close::close;
use crate::h2;
use crate::io::TrackedIo;
use crate::limits::Limits;
use crate::listen::Arrived;

/// How many blocking threads all workers have together, as in actix.
const BLOCKING_THREADS: usize = 512;

/// What a worker is told.
pub(crate) struct Orders {
    pub(crate) name: String,
    pub(crate) workers: usize,
    pub(crate) arrivals: mpsc::Receiver<Arrived>,
    /// Ends the worker, and every connection that it still has.
    pub(crate) cut: CancellationToken,
    pub(crate) started: SyncSender<Result<(), String>>,
    pub(crate) limits: Limits,
}

/// The services of one worker: a whole HTTP/1 connection, and one request.
pub(crate) struct Services<C, R> {
    pub(crate) connection: C,
    pub(crate) request: Rc<R>,
}

/// Starts the thread. Whether it serves, it says itself.
pub(crate) fn start<M, C, R, B>(orders: Orders, make: M) -> io::Result<()>
where
    M: AsyncFnOnce() -> Result<Services<C, R>, String> + Send + 'static,
    C: Service<(TrackedIo, Protocol, Option<SocketAddr>)> + 'static,
    R: Service<Request, Response = Response<B>, Future: 'static> + 'static,
    R::Error: Into<Response<BoxBody>>,
    B: MessageBody + 'static,
{
    let name = format!("{} worker", orders.name);
    let blocking = (BLOCKING_THREADS / orders.workers).max(1);
    let runtime = move || {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(blocking)
            .build_local(LocalOptions::default());
        match runtime {
            Ok(runtime) => {
                runtime.block_on(run(orders, make));
                // Nobody waits for what blocks.
                runtime.shutdown_background();
            }
            Err(error) => drop(orders.started.send(Err(format!("no runtime: {error}")))),
        }
    };
    thread::Builder::new().name(name).spawn(runtime).map(drop)
}

async fn run<M, C, R, B>(orders: Orders, make: M)
where
    M: AsyncFnOnce() -> Result<Services<C, R>, String>,
    C: Service<(TrackedIo, Protocol, Option<SocketAddr>)> + 'static,
    R: Service<Request, Response = Response<B>, Future: 'static> + 'static,
    R::Error: Into<Response<BoxBody>>,
    B: MessageBody + 'static,
{
    let services = match make().await {
        Ok(services) => Rc::new(services),
        Err(error) => return drop(orders.started.send(Err(error))),
    };
    let _ = orders.started.send(Ok(()));
    drop(orders.started);
    let (mut arrivals, mut open, mut is_accepting) = (orders.arrivals, JoinSet::new(), true);
    loop {
        tokio::select! {
            biased;
            () = orders.cut.cancelled() => return,
            arrived = arrivals.recv(), if is_accepting => match arrived {
                Some(arrived) => {
                    open.spawn_local(serve(arrived, services.clone(), orders.limits));
                }
                // The listener is closed; what is open is served until the worker is cut.
                None => is_accepting = false,
            },
            Some(_ended) = open.join_next() => {}
        }
    }
}

/// Serves one connection, until its client has everything.
async fn serve<C, R, B>(arrived: Arrived, services: Rc<Services<C, R>>, limits: Limits)
where
    C: Service<(TrackedIo, Protocol, Option<SocketAddr>)>,
    R: Service<Request, Response = Response<B>, Future: 'static> + 'static,
    R::Error: Into<Response<BoxBody>>,
    B: MessageBody + 'static,
{
    let Arrived { socket, open, load: _load } = arrived;
    let Ok(socket) = TcpStream::from_std(socket) else { return };
    let protocol = if limits.has_http2 {
        match protocol_of(&socket, &open, limits).await {
            Some(protocol) => protocol,
            None => return,
        }
    } else {
        Protocol::Http1
    };
    let peer = Some(open.connection.peer);
    let is_h2 = protocol == Protocol::Http2;
    let io = TrackedIo::new(socket, &open, is_h2, limits.head);
    if is_h2 {
        h2::serve(io, peer, services.request.clone(), limits).await;
    } else {
        // What went wrong was the client's, and it is gone.
        let _ = services.connection.call((io, protocol, peer)).await;
    }
    if let Some(socket) = open.connection.take_socket() {
        close(socket, &open, is_h2).await;
    }
}
