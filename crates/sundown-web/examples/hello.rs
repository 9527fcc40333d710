//! A web service that drains: pages, a slow download, and a stream of events.
//!
//! `cargo run -p sundown-web --example hello`, then in other terminals
//! `curl -N http://127.0.0.1:8080/events` and `curl http://127.0.0.1:8080/slow`, and Ctrl-C here: the
//! slow page arrives in full, the events end after a whole one, and then the service is gone.

use std::net::TcpListener;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, web};
use sundown::{BoxError, Coordinator, Exit};
use sundown_web::{Event, EventStream};
use tokio::time::{Interval, interval, sleep};

#[tokio::main]
async fn main() -> Exit {
    Exit::of(serve().await)
}

async fn serve() -> Result<Exit, BoxError> {
    let coordinator = Coordinator::builder().default_cap(Duration::from_secs(30)).build()?;
    coordinator.listen_for_signals()?;
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(&address)
        .map_err(|error| format!("cannot bind {address}: {error} (name another address)"))?;
    let web = sundown_web::serve(coordinator.clone(), listener, || {
        App::new()
            .route("/", web::get().to(async || HttpResponse::Ok().body("hello\n")))
            .route("/slow", web::get().to(slow))
            .route("/events", web::get().to(events))
    })?;
    coordinator.check()?;
    println!("serving on http://{}", web.local_addr());
    let report = coordinator.run().await;
    report.print();
    Ok(report.exit())
}

async fn slow() -> HttpResponse {
    sleep(Duration::from_secs(3)).await;
    HttpResponse::Ok().body("that took a while\n")
}

async fn events(request: HttpRequest) -> HttpResponse {
    let ticks = Ticks { interval: interval(Duration::from_secs(1)), count: 0 };
    EventStream::new(&request, ticks).into_response()
}

/// An event a second.
struct Ticks {
    interval: Interval,
    count: u32,
}

impl futures_core::Stream for Ticks {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        ready!(self.interval.poll_tick(cx));
        self.count += 1;
        Poll::Ready(Some(Event::new(format!("tick {}", self.count)).id(self.count.to_string())))
    }
}
