//! The health API of a service that shuts down gracefully: alive, ready, and how the shutdown goes.
//!
//! ```
//! use actix_web::{App, web};
//! use sundown::{Cause, Coordinator};
//! use sundown_health::Health;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let coordinator = Coordinator::builder().build()?;
//! let health = Health::new(coordinator.clone())
//!     .check("task service", || true)      // 503 "task service unhealthy" when it says no
//!     .token("s3cret");                    // without a token there is no POST /shutdown
//!
//! let app = App::new().configure(health.routes());
//! # let app = actix_web::test::init_service(app).await;
//! # let get = |path: &str| actix_web::test::TestRequest::get().uri(path).to_request();
//! # let ready = actix_web::test::call_service(&app, get("/readyz")).await;
//! # assert_eq!(ready.status(), 200);
//! # coordinator.initiate(Cause::requested("doc test"));
//! # let ready = actix_web::test::call_service(&app, get("/readyz")).await;
//! # assert_eq!(ready.status(), 503);
//! # Ok(())
//! # }
//! ```
//!
//! | request | answer |
//! |---|---|
//! | `GET /healthz` | 200 `alive`, always: a service that drains must not be killed for it |
//! | `GET /readyz` | 200 `ready`; 503 `shutting down` from the cause on; 503 `NAME unhealthy` while a check says no |
//! | `GET /shutdown` | the plan and how far it is, as JSON: the same report that is left at the end |
//! | `GET /shutdown`, accepting `text/event-stream` | the same as events, whenever it changes, until the plan has ended or the server drains |
//! | `POST /shutdown` with `Authorization: Bearer TOKEN` | 202, and begins the shutdown; `{"reason": …}` in the body is its cause |
//!
//! `HEAD` is answered as `GET`, without the body, and any other method 405. Probes never need a token.
//!
//! Who follows the events must not hold the server that tells them. That it drains is known from a
//! `CancellationToken` of `tokio-util` in the
//! [data of the connection](actix_web::HttpRequest::conn_data), where `sundown-web` leaves it. Another
//! server can do so in [`on_connect`](actix_web::HttpServer::on_connect).

mod health;
mod live;
mod routes;
mod token;

pub use health::Health;
pub use token::Token;
