//! Clients that come while the listener closes: answered, or refused, and never reset.

use std::io::{Read as _, Write as _};
use std::net::TcpStream as Blocking;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;

const STOPS: usize = 8;
const CLIENTS: usize = 4;

/// Asks once, over a connection of its own: `None` if it was refused.
fn ask_once(address: SocketAddr) -> Option<String> {
    // Whoever is not answered by the system tries again after a second, and is refused then.
    let mut stream = match Blocking::connect_timeout(&address, PATIENCE) {
        Ok(stream) => stream,
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused, "{error}");
            return None;
        }
    };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap_or_else(|error| panic!("{error} after {answer:?}"));
    Some(answer)
}

/// Asks again and again, until it is refused. Says how often it was answered.
fn ask_until_refused(address: SocketAddr, has_begun: &AtomicBool) -> usize {
    let mut answered = 0;
    while let Some(answer) = ask_once(address) {
        assert!(answer.ends_with("\r\n\r\nhello"), "answer {answered}: {answer:?}");
        answered += 1;
        has_begun.store(true, Ordering::Relaxed);
    }
    answered
}

#[tokio::test]
async fn whoever_connects_while_the_listener_closes_is_answered_or_refused() {
    for stop in 0..STOPS {
        let service = start_server(Duration::ZERO, Server::new("web").workers(2));
        let address = service.web.local_addr();
        let begun: Vec<Arc<AtomicBool>> = (0..CLIENTS).map(|_| Arc::default()).collect();
        let clients: Vec<_> = begun
            .iter()
            .cloned()
            .map(|begun| thread::spawn(move || ask_until_refused(address, &begun)))
            .collect();
        while !begun.iter().all(|begun| begun.load(Ordering::Relaxed)) {
            sleep(Duration::from_millis(1)).await;
        }
        let (report, ()) = service.stop_while(async {}).await;
        drained(&report);
        for client in clients {
            let answered = tokio::task::spawn_blocking(move || client.join()).await.unwrap();
            assert!(answered.expect("no client was reset") > 0, "stop {stop}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_was_just_opened_may_still_ask_when_the_server_drains() {
    let service = start(Duration::ZERO);
    let mut idle = service.connect().await;
    send(&mut idle, "GET / HTTP/1.1").await;
    response(&mut idle, "hello").await;
    let mut stream = service.connect().await;
    while service.web.connections() < 2 {
        sleep(Duration::from_millis(1)).await;
    }
    let (report, answer) = service
        .stop_while(async {
            // The idle one is closed: it drains.
            assert_eq!(rest(&mut idle).await, "");
            send(&mut stream, "GET / HTTP/1.1").await;
            rest(&mut stream).await
        })
        .await;
    drained(&report);
    assert!(answer.ends_with("hello"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_listener_without_http2_answers_its_preface_with_an_error() {
    let coordinator = Coordinator::builder().cap(Duration::from_secs(20)).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::new("web").workers(1);
    let app = || App::new().route("/", web::get().to(hello));
    let web = server.serve(coordinator.clone(), listener, app).unwrap();
    let mut stream = TcpStream::connect(web.local_addr()).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}
