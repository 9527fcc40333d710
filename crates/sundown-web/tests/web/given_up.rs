//! A server that drains waits for clients who move, however slowly, and not for those who do not.

use std::time::Instant;

use super::*;

/// The drain has some 20 s here. Who does not move in it has a quarter of them, and a quarter of what is left
/// then, and that is all.
const GIVEN_UP: Duration = Duration::from_secs(12);
const SOME: usize = 24 << 10;

pub(super) async fn some() -> HttpResponse {
    HttpResponse::Ok().body(vec![b'x'; SOME])
}

/// Stops while nobody does anything, and demands that nobody was cut at the deadline.
async fn gives_up(service: &Service) {
    let (report, ()) = service.stop_while(async {}).await;
    let took = drained(&report);
    assert!(took > Duration::from_secs(1) && took < GIVEN_UP, "{report}");
}

#[tokio::test]
async fn an_upload_that_stops_is_answered_408() {
    let service = start(Duration::ZERO);
    let mut streams = Vec::new();
    for path in ["/raw", "/echo"] {
        let mut stream = service.connect().await;
        send(&mut stream, &format!("POST {path} HTTP/1.1\r\nContent-Length: 100")).await;
        stream.write_all(b"so far").await.unwrap();
        streams.push(stream);
    }
    sleep(Duration::from_millis(100)).await;
    gives_up(&service).await;
    for mut stream in streams {
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}

#[tokio::test]
async fn an_upload_that_is_slow_is_taken_whole() {
    let service = start(Duration::ZERO);
    let mut stream = service.connect().await;
    send(&mut stream, "POST /raw HTTP/1.1\r\nContent-Length: 12000").await;
    sleep(Duration::from_millis(100)).await;
    let upload = async {
        for _ in 0..20 {
            sleep(Duration::from_millis(200)).await;
            stream.write_all(&[b'x'; 600]).await.unwrap();
        }
        rest(&mut stream).await
    };
    let (report, answer) = service.stop_while(upload).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("12000"), "{answer}");
    drained(&report);
}

#[tokio::test]
async fn who_does_not_read_is_cut() {
    let service = start(Duration::ZERO);
    let mut stream = service.connect().await;
    send(&mut stream, "GET /huge HTTP/1.1").await;
    sleep(Duration::from_millis(100)).await;
    gives_up(&service).await;
}

#[tokio::test]
async fn a_websocket_that_does_not_read_is_cut() {
    let service = start(Duration::ZERO);
    let mut stream = streams::open_chat(&service).await;
    let mut frame = vec![0x81, 0xfe, 0xf0, 0, 0, 0, 0, 0];
    frame.extend([b'x'; 0xf000]);
    let flood = async { while stream.write_all(&frame).await.is_ok() {} };
    assert!(timeout(Duration::from_secs(2), flood).await.is_err(), "while it serves it may rest");
    gives_up(&service).await;
}

type Driven = (h2::client::SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>);

/// A client that answers pings, and whose streams begin with this window.
async fn h2_client(service: &Service, window: u32) -> Driven {
    let stream = service.connect().await;
    let mut settings = h2::client::Builder::new();
    let (send, connection) = settings.initial_window_size(window).handshake(stream).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test awaits it")]
    let driver = tokio::spawn(connection);
    (send, driver)
}

/// Asks, and takes the head of the answer.
async fn h2_ask(client: &Driven, path: &str) -> h2::RecvStream {
    let request = http::Request::get(format!("http://x{path}")).body(()).unwrap();
    let mut ready = client.0.clone().ready().await.unwrap();
    let (response, _) = ready.send_request(request, true).unwrap();
    response.await.unwrap().into_body()
}

#[tokio::test]
async fn an_h2c_client_that_opens_no_window_is_cut() {
    let service = start_server(
        Duration::ZERO,
        Server::new("web").workers(1).stall_timeout(Duration::from_millis(1500)),
    );
    let client = h2_client(&service, 0).await;
    let _bodies = [h2_ask(&client, "/some").await, h2_ask(&client, "/big").await];
    sleep(Duration::from_secs(3)).await;
    assert_eq!(service.web.in_flight(), 2, "while it serves a client may rest");
    gives_up(&service).await;
    assert!(client.1.await.unwrap().is_err());
}

#[tokio::test]
async fn an_h2c_client_that_opens_its_window_little_by_little_gets_all() {
    let service = start(Duration::ZERO);
    let client = h2_client(&service, 1024).await;
    let mut body = h2_ask(&client, "/some").await;
    let takes = async {
        let mut length = 0;
        while let Some(piece) = body.data().await {
            length += piece.as_ref().unwrap().len();
            sleep(Duration::from_millis(150)).await;
            body.flow_control().release_capacity(piece.unwrap().len()).unwrap();
        }
        length
    };
    let began = Instant::now();
    let (report, length) = service.stop_while(takes).await;
    assert_eq!(length, SOME);
    assert!(began.elapsed() > Duration::from_secs(3), "longer than a window");
    drained(&report);
}

#[tokio::test]
async fn an_h2c_client_is_not_blamed_for_a_slow_handler() {
    let stall = Duration::from_millis(300);
    let service = start_server(Duration::ZERO, Server::new("web").workers(1).stall_timeout(stall));
    let (mut client, _driver) = drain::h2_client(service.web.local_addr()).await;
    let slow = drain::h2_get(&mut client, "/slow/2000");
    let stop = async {
        sleep(Duration::from_millis(100)).await;
        service.stop_while(async {}).await
    };
    let (length, (report, ())) = tokio::join!(slow, stop);
    assert_eq!(length.unwrap(), 4);
    drained(&report);
}
