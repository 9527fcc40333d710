//! pgbouncer before a server, in transaction mode.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::place::{self, Place};
use super::{Error, Server, free_port};
use crate::process::Process;

/// It starts in milliseconds.
const READY: Duration = Duration::from_secs(20);

/// A pgbouncer that lends a connection of the server for one transaction at a time.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    process: Process,
    _place: Place,
}

impl Pooler {
    /// Starts one before this server.
    ///
    /// # Errors
    /// When it is not installed or does not start: the error holds what it said.
    pub fn start(server: &Server) -> Result<Self, Error> {
        let install = "apt-get install -y pgbouncer";
        let directory =
            place::on_path("pgbouncer").ok_or(Error::Missing { program: "pgbouncer", install })?;
        let user = place::unprivileged()?;
        let place = Place::new("pooler", user)?;
        let port = free_port()?;
        place.write("users", "\"postgres\" \"\"\n")?;
        let settings = place.write("pgbouncer.ini", &settings(port, server.port(), &place))?;
        let process = place::launch(&directory.join("pgbouncer"), user)
            .arg(settings)
            .current_dir(place.path())
            .spawn()?;
        let pooler = Self { port, process, _place: place };
        pooler.wait_until_ready()?;
        Ok(pooler)
    }

    fn wait_until_ready(&self) -> Result<(), Error> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        place::wait_until(READY, || {
            if !self.process.is_running() {
                let said = self.process.lines().iter().map(|line| line.text.as_str()).collect();
                return Err(Error::Failed { what: "pgbouncer".to_owned(), said });
            }
            Ok(TcpStream::connect_timeout(&address, READY).is_ok())
        })
    }

    /// The address of a database of the server, through the pooler.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }
}

fn settings(port: u16, server: u16, place: &Place) -> String {
    let directory = place.path().display();
    format!(
        "[databases]\n\
         * = host=127.0.0.1 port={server}\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = trust\n\
         auth_file = {directory}/users\n\
         pool_mode = transaction\n\
         default_pool_size = 20\n\
         max_client_conn = 200\n\
         server_login_retry = 0\n\
         ignore_startup_parameters = extra_float_digits,options\n\
         log_connections = 0\n\
         log_disconnections = 0\n"
    )
}
