//! A wire to the server that loses answers, or falls silent, when it is told to.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use sundown_tasks::PostgresSettings;

/// The wire; its threads end with the connections they carry.
pub(crate) struct Wire {
    port: u16,
    loses: Arc<AtomicBool>,
    /// How often it fell silent. Connections of an earlier age say nothing any more.
    age: Arc<AtomicUsize>,
}

impl Wire {
    pub(crate) fn new(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let wire = Wire { port, loses: Arc::default(), age: Arc::default() };
        let (loses, age) = (Arc::clone(&wire.loses), Arc::clone(&wire.age));
        thread::spawn(move || {
            for client in listener.incoming() {
                let client = client.unwrap();
                // A server that is away answers nobody.
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let (to, from) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let born = age.load(Ordering::SeqCst);
                let (ages, never) = (Arc::clone(&age), Arc::<AtomicBool>::default());
                thread::spawn(move || {
                    carry(from, to, &never, || ages.load(Ordering::SeqCst) > born);
                });
                let (ages, loses) = (Arc::clone(&age), Arc::clone(&loses));
                thread::spawn(move || {
                    carry(server, client, &loses, || ages.load(Ordering::SeqCst) > born);
                });
            }
        });
        wire
    }

    /// A store over it that hears no news.
    pub(crate) fn settings(&self, schema: &str) -> PostgresSettings {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        PostgresSettings::new(url).schema(schema).listen(None)
    }

    /// Loses the next answer, and the connection with it. What is told to others has been told by
    /// then.
    pub(crate) async fn lose(&self) {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        self.loses.store(true, Ordering::SeqCst);
    }

    pub(crate) fn has_lost(&self) -> bool {
        !self.loses.load(Ordering::SeqCst)
    }

    /// From now on nothing comes through on connections that are there. New ones work.
    pub(crate) fn fall_silent(&self) {
        self.age.fetch_add(1, Ordering::SeqCst);
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, loses: &AtomicBool, is_silent: impl Fn() -> bool) {
    let mut bytes = [0; 65536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if is_silent() {
            continue;
        }
        if loses.swap(false, Ordering::SeqCst) || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
