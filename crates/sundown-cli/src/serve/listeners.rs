//! Listeners and the descriptors for their connections: opened here, or by whoever started the process.

use std::env;
use std::net::{SocketAddr, TcpListener};

use listenfd::ListenFd;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sundown::BoxError;
use tracing::{info, warn};

use super::{ADMIN, WEB};

/// The most connections of the admin listener.
pub(super) const ADMIN_CONNECTIONS: usize = 64;
/// Descriptors that are kept for the admin listener, the store, commands and files.
const KEPT: u64 = ADMIN_CONNECTIONS as u64 + 192;
/// However few there are, so many connections are accepted.
const LEAST: u64 = 16;

/// A listener, and whether another process has it open too.
pub(super) struct Listener {
    pub(super) socket: TcpListener,
    pub(super) is_shared: bool,
}

/// The listeners that the process was given by `LISTEN_FDS`, as systemd does.
#[derive(Default)]
pub(crate) struct Given {
    web: Option<TcpListener>,
    admin: Option<TcpListener>,
}

impl Given {
    /// Takes them: the one that `LISTEN_FDNAMES` calls `admin` for the admin listener, another for the public
    /// one.
    pub(crate) fn take() -> Result<Self, BoxError> {
        let mut fds = ListenFd::from_env();
        let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut given = Given::default();
        for index in 0..fds.len() {
            let name = names.next().unwrap_or_default();
            let failed = |error| format!("LISTEN_FDS: cannot use descriptor {index}: {error}");
            let Some(socket) = fds.take_tcp_listener(index).map_err(failed)? else { continue };
            let place = if name == ADMIN { &mut given.admin } else { &mut given.web };
            if place.is_some() {
                let which = if name == ADMIN { ADMIN } else { WEB };
                return Err(format!(
                    "LISTEN_FDS gives two listeners for `{which}` (call one of them `admin` by \
                     FileDescriptorName=)"
                )
                .into());
            }
            *place = Some(socket);
        }
        Ok(given)
    }

    pub(super) fn web(&mut self, address: SocketAddr) -> Result<Listener, BoxError> {
        listener(self.web.take(), "web.listen", address)
    }

    pub(super) fn admin(&mut self, address: SocketAddr) -> Result<Listener, BoxError> {
        listener(self.admin.take(), "admin.listen", address)
    }
}

/// The one that was given, or one on this address.
fn listener(
    given: Option<TcpListener>,
    key: &str,
    address: SocketAddr,
) -> Result<Listener, BoxError> {
    if let Some(socket) = given {
        info!(key, address = %socket.local_addr()?, "listening on the socket of LISTEN_FDS");
        return Ok(Listener { socket, is_shared: true });
    }
    let failed = |error| -> BoxError {
        format!("cannot listen on {address}: {error} (set `{key}`, or stop whatever has it)").into()
    };
    Ok(Listener { socket: TcpListener::bind(address).map_err(failed)?, is_shared: false })
}

/// How many connections the public listener may have: as many as are wanted, if the process may have the
/// descriptors. The soft limit is raised as far as that needs.
pub(super) fn connections(wanted: u64) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let needed = wanted.saturating_add(KEPT);
    let mut current = limit.current.unwrap_or(u64::MAX);
    if current < needed {
        let raised = limit.maximum.unwrap_or(u64::MAX).min(needed);
        let limit = Rlimit { current: Some(raised), maximum: limit.maximum };
        if raised > current && setrlimit(Resource::Nofile, limit).is_ok() {
            current = raised;
        }
    }
    let most = wanted.min(current.saturating_sub(KEPT).max(LEAST));
    if most < wanted {
        warn!(
            most,
            wanted,
            open_files = current,
            "fewer connections than `web.max_connections`: raise the limit of open files"
        );
    }
    usize::try_from(most).unwrap_or(usize::MAX)
}
