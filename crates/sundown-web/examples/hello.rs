//! A web service that drains: pages, a slow download, and a stream of events.
//!
//! `cargo run -p sundown-web --example hello`, then in other terminals
//! `curl -N http://127.0.0.1:8080/events` and `curl http://127.0.0.1:8080/slow/3000`, and Ctrl-C here: the
//! slow page arrives in full, the events end after a whole one, and then the service is gone. A second
//! argument is how many milliseconds it announces its end to those who ask for `/readyz`.

use std::net::TcpListener;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, web};
use sundown::{BoxError, Coordinator, Exit, Shutdown};
use sundown_web::{Event, EventStream};
use tokio::time::{Interval, interval, sleep};

#[tokio::main]
async fn main() -> Exit {
    Exit::of(serve().await)
}

async fn serve() -> Result<Exit, BoxError> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let announce = arguments.next().map_or(Ok(0), |millis| millis.parse())?;
    let coordinator = Coordinator::builder()
        .default_cap(Duration::from_secs(30))
        .announce(Duration::from_millis(announce))
        .build()?;
    coordinator.listen_for_signals()?;
    let listener = TcpListener::bind(&address)
        .map_err(|error| format!("cannot bind {address}: {error} (name another address)"))?;
    let shutdown = coordinator.shutdown();
    let web = sundown_web::serve(coordinator.clone(), listener, move || {
        App::new()
            .app_data(web::Data::new(shutdown.clone()))
            .route("/readyz", web::get().to(ready))
            .route("/", web::get().to(async || HttpResponse::Ok().body("hello\n")))
            .route("/slow/{millis}", web::get().to(slow))
            .route("/big", web::get().to(async || HttpResponse::Ok().body(vec![b'x'; 1 << 20])))
            .route("/events", web::get().to(events))
    })?;
    coordinator.check()?;
    println!("serving on http://{}", web.local_addr());
    let report = coordinator.run().await;
    report.print();
    Ok(report.exit())
}

async fn ready(shutdown: web::Data<Shutdown>) -> HttpResponse {
    match shutdown.cause() {
        None => HttpResponse::Ok().body("ready"),
        Some(_) => HttpResponse::ServiceUnavailable().body("shutting down"),
    }
}

async fn slow(millis: web::Path<u64>) -> HttpResponse {
    sleep(Duration::from_millis(*millis)).await;
    HttpResponse::Ok().body("that took a while\n")
}

async fn events(request: HttpRequest) -> HttpResponse {
    let ticks = Ticks { interval: interval(Duration::from_millis(200)), count: 0 };
    EventStream::new(&request, ticks).into_response()
}

/// Five events a second.
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
