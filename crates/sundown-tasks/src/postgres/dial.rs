//! Connects to a server: to the first of its hosts that answers and is as it is wanted.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// One host of a URL.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// How it is called, for its certificate.
    pub(super) name: String,
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Tcp(String, u16),
    Unix(PathBuf),
}

impl Target {
    /// All hosts that the URL names, in its order.
    pub(super) fn all(config: &Config) -> Vec<Target> {
        let (hosts, addresses) = (config.get_hosts(), config.get_hostaddrs());
        let ports = config.get_ports();
        let target = |index: usize| {
            let port = ports.get(index).or_else(|| ports.first()).copied().unwrap_or(5432);
            let address = addresses.get(index).map(ToString::to_string);
            match (hosts.get(index), address) {
                (Some(Host::Unix(directory)), None) => {
                    let path = directory.join(format!(".s.PGSQL.{port}"));
                    Some(Target { name: String::new(), place: Place::Unix(path) })
                }
                (Some(Host::Tcp(name)), address) => {
                    let at = address.unwrap_or_else(|| name.clone());
                    Some(Target { name: name.clone(), place: Place::Tcp(at, port) })
                }
                (None | Some(Host::Unix(_)), Some(address)) => {
                    Some(Target { name: address.clone(), place: Place::Tcp(address, port) })
                }
                (None, None) => None,
            }
        };
        (0..hosts.len().max(addresses.len())).filter_map(target).collect()
    }

    /// Whether what is said to it stays on this machine.
    pub(super) fn is_here(&self) -> bool {
        match &self.place {
            Place::Unix(_) => true,
            Place::Tcp(host, _) => {
                let address = host.trim_start_matches('[').trim_end_matches(']').parse();
                let is_loopback = |address: std::net::IpAddr| address.to_canonical().is_loopback();
                host.eq_ignore_ascii_case("localhost") || address.is_ok_and(is_loopback)
            }
        }
    }

    /// Opens a socket to it, with the timeouts of the configuration.
    pub(super) async fn open(&self, config: &Config) -> io::Result<Socket> {
        let opening = async {
            match &self.place {
                Place::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
                Place::Tcp(host, port) => {
                    let mut last = io::Error::other("its name has no address");
                    for address in lookup_host((host.as_str(), *port)).await? {
                        match TcpStream::connect(address).await {
                            Ok(stream) => return tuned(stream, config).map(Socket::Tcp),
                            Err(error) => last = error,
                        }
                    }
                    Err(last)
                }
            }
        };
        match config.get_connect_timeout() {
            None => opening.await,
            Some(limit) => timeout(*limit, opening)
                .await
                .unwrap_or_else(|_| Err(io::Error::other("it takes too long"))),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.place {
            Place::Tcp(host, port) => write!(f, "{host}:{port}"),
            Place::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// A server that is gone without a word is found out.
fn tuned(stream: TcpStream, config: &Config) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    if config.get_keepalives() {
        sockopt::set_socket_keepalive(&stream, true)?;
        sockopt::set_tcp_keepidle(&stream, config.get_keepalives_idle())?;
        if let Some(interval) = config.get_keepalives_interval() {
            sockopt::set_tcp_keepintvl(&stream, interval)?;
        }
        if let Some(count) = config.get_keepalives_retries() {
            sockopt::set_tcp_keepcnt(&stream, count)?;
        }
    }
    #[cfg(target_os = "linux")]
    if let Some(limit) = config.get_tcp_user_timeout() {
        let millis = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        sockopt::set_tcp_user_timeout(&stream, millis)?;
    }
    Ok(stream)
}

/// A connection, before anything was said.
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, into),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
