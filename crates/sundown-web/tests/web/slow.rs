//! Clients that let the server wait, and those who only seem to.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures_core::Stream;
use sundown_web::{Event, EventStream};
use tokio::net::TcpSocket;
use tokio::time::{Instant, Sleep};

use super::*;

const WINDOW: Duration = Duration::from_millis(300);

/// One event, after a while.
struct Once(Option<Pin<Box<Sleep>>>);

impl Stream for Once {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        let Some(sleep) = &mut self.0 else { return Poll::Ready(None) };
        std::task::ready!(sleep.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(Some(Event::new("at last")))
    }
}

/// More than the system holds for a client that takes nothing.
pub(super) async fn huge() -> HttpResponse {
    HttpResponse::Ok().body(vec![b'x'; 4 * BIG])
}

pub(super) async fn quiet(request: HttpRequest) -> HttpResponse {
    EventStream::new(&request, Once(Some(Box::pin(sleep(4 * WINDOW))))).into_response()
}

/// Asks for each chunk long before it takes it.
pub(super) async fn busy(mut body: web::Payload) -> actix_web::Result<String> {
    let mut length = 0;
    loop {
        let mut next = pin!(poll_fn(|cx| Pin::new(&mut body).poll_next(cx)));
        let asked = poll_fn(|cx| Poll::Ready(next.as_mut().poll(cx))).await;
        sleep(WINDOW / 2).await;
        let chunk = match asked {
            Poll::Ready(chunk) => chunk,
            Poll::Pending => next.await,
        };
        match chunk {
            Some(chunk) => length += chunk?.len(),
            None => return Ok(length.to_string()),
        }
    }
}

fn start_strict() -> Service {
    start_server(Duration::ZERO, Server::new("web").workers(1).stall_timeout(WINDOW))
}

async fn ends(service: Service) {
    let (report, ()) = service.stop_while(async {}).await;
    drained(&report);
}

#[tokio::test]
async fn a_body_that_trickles_is_answered_408_and_cut() {
    let service = start_strict();
    for (path, length) in ["/raw", "/echo"]
        .into_iter()
        .flat_map(|path| [(path, "Content-Length: 9999"), (path, "Transfer-Encoding: chunked")])
    {
        let (mut reader, mut writer) = service.connect().await.into_split();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{length}\r\n\r\n");
        writer.write_all(head.as_bytes()).await.unwrap();
        let began = Instant::now();
        let mut answer = String::new();
        let trickle = async {
            while writer.write_all(b"1\r\nx\r\n").await.is_ok() {
                sleep(WINDOW / 6).await;
            }
        };
        let (read, ()) =
            timeout(PATIENCE, async { tokio::join!(reader.read_to_string(&mut answer), trickle) })
                .await
                .unwrap();
        read.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
        assert!(began.elapsed() >= WINDOW, "{:?}", began.elapsed());
    }
    ends(service).await;
}

#[tokio::test]
async fn an_h2c_body_that_stops_is_answered_408_and_its_neighbours_go_on() {
    let service = start_strict();
    let (mut client, _driver) = drain::h2_client(service.web.local_addr()).await;
    let request = http::Request::post("http://x/raw").body(()).unwrap();
    let mut ready = client.clone().ready().await.unwrap();
    let (response, mut body) = ready.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(b"so far"), false).unwrap();
    assert_eq!(timeout(PATIENCE, response).await.unwrap().unwrap().status(), 408);
    assert_eq!(drain::h2_get(&mut client, "/").await.unwrap(), 5);
    ends(service).await;
}

#[tokio::test]
async fn a_body_that_is_slow_and_fast_enough_is_received_to_its_end() {
    let service = start_strict();
    let mut stream = service.connect().await;
    send(&mut stream, "POST /raw HTTP/1.1\r\nContent-Length: 61441").await;
    for _ in 0..15 {
        sleep(Duration::from_millis(100)).await;
        stream.write_all(&[b'x'; 4096]).await.unwrap();
    }
    sleep(Duration::from_millis(100)).await;
    stream.write_all(b"x").await.unwrap(); // a rest of less than 1 KiB need only come
    response(&mut stream, "\r\n\r\n61441").await;
    ends(service).await;
}

#[tokio::test]
async fn a_handler_that_is_slow_itself_blames_no_client() {
    let service = start_strict();
    let mut stream = service.connect().await;
    send(&mut stream, "POST /busy HTTP/1.1\r\nTransfer-Encoding: chunked").await;
    for _ in 0..3 {
        // Each comes soon after it was asked for, and long before it is taken.
        sleep(WINDOW / 20).await;
        stream.write_all(b"1\r\nx\r\n").await.unwrap();
        sleep(WINDOW * 9 / 20).await;
    }
    // The end is asked for a second time, and that finds nothing.
    sleep(WINDOW * 11 / 20).await;
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    response(&mut stream, "\r\n\r\n3").await;
    ends(service).await;
}

/// Asks over HTTP/2 for more than the system holds, with all windows wide open, and takes nothing.
async fn silent_h2_client(service: &Service) -> TcpStream {
    let mut stream = service.connect().await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    // SETTINGS with INITIAL_WINDOW_SIZE, WINDOW_UPDATE for the connection, and three GET /big.
    stream.write_all(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]).await.unwrap();
    stream.write_all(&[0, 0, 4, 8, 0, 0, 0, 0, 0, 0x7f, 0, 0, 0]).await.unwrap();
    for id in [1, 3, 5] {
        let headers = [0x82, 0x86, 0x04, 4, b'/', b'b', b'i', b'g', 0x01, 1, b'x'];
        let length = u8::try_from(headers.len()).unwrap();
        stream.write_all(&[0, 0, length, 1, 5, 0, 0, 0, id]).await.unwrap();
        stream.write_all(&headers).await.unwrap();
    }
    stream
}

#[tokio::test]
async fn a_client_that_takes_no_answer_is_cut_and_holds_nobody() {
    let service = start_strict();
    let mut streams = Vec::new();
    for _ in 0..3 {
        let mut stream = service.connect().await;
        send(&mut stream, "GET /huge HTTP/1.1").await;
        streams.push(stream);
    }
    let _silent = silent_h2_client(&service).await;
    sleep(WINDOW / 2).await;
    assert_eq!(service.web.connections(), 4);
    let (report, ()) = service.stop_while(async {}).await;
    assert!(drained(&report) < Duration::from_secs(3), "{report}");
}

#[tokio::test]
async fn an_answer_is_given_up_while_the_server_serves_too() {
    let service = start_strict();
    let mut stream = service.connect().await;
    send(&mut stream, "GET /huge HTTP/1.1").await;
    sleep(WINDOW / 2).await;
    assert_eq!(service.web.connections(), 1);
    let gone = async {
        while service.web.connections() > 0 {
            sleep(WINDOW / 10).await;
        }
    };
    timeout(Duration::from_secs(3), gone).await.unwrap();
    ends(service).await;
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_and_fast_enough_is_sent_to_its_end() {
    let service = start_strict();
    let socket = TcpSocket::new_v4().unwrap();
    // A small window, or the system would take it all, and tell of it in large steps.
    socket.set_recv_buffer_size(16 << 10).unwrap();
    let mut stream = socket.connect(service.web.local_addr()).await.unwrap();
    send(&mut stream, "GET /big HTTP/1.1\r\nConnection: close").await;
    let (mut length, mut buffer) = (0, vec![0; 16 << 10]);
    let began = Instant::now();
    loop {
        let n = timeout(PATIENCE, stream.read(&mut buffer)).await.unwrap().unwrap();
        if n == 0 {
            break;
        }
        length += n;
        if began.elapsed() < 10 * WINDOW {
            sleep(WINDOW / 10).await;
        }
    }
    assert!(length > BIG, "{length} with the head");
    assert!(began.elapsed() > 10 * WINDOW);
    ends(service).await;
}

#[tokio::test]
async fn who_has_nothing_to_say_is_not_cut() {
    let service = start_strict();
    let (mut idle, mut events) = (service.connect().await, service.connect().await);
    send(&mut idle, "GET / HTTP/1.1").await;
    response(&mut idle, "hello").await;
    send(&mut events, "GET /quiet HTTP/1.1\r\nConnection: close").await;
    let mut chat = streams::open_chat(&service).await;
    sleep(3 * WINDOW).await;
    send(&mut idle, "GET / HTTP/1.1").await;
    response(&mut idle, "hello").await;
    streams::say_hi(&mut chat).await;
    assert!(rest(&mut events).await.contains("data: at last"));
    ends(service).await;
}
