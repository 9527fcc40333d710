//! The parser of PostgreSQL URLs as the fuzz targets call it.

use tokio_postgres::config::Host;

use super::address;

/// What a URL comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The names and addresses that it connects to.
    pub hosts: Vec<String>,
    /// Whether everything it sends is encrypted.
    pub is_encrypted: bool,
    /// What it proves itself with.
    pub password: Option<Vec<u8>>,
}

/// Reads a URL, and connects to nothing.
///
/// # Errors
///
/// What is wrong with it.
pub fn server(url: &str) -> Result<Server, String> {
    let (config, wish) = address::parse(url)?;
    let hosts = config.get_hosts().iter().filter_map(|host| match host {
        Host::Tcp(name) => Some(name.clone()),
        #[cfg(unix)]
        Host::Unix(_) => None,
    });
    Ok(Server {
        hosts: hosts.collect(),
        is_encrypted: wish.is_encrypted,
        password: config.get_password().map(<[u8]>::to_vec),
    })
}
