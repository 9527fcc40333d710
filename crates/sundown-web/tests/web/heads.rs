//! The head of a request must come in time, also that of a later request. And what it says of the
//! body holds.

use std::time::Instant;

use super::*;

const LIMIT: Duration = Duration::from_millis(500);

fn start_quick() -> Service {
    start_server(Duration::ZERO, Server::new("web").workers(1).request_timeout(LIMIT))
}

async fn used(service: &Service) -> TcpStream {
    let mut stream = service.connect().await;
    send(&mut stream, "GET / HTTP/1.1").await;
    response(&mut stream, "hello").await;
    stream
}

#[tokio::test]
async fn the_head_of_a_later_request_must_be_whole_in_time() {
    let service = start_quick();
    for is_dripping in [false, true] {
        let (mut reader, mut writer) = used(&service).await.into_split();
        writer.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
        let began = Instant::now();
        let drips = async {
            while is_dripping && writer.write_all(b"x").await.is_ok() {
                sleep(LIMIT / 5).await;
            }
        };
        let mut answer = Vec::new();
        let reads = timeout(6 * LIMIT, reader.read_to_end(&mut answer));
        let (read, ()) = tokio::join!(async { reads.await.expect("it is closed") }, drips);
        assert!(read.is_err() || answer.is_empty(), "{answer:?}");
        assert!(began.elapsed() >= LIMIT, "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_head_that_began_together_with_the_last_request_may_not_drip_for_ever() {
    let service = start_quick();
    let (mut reader, mut writer) = service.connect().await.into_split();
    writer.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX: ").await.unwrap();
    let drips = async {
        while writer.write_all(b"x").await.is_ok() {
            sleep(LIMIT / 5).await;
        }
    };
    let mut answer = Vec::new();
    let reads = timeout(6 * LIMIT, reader.read_to_end(&mut answer));
    let (read, ()) = tokio::join!(reads, drips);
    let _ = read.expect("it is closed");
}

#[tokio::test]
async fn who_rests_between_two_requests_or_sends_a_long_body_is_not_hurried() {
    let service = start_quick();
    let mut chat = streams::open_chat(&service).await;
    let mut stream = used(&service).await;
    for _ in 0..2 {
        sleep(2 * LIMIT).await;
        let head = b"POST /raw HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n";
        for half in head.chunks(30) {
            stream.write_all(half).await.unwrap();
            sleep(LIMIT / 5).await;
        }
        for _ in 0..10 {
            sleep(LIMIT / 5).await;
            stream.write_all(b"x").await.unwrap();
        }
        response(&mut stream, "\r\n\r\n10").await;
    }
    streams::say_hi(&mut chat).await;
}

/// A request with this head, and the whole of its body. Nobody waits for more.
async fn answered(service: &Service, head: &str, body: &str) -> String {
    let mut stream = service.connect().await;
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket";
    let whole = format!("{head} HTTP/1.1\r\nHost: x\r\n{upgrade}\r\n{body}");
    stream.write_all(whole.as_bytes()).await.unwrap();
    let answer = timeout(Duration::from_secs(2), rest(&mut stream)).await;
    answer.expect("an answer at once, and an end")
}

#[tokio::test]
async fn an_upgrade_that_is_ignored_leaves_the_body_as_it_is() {
    for server in [Server::new("web"), Server::new("web").stall_timeout(PATIENCE).body_limit(5)] {
        let service = start_server(Duration::ZERO, server);
        for path in ["POST /raw", "POST /echo"] {
            let five = "Content-Length: 5\r\n\r\nhello";
            let answer = answered(&service, path, five).await;
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n5"),
                "{answer}"
            );
            // What follows is of another request, and no body.
            let answer = answered(&service, path, &format!("{five}GET /")).await;
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n5"),
                "{answer}"
            );
            let answer = answered(&service, path, "\r\n").await;
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n0"),
                "{answer}"
            );
        }
    }
}
