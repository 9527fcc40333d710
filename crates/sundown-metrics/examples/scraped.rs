//! A service whose metrics are scraped to its last moment, and left in a file after it.
//!
//! Run `cargo run -p sundown-metrics --example scraped`, look at the address it prints with curl,
//! press Ctrl-C, and look again while it drains for three seconds: `application_shutting_down` is
//! 1, and so many tasks were active. At the end the file it names has the last values, the
//! duration of the shutdown among them. An argument chooses the file.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::time::Duration;
use std::{env, io, thread};

use metrics::counter;
use sundown::{BoxError, Coordinator, Exit, Shutdown, Waiter};
use sundown_metrics::{MetricsService, Settings};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Exit {
    Exit::of(serve().await)
}

async fn serve() -> Result<Exit, BoxError> {
    let coordinator = Coordinator::builder().cap(Duration::from_secs(30)).build()?;
    coordinator.listen_for_signals()?;

    let file =
        env::args_os().nth(1).map_or_else(|| env::temp_dir().join("scraped.prom"), PathBuf::from);
    let settings = Settings::default().interval(Duration::from_secs(1)).last_values(&file);
    let metrics = MetricsService::start(coordinator.clone(), settings)?;

    coordinator.spawn("jobs", jobs(coordinator.shutdown()));
    metrics.count_active_tasks(|| 1);
    metrics.watch("queue_depth", "Jobs that wait.", || 3.0);
    let drain = Waiter::new("last job", |_deadline| sleep(Duration::from_secs(3)));
    coordinator.register_waiter(drain)?;

    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let scraped = metrics.clone();
    thread::spawn(move || answer(&listener, || scraped.render()));
    coordinator.check()?;
    println!("ready: curl http://{address}/metrics");

    let report = coordinator.run().await;
    report.print();
    println!("the last values are in {}", file.display());
    Ok(report.exit())
}

/// Does a job now and then, until told to stop.
async fn jobs(shutdown: Shutdown) {
    while shutdown.until(sleep(Duration::from_millis(50))).await.is_some() {
        counter!("jobs_total").increment(1);
    }
}

/// Answers every request with the metrics, one at a time, for as long as the process lives. Real
/// services let their web framework do this.
fn answer(listener: &TcpListener, render: impl Fn() -> String) {
    for stream in listener.incoming().flatten() {
        if let Err(error) = answer_one(stream, &render()) {
            eprintln!("a scrape went away: {error}");
        }
    }
}

fn answer_one(mut stream: TcpStream, text: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    for line in BufReader::new(&stream).lines() {
        if line?.is_empty() {
            break;
        }
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{text}",
        text.len()
    )
}
