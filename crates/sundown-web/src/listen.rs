//! The listener: it accepts on a thread of its own, hands connections to the workers, and closes so that
//! nobody is reset who had connected.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use socket2::{SockFilter, SockRef};
use tokio::net::TcpListener as TokioListener;
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;
use tracing::warn;

use crate::connections::{Connections, OpenConnection};

/// How long to wait when the system has no descriptor or no memory for another connection.
const RETRY: Duration = Duration::from_millis(100);
/// So many connections may wait for a worker that is busy.
pub(crate) const QUEUE: usize = 1024;
/// What is in the middle of a handshake when the listener closes is complete within this.
const HANDSHAKE: Duration = Duration::from_micros(20);
const LAST_LOOKS: u32 = 3;

/// A connection on its way to a worker.
pub(crate) struct Arrived {
    pub(crate) socket: std::net::TcpStream,
    pub(crate) open: OpenConnection,
    pub(crate) load: Load,
}

/// Counts the connections of one worker.
pub(crate) struct Load(Arc<AtomicUsize>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The way to one worker.
pub(crate) struct ToWorker {
    pub(crate) load: Arc<AtomicUsize>,
    pub(crate) queue: mpsc::Sender<Arrived>,
}

/// Told to close the listener; answers when it is closed.
pub(crate) type Close = oneshot::Sender<oneshot::Sender<()>>;

/// Accepts until told to close.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) connections: Arc<Connections>,
    pub(crate) workers: Vec<ToWorker>,
    /// The most connections that are open at once; others wait in the system's queue.
    pub(crate) most: usize,
    /// Another process has the same socket: who waits is left to it.
    pub(crate) is_shared: bool,
}

impl Acceptor {
    /// Starts the thread.
    pub(crate) fn start(self) -> io::Result<Close> {
        self.listener.set_nonblocking(true)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (close, closes) = oneshot::channel();
        let name = format!("{} accept", self.connections.server);
        thread::Builder::new().name(name).spawn(move || {
            runtime.block_on(self.run(closes));
        })?;
        Ok(close)
    }

    async fn run(self, mut closes: oneshot::Receiver<oneshot::Sender<()>>) {
        // The two share one socket.
        let listener = match self.listener.try_clone().and_then(TokioListener::from_std) {
            Ok(listener) => listener,
            Err(error) => {
                warn!(server = %self.connections.server, %error, "cannot accept connections");
                return;
            }
        };
        let told = self.accept_all(&listener, &mut closes).await;
        drop(listener);
        // Without a word the server was dropped, and is to be gone at once.
        let Ok(closed) = told else { return };
        if !self.is_shared {
            self.empty().await;
        }
        drop(self);
        let _ = closed.send(());
    }

    /// Accepts until it is told to close. A connection that was accepted is always handed over.
    async fn accept_all(
        &self,
        listener: &TokioListener,
        closes: &mut oneshot::Receiver<oneshot::Sender<()>>,
    ) -> Result<oneshot::Sender<()>, oneshot::error::RecvError> {
        loop {
            let next = async {
                self.connections.below(self.most).await;
                listener.accept().await
            };
            let accepted = tokio::select! {
                biased;
                told = &mut *closes => return told,
                accepted = next => accepted,
            };
            match accepted.and_then(|(socket, peer)| self.enter(socket.into_std()?, peer)) {
                Ok(arrived) => self.hand_over(arrived).await,
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    warn!(server = %self.connections.server, %error, "cannot accept a connection");
                    sleep(RETRY).await;
                }
            }
        }
    }

    /// Takes all who have connected, so that closing the listener resets none of them. New attempts are
    /// not answered meanwhile: their systems try again, and are refused then.
    async fn empty(&self) {
        refuse_silently(&self.listener);
        for _ in 0..LAST_LOOKS {
            loop {
                match self.accept_one() {
                    Ok(arrived) => self.hand_over(arrived).await,
                    Err(error) if is_of_the_client(&error) => {}
                    Err(_) => break,
                }
            }
            thread::park_timeout(HANDSHAKE);
        }
    }

    fn accept_one(&self) -> io::Result<(std::net::TcpStream, OpenConnection)> {
        let (socket, peer) = self.listener.accept()?;
        socket.set_nonblocking(true)?;
        self.enter(socket, peer)
    }

    fn enter(
        &self,
        socket: std::net::TcpStream,
        peer: SocketAddr,
    ) -> io::Result<(std::net::TcpStream, OpenConnection)> {
        // Small responses must not wait for an acknowledgement.
        let _ = socket.set_nodelay(true);
        Ok((socket, self.connections.enter(peer)))
    }

    /// To the worker that has the fewest.
    async fn hand_over(&self, (socket, open): (std::net::TcpStream, OpenConnection)) {
        let least = self.workers.iter().min_by_key(|worker| worker.load.load(Ordering::Relaxed));
        let Some(worker) = least else { return };
        worker.load.fetch_add(1, Ordering::Relaxed);
        let load = Load(worker.load.clone());
        let _ = worker.queue.send(Arrived { socket, open, load }).await;
    }
}

/// Whether the connection broke before it was accepted, and the listener is well.
fn is_of_the_client(error: &io::Error) -> bool {
    let broken = [Errno::CONNABORTED, Errno::CONNRESET, Errno::INTR, Errno::PROTO];
    Errno::from_io_error(error).is_some_and(|errno| broken.contains(&errno))
}

/// Drops every SYN from now on: who is not in the queue yet does not get into it. After the listener is
/// closed the client's system tries again, and the connection is refused, not reset.
fn refuse_silently(listener: &TcpListener) {
    const FLAGS_OF_TCP: u32 = 13;
    const SYN: u32 = 2;
    // Classic BPF: load a byte, jump if a bit is set, drop or pass the packet.
    let filter = [
        SockFilter::new(0x30, 0, 0, FLAGS_OF_TCP),
        SockFilter::new(0x45, 0, 1, SYN),
        SockFilter::new(0x06, 0, 0, 0),
        SockFilter::new(0x06, 0, 0, u32::MAX),
    ];
    // Where that is not allowed, a few microseconds remain in which somebody may be reset.
    let _ = SockRef::from(listener).attach_filter(&filter);
}
