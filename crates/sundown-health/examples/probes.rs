//! A service with nothing but probes, served by a plain actix server.
//!
//! `cargo run -p sundown-health --example probes`, then `curl -i http://127.0.0.1:8081/readyz`, and
//! `curl -N -H 'Accept: text/event-stream' http://127.0.0.1:8081/shutdown` to watch what Ctrl-C does.

use std::time::Duration;

use actix_web::{App, HttpServer};
use sundown::{BoxError, Coordinator, Exit, Phase, Waiter};
use sundown_health::Health;

#[tokio::main]
async fn main() -> Exit {
    Exit::of(serve().await)
}

async fn serve() -> Result<Exit, BoxError> {
    let coordinator = Coordinator::builder().default_cap(Duration::from_secs(30)).build()?;
    coordinator.listen_for_signals()?;
    let shutdown = coordinator.shutdown();
    let health = Health::new(coordinator.clone())
        .check("conscience", move || !shutdown.is_shutting_down())
        .token("s3cret");

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let server = HttpServer::new(move || App::new().configure(health.routes()))
        .workers(1)
        .disable_signals()
        .bind(&address)
        .map_err(|error| format!("cannot bind {address}: {error} (name another address)"))?;
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    #[expect(clippy::disallowed_methods, reason = "the waiter `probes` ends and awaits it")]
    let server = tokio::spawn(server);

    // Something to watch while it drains.
    let drain = Waiter::new("work", |_deadline| tokio::time::sleep(Duration::from_secs(2)));
    coordinator.register_waiter(drain)?;
    // Probes are answered to the end.
    let stop = Waiter::new("probes", move |_deadline| async move {
        handle.stop(false).await;
        Ok::<_, BoxError>(server.await??)
    });
    coordinator.register_waiter(stop.in_phase(Phase::RELEASE))?;
    coordinator.check()?;
    println!("probes on http://{address}");

    let report = coordinator.run().await;
    report.print();
    Ok(report.exit())
}
