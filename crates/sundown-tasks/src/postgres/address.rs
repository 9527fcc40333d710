//! The address of a server: which one, and whether others may listen.

use std::path::PathBuf;
use std::time::Duration;

use tokio_postgres::config::{LoadBalanceHosts, SslMode, TargetSessionAttrs};
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::{Client, Config, SimpleQueryMessage};

use super::bounds::{Bounded, Bounds, Excess};
use super::dial::{Socket, Target};
use super::fault::Fault;
use super::session::refused;
use super::tls::{Connector, Encrypted};
use crate::StoreError;

/// A connection to a server whose answers are bounded.
pub(super) type Connection =
    tokio_postgres::Connection<Bounded<Socket>, Encrypted<Bounded<Socket>>>;

/// Where a server is, and how to speak to it.
pub(super) struct Address {
    config: Config,
    connector: Connector,
    targets: Vec<Target>,
    /// How many bytes one answer may have.
    answer: usize,
}

impl Address {
    /// Reads a URL.
    pub(super) fn read(url: &str, patience: Duration, answer: usize) -> Result<Self, StoreError> {
        let broken = |why: String| StoreError::Broken { why };
        let (url, wish) = Wish::split(url).map_err(broken)?;
        let mut config: Config = url.parse().map_err(|error| {
            let form = "postgres://user@host:port/database";
            broken(format!("its URL cannot be read: {} ({form})", printable(&error)))
        })?;
        if config.get_application_name().is_none() {
            config.application_name("sundown");
        }
        config.connect_timeout(patience.max(Duration::from_secs(1)));
        config.keepalives_idle(Duration::from_secs(10));
        config.keepalives_interval(Duration::from_secs(5));
        config.keepalives_retries(3);
        config.tcp_user_timeout(patience.max(Duration::from_secs(1)));
        config.ssl_mode(if wish.is_encrypted { SslMode::Require } else { SslMode::Disable });
        let targets = Target::all(&config);
        if let Some(far) = targets.iter().find(|target| !target.is_here() && !wish.is_said) {
            return Err(broken(format!(
                "{far} is not on this machine, and its URL does not say whether the connection is \
                 encrypted (add ?sslmode=verify-full, or ?sslmode=disable if everybody on the network \
                 in between may read tasks and passwords)"
            )));
        }
        let connector = Connector::trusting(wish.roots.as_deref()).map_err(broken)?;
        Ok(Address { config, connector, targets, answer })
    }

    /// Connects to the first host that answers and is as it is wanted; says where it was given up
    /// when it is, because it said too much.
    pub(super) async fn connect(&self) -> Result<(Client, Connection, Excess), Fault> {
        let mut targets = self.targets.clone();
        if self.config.get_load_balance_hosts() == LoadBalanceHosts::Random {
            fastrand::shuffle(&mut targets);
        }
        let mut last = Fault::Broken("its URL names no host".to_owned());
        for target in targets {
            match self.connect_to(&target).await {
                Ok(connected) => return Ok(connected),
                Err(fault) => last = fault,
            }
        }
        Err(last)
    }

    async fn connect_to(&self, target: &Target) -> Result<(Client, Connection, Excess), Fault> {
        let socket = target.open(&self.config).await;
        let socket =
            socket.map_err(|error| Fault::Lost(format!("cannot connect to {target}: {error}")))?;
        let excess = Excess::default();
        let bounds = || Bounds::new(self.answer, excess.clone());
        // What is encrypted is looked at when it is not any more.
        let is_plain = self.config.get_ssl_mode() == SslMode::Disable;
        let stream = Bounded::new(socket, is_plain.then(bounds));
        let mut connector = self.connector.bounding(bounds());
        let tls = MakeTlsConnect::<Bounded<Socket>>::make_tls_connect(&mut connector, &target.name);
        let tls = tls.map_err(|error| Fault::Broken(format!("{target}: {error}")))?;
        let connected = self.config.connect_raw(stream, tls).await;
        let (client, mut connection) = connected.map_err(refused)?;
        if self.config.get_target_session_attrs() == TargetSessionAttrs::ReadWrite {
            let asked = tokio::select! {
                asked = client.simple_query("show transaction_read_only") => asked.map_err(refused)?,
                ended = &mut connection => {
                    return Err(Fault::Lost(format!("{target} closed the connection: {ended:?}")));
                }
            };
            let is_read_only = asked.iter().any(|message| {
                matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("on"))
            });
            if is_read_only {
                return Err(Fault::Lost(format!("{target} is read-only")));
            }
        }
        Ok((client, connection, excess))
    }
}

/// What the parameters of a URL say of encryption.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) is_encrypted: bool,
    /// Whether they say so or not.
    is_said: bool,
    /// Who may sign for the server, if not everybody whom browsers trust.
    roots: Option<PathBuf>,
}

impl Wish {
    /// Takes them out of the URL: they are ours to keep, and not the driver's.
    fn split(url: &str) -> Result<(String, Self), String> {
        let mut wish = Wish::default();
        let authority = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = authority.split(['/', '?']).next().unwrap_or_default();
        // The driver ends the password at the first one, and whoever reads the URL at the last one.
        if authority.matches('@').count() > 1 {
            return Err(
                "its URL has more than one `@` before the path (in a name or a password it is \
                        written %40)"
                    .to_owned(),
            );
        }
        let Some((front, parameters)) = url.split_once('?') else {
            return Ok((url.to_owned(), wish));
        };
        let mut others = Vec::new();
        let mut mode = None;
        for parameter in parameters.split('&') {
            // The driver would understand a name that is written otherwise.
            let named = parameter.split_once('=').map(|(name, value)| (decoded(name), value));
            match named.as_ref().map(|(name, value)| (name.to_str().unwrap_or_default(), *value)) {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", "system")) => wish.roots = None,
                Some(("sslrootcert", path)) => wish.roots = Some(decoded(path)),
                Some(_) | None => others.push(parameter),
            }
        }
        wish.is_said = mode.is_some() || wish.roots.is_some();
        wish.is_encrypted = match mode {
            None if wish.roots.is_some() => true,
            None | Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            Some(other) => {
                return Err(format!(
                    "`sslmode={}` is none of `disable`, `require` and `verify-full` (what may \
                     or may not be encrypted is not: whoever stands in between decides)",
                    printable(&other)
                ));
            }
        };
        let question = if others.is_empty() { "" } else { "?" };
        Ok((format!("{front}{question}{}", others.join("&")), wish))
    }
}

/// Takes a URL apart; it opens no file and asks nobody.
#[cfg(feature = "fuzzing")]
pub(super) fn parse(url: &str) -> Result<(Config, Wish), String> {
    let (url, wish) = Wish::split(url)?;
    let config = url.parse().map_err(|error| format!("cannot be read: {}", printable(&error)))?;
    Ok((config, wish))
}

/// A part of a URL, or what is wrong with it, for a terminal: bounded, and without control characters.
fn printable(text: &impl ToString) -> String {
    text.to_string().chars().take(200).flat_map(char::escape_debug).collect()
}

/// A path as a URL has it.
fn decoded(path: &str) -> PathBuf {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let hex = |digits: &[u8]| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let escaped = after.get(..2).filter(|_| *first == b'%').and_then(hex);
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &after[2..] } else { after };
    }
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(is_encrypted: bool, is_said: bool, roots: Option<&str>) -> Wish {
        Wish { is_encrypted, is_said, roots: roots.map(PathBuf::from) }
    }

    #[test]
    fn encryption_is_taken_out_of_the_parameters() {
        for (parameters, rest, wish) in [
            ("", "", wish(false, false, None)),
            ("?sslmode=disable", "", wish(false, true, None)),
            ("?a=b&sslmode=require&c=d", "?a=b&c=d", wish(true, true, None)),
            ("?sslmode=verify-full&sslrootcert=system", "", wish(true, true, None)),
            ("?sslrootcert=/etc/my%20ca.pem", "", wish(true, true, Some("/etc/my ca.pem"))),
            ("?sslmode=require&sslrootcert=/100%", "", wish(true, true, Some("/100%"))),
        ] {
            let split = Wish::split(&format!("postgres://me@db/tasks{parameters}"));
            assert_eq!(split, Ok((format!("postgres://me@db/tasks{rest}"), wish)), "{parameters}");
        }
    }

    #[test]
    fn a_server_elsewhere_is_refused_unless_encryption_is_said() {
        let read = |url: &str| {
            let address = Address::read(url, Duration::from_secs(1), 1 << 20);
            address.map(drop).map_err(|error| error.to_string())
        };
        for url in [
            "postgres://me@localhost/tasks",
            "postgres://me@127.0.0.9:6432/tasks",
            "postgres://me@[::1]/tasks",
            "postgres://me@%2Frun%2Fpostgresql/tasks",
            "postgres:///tasks?host=/run/postgresql",
            "postgres://me@db/tasks?sslmode=disable",
            "postgres://me@db/tasks?sslmode=verify-full",
            "postgres://me@10.0.0.1/tasks?sslmode=require",
        ] {
            assert_eq!(read(url), Ok(()), "{url}");
        }
        for url in [
            "postgres://me@db.internal/tasks",
            "postgres://me@10.0.0.1:5432/tasks",
            "postgres://me@localhost,db/tasks",
            "postgres://me@localhost/tasks?hostaddr=10.0.0.1",
            "postgres://me@localhost.evil.example/tasks",
        ] {
            let why = read(url).expect_err(url);
            assert!(
                why.contains("sslmode=verify-full") && why.contains("sslmode=disable"),
                "{why}"
            );
            assert!(!why.contains("me@"), "nothing of who it is: {why}");
        }
    }

    #[test]
    fn a_mode_whose_name_is_encoded_is_not_passed_by() {
        let (rest, wish) = Wish::split("postgres://db/tasks?ssl%6dode=require&a=b").unwrap();
        assert_eq!((&*rest, wish.is_encrypted), ("postgres://db/tasks?a=b", true));
    }

    #[test]
    fn what_is_neither_nor_is_refused_by_name() {
        for twice in ["postgres://me:s3c@ret@db/tasks", "postgres://a@b@c?x=y"] {
            assert!(Wish::split(twice).expect_err(twice).contains("%40"));
        }
        let why = Wish::split("postgres://db/tasks?sslmode=\u{1b}[2J").expect_err("no mode");
        assert!(!why.contains(char::is_control), "{why:?}");
        for mode in ["prefer", "allow", "Require", ""] {
            let url = format!("postgres://db/tasks?sslmode={mode}");
            let why = Wish::split(&url).expect_err(mode);
            assert!(why.starts_with(&format!("`sslmode={mode}` is none of")), "{why}");
        }
    }
}
