//! Serves actix-web and drains it: nobody who was being answered is cut off, and nobody who was not
//! holds the process.
//!
//! ```
//! use std::net::TcpListener;
//! use actix_web::{App, HttpResponse, web};
//! use sundown::{Cause, Coordinator};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let coordinator = Coordinator::builder().build()?;
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let web = sundown_web::serve(coordinator.clone(), listener, || {
//!     App::new().route("/", web::get().to(async || HttpResponse::Ok().body("hello")))
//! })?;
//! println!("serving on {}", web.local_addr());
//! coordinator.check()?;
//!
//! # coordinator.initiate(Cause::requested("doc test"));
//! let report = coordinator.run().await;
//! # assert!(report.is_clean());
//! # Ok(())
//! # }
//! ```
//!
//! # How it drains
//!
//! 1. **At once**, by notification: every HTTP/1 response says `Connection: close`; HTTP/2 connections
//!    are told GOAWAY once they were answered. New connections are still accepted: whoever balances
//!    the load needs time to look away. That is what the phase `announce` is for.
//! 2. **In `drain`**: no more connections are accepted. Idle ones are closed, HTTP/2 ones after a GOAWAY.
//!    Requests being answered are answered to the last byte of their bodies; [event
//!    streams](EventStream) end at an event boundary. A client that lets the server wait meanwhile is
//!    [given up](Server::stall_timeout) before the time is over.
//! 3. **When the last client has everything** the server is gone, and not at the next full second: a
//!    connection is over when the client's system has acknowledged its bytes. What is left at the deadline is
//!    cut, and the report says what that was.
//!
//! HTTP/2 (with prior knowledge) shares the port, where it is [turned on](Server::http2). Several servers may
//! run in one process, each a [`Server`] with a name of its own.
//!
//! To whoever does not know this crate, a connection tells the drain by a `CancellationToken` of
//! `tokio-util` among its [data](actix_web::HttpRequest::conn_data).

mod accept;
mod body;
mod close;
mod connection;
mod connections;
mod drain;
mod events;
mod guard;
mod h2;
mod head;
mod http;
mod in_flight;
mod io;
mod limits;
mod line;
mod listen;
mod metrics;
mod owed;
mod pace;
mod server;
mod stall;
mod upload;
mod window;
mod worker;

pub use events::{Draining, Event, EventStream};
pub use server::{Server, WebError, WebServer, serve};
