//! Bodies that are larger than the server bears.

use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream as _;

use super::*;

const LIMIT: u64 = 100_000;

/// Counts what comes, without a limit of its own.
pub(super) async fn raw(mut body: web::Payload) -> actix_web::Result<String> {
    let mut length = 0;
    while let Some(chunk) = poll_fn(|cx| Pin::new(&mut body).poll_next(cx)).await {
        length += chunk?.len();
    }
    Ok(length.to_string())
}

fn start_limited() -> Service {
    start_server(Duration::ZERO, Server::new("web").body_limit(LIMIT))
}

/// Sends a chunk of a body of unknown length; `false` when nobody takes it any more.
async fn send_chunk(stream: &mut TcpStream, bytes: usize) -> bool {
    let chunk = format!("{bytes:x}\r\n{}\r\n", "x".repeat(bytes));
    stream.write_all(chunk.as_bytes()).await.is_ok()
}

async fn ends(service: Service) {
    let (report, ()) = service.stop_while(async {}).await;
    drained(&report);
}

#[tokio::test]
async fn a_body_that_says_it_is_too_large_is_refused_at_once() {
    let service = start_limited();
    for path in ["/raw", "/echo", "/nowhere"] {
        let mut stream = service.connect().await;
        let length = LIMIT + 1;
        send(&mut stream, &format!("POST {path} HTTP/1.1\r\nContent-Length: {length}")).await;
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains(&format!("a body may have {LIMIT} bytes here")), "{answer}");
    }
    assert_eq!(service.web.in_flight(), 0);
    ends(service).await;
}

#[tokio::test]
async fn a_client_that_sends_before_it_listens_hears_the_refusal() {
    let service = start_limited();
    let mut stream = service.connect().await;
    send(&mut stream, &format!("POST /raw HTTP/1.1\r\nContent-Length: {BIG}")).await;
    stream.write_all(&vec![b'x'; BIG]).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    ends(service).await;
}

#[tokio::test]
async fn a_client_that_asks_first_is_not_told_to_go_on() {
    let service = start_limited();
    for (length, says) in [(LIMIT + 1, "HTTP/1.1 413 "), (2, "HTTP/1.1 100 ")] {
        let mut stream = service.connect().await;
        let head = format!("POST /raw HTTP/1.1\r\nContent-Length: {length}");
        send(&mut stream, &format!("{head}\r\nExpect: 100-continue")).await;
        let mut first = [0; 13];
        stream.read_exact(&mut first).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&first), says);
    }
    ends(service).await;
}

#[tokio::test]
async fn a_body_of_just_that_size_is_taken_and_the_connection_goes_on() {
    let service = start_limited();
    let mut stream = service.connect().await;
    let body = vec![b'x'; usize::try_from(LIMIT).unwrap()];
    for _ in 0..2 {
        send(&mut stream, &format!("POST /raw HTTP/1.1\r\nContent-Length: {LIMIT}")).await;
        stream.write_all(&body).await.unwrap();
        response(&mut stream, "\r\n\r\n100000").await;
        send(&mut stream, "POST /raw HTTP/1.1\r\nTransfer-Encoding: chunked").await;
        assert!(send_chunk(&mut stream, body.len()).await);
        stream.write_all(b"0\r\n\r\n").await.unwrap();
        response(&mut stream, "\r\n\r\n100000").await;
    }
    ends(service).await;
}

/// The second of them says that it wants another protocol, whose bytes HTTP does not measure.
#[tokio::test]
async fn a_body_that_turns_out_too_large_is_answered_413_and_not_read_on() {
    let service = start_limited();
    for path in ["/raw", "/echo"] {
        let chunked = format!("POST {path} HTTP/1.1\r\nTransfer-Encoding: chunked");
        let upgrade = format!(
            "POST {path} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 1"
        );
        for head in [chunked, upgrade] {
            let mut stream = service.connect().await;
            send(&mut stream, &head).await;
            let floods = async { while send_chunk(&mut stream, 10_000).await {} };
            timeout(Duration::from_secs(3), floods).await.expect("the connection is closed");
        }
        let mut stream = service.connect().await;
        send(&mut stream, &format!("POST {path} HTTP/1.1\r\nTransfer-Encoding: chunked")).await;
        for _ in 0..11 {
            assert!(send_chunk(&mut stream, 10_000).await);
        }
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    }
    ends(service).await;
}

#[tokio::test]
async fn a_body_that_nobody_reads_is_not_read_for_ever() {
    let service = start_limited();
    let mut stream = service.connect().await;
    send(&mut stream, "POST /deaf HTTP/1.1\r\nTransfer-Encoding: chunked").await;
    let answer = rest(&mut stream).await;
    assert!(answer.ends_with("hello"), "{answer}");
    ends(service).await;
}

#[tokio::test]
async fn an_h2c_body_that_is_too_large_is_answered_413_and_the_connection_goes_on() {
    let service = start_limited();
    let (mut client, _driver) = drain::h2_client(service.web.local_addr()).await;
    for length in [None, Some(LIMIT * 2)] {
        let mut request = http::Request::post("http://x/raw");
        if let Some(length) = length {
            request = request.header("content-length", length);
        }
        let request = request.body(()).unwrap();
        let mut ready = client.clone().ready().await.unwrap();
        let (response, mut body) = ready.send_request(request, false).unwrap();
        body.send_data(Bytes::from(vec![b'x'; 200_000]), true).unwrap();
        assert_eq!(timeout(PATIENCE, response).await.unwrap().unwrap().status(), 413);
    }
    assert_eq!(drain::h2_get(&mut client, "/").await.unwrap(), 5);
    ends(service).await;
}
