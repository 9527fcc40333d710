//! A real PostgreSQL server in a temporary directory, and a pooler before it, for as long as a test
//! wants them.

mod encryption;
mod error;
mod place;
mod pooler;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::process::{Process, Signal};
use place::{Place, User};

pub use error::Error;
pub use pooler::Pooler;

/// A server that recovers from a crash on a busy machine is ready well within this.
const READY: Duration = Duration::from_secs(60);

/// Making a cluster takes a second or two, and longer on a busy machine.
const INIT: Duration = Duration::from_secs(120);

/// How long an orderly end may take.
const END: Duration = Duration::from_secs(30);

/// Whether what the server says is on disk is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fsync {
    /// It is, as in production.
    On,
    /// It survives the end of the server, and not that of the machine. Quicker.
    Off,
}

/// How the server is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It throws its clients out and writes everything down (SIGINT).
    Fast,
    /// It leaves at once and recovers with the next start (SIGQUIT).
    Immediate,
    /// It is killed (SIGKILL).
    Kill,
}

/// A PostgreSQL server that listens on a loopback port and on a socket in its directory.
///
/// Dropped, it is gone with all its data. It does not outlive the test's process either; what that
/// leaves on disk when it is killed is removed by the next start.
#[derive(Debug)]
pub struct Server {
    place: Place,
    programs: PathBuf,
    user: Option<User>,
    fsync: Fsync,
    port: u16,
    process: Mutex<Option<Process>>,
    databases: AtomicU32,
}

impl Server {
    /// Makes a cluster and starts a server on it.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start: the error holds what it said.
    pub fn start(fsync: Fsync) -> Result<Self, Error> {
        let programs = place::programs()?;
        let user = place::unprivileged()?;
        let place = Place::new("server", user)?;
        let server = Self {
            place,
            programs,
            user,
            fsync,
            port: free_port()?,
            process: Mutex::new(None),
            databases: AtomicU32::new(0),
        };
        server.init()?;
        server.launch()?;
        Ok(server)
    }

    fn init(&self) -> Result<(), Error> {
        let command = place::launch(&self.programs.join("initdb"), self.user)
            .args(["--username=postgres", "--auth=trust", "--no-sync", "--encoding=UTF8"])
            .args(["--no-locale", "--no-instructions", "--pgdata"])
            .arg(self.data())
            .current_dir(self.place.path());
        place::finish(command, INIT)
    }

    fn data(&self) -> PathBuf {
        self.place.path().join("data")
    }

    fn launch(&self) -> Result<(), Error> {
        let fsync = match self.fsync {
            Fsync::On => "on",
            Fsync::Off => "off",
        };
        let settings = [
            format!("port={}", self.port),
            format!("unix_socket_directories={}", self.place.path().display()),
            format!("fsync={fsync}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "max_connections=200".to_owned(),
            "shared_buffers=256MB".to_owned(),
            "max_wal_size=2GB".to_owned(),
            "dynamic_shared_memory_type=mmap".to_owned(),
            "log_min_messages=warning".to_owned(),
            "log_min_error_statement=panic".to_owned(),
        ];
        let mut command = place::launch(&self.programs.join("postgres"), self.user)
            .arg("-D")
            .arg(self.data())
            .current_dir(self.place.path());
        for setting in &settings {
            command = command.args(["-c", setting]);
        }
        let process = command.spawn()?;
        *self.process() = Some(process);
        self.wait_until_ready()
    }

    /// The server writes into its lock file when it takes connections.
    fn wait_until_ready(&self) -> Result<(), Error> {
        let file = self.data().join("postmaster.pid");
        place::wait_until(READY, || {
            let mut process = self.process();
            let Some(running) = process.as_ref() else { return Ok(false) };
            if !running.is_running() {
                let exit = process.take().map(|ended| ended.wait(END)).transpose()?;
                let said = exit.map(|exit| exit.stderr).unwrap_or_default();
                return Err(Error::Failed { what: "postgres".to_owned(), said });
            }
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let is_own = text.lines().next() == Some(&running.id().to_string());
            Ok(is_own && text.lines().nth(7).is_some_and(|state| state.trim() == "ready"))
        })
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of its database `postgres`, as its superuser.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The address of one of its databases.
    #[must_use]
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// From now on the server takes encrypted connections only. Returns the file of who signed for it;
    /// what it proves to be is `localhost` and 127.0.0.1.
    ///
    /// # Errors
    /// When the certificates cannot be made (with `openssl`), or the server refuses them.
    pub fn encrypt(&self) -> Result<PathBuf, Error> {
        encryption::certify(&self.data(), self.user)?;
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 trust\n";
        std::fs::write(self.data().join("pg_hba.conf"), rules)?;
        self.sql("postgres", "alter system set ssl_cert_file = 'server.pem'")?;
        self.sql("postgres", "alter system set ssl = on")?;
        self.restart(Stop::Fast)?;
        Ok(self.data().join("signer.pem"))
    }

    /// Makes a new, empty database and returns its name.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(&self) -> Result<String, Error> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.sql("postgres", &format!("create database {name}"))?;
        Ok(name)
    }

    /// Runs SQL in a database, past every pooler.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn sql(&self, database: &str, sql: &str) -> Result<(), Error> {
        let command = Process::new(self.programs.join("psql"))
            .args(["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--command", sql])
            .arg(self.url_of(database));
        place::finish(command, END)
    }

    /// Ends the server; its data stays for [`Server::resume`].
    ///
    /// # Errors
    /// When it does not end.
    pub fn stop(&self, how: Stop) -> Result<(), Error> {
        let Some(mut process) = self.process().take() else { return Ok(()) };
        process.signal(match how {
            Stop::Fast => Signal::Int,
            Stop::Immediate => Signal::Quit,
            Stop::Kill => Signal::Kill,
        })?;
        process.wait(END)?;
        Ok(())
    }

    /// Starts a server that was stopped.
    ///
    /// # Errors
    /// When it does not start: the error holds what it said.
    pub fn resume(&self) -> Result<(), Error> {
        // What a killed server left alive sees that it is gone, and leaves; the new one refuses to
        // start until then.
        let mut last = Ok(());
        for _ in 0..20 {
            last = self.launch();
            match &last {
                Err(Error::Failed { said, .. }) if said.contains("shared memory") => {
                    place::pause();
                }
                Ok(()) | Err(_) => break,
            }
        }
        last
    }

    /// Ends the server and starts it again.
    ///
    /// # Errors
    /// As [`Server::stop`] and [`Server::resume`].
    pub fn restart(&self, how: Stop) -> Result<(), Error> {
        self.stop(how)?;
        self.resume()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Whatever is left is killed with the process's group.
        let _ = self.stop(Stop::Immediate);
    }
}

/// A port that nobody has just now.
fn free_port() -> Result<u16, Error> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}
