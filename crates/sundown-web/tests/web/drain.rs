//! Whole bodies, polite ends, and no waiting for nobody.

use tokio::time::Instant;

use sundown::{Phase, Priority, Waiter};

use super::*;

#[tokio::test]
async fn idle_keep_alive_connections_hold_nobody() {
    let service = start(Duration::ZERO);
    let mut streams = Vec::new();
    for _ in 0..20 {
        let mut stream = service.connect().await;
        send(&mut stream, "GET / HTTP/1.1").await;
        response(&mut stream, "hello").await;
        streams.push(stream);
    }
    streams.push(service.connect().await); // and one that never said a word
    let (report, ()) = service.stop_while(async {}).await;
    assert!(drained(&report) < Duration::from_secs(5), "{report}");
    for stream in &mut streams {
        assert_eq!(rest(stream).await, "");
    }
    assert!(TcpStream::connect(service.web.local_addr()).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn a_request_in_flight_is_answered_in_full_and_the_server_leaves_right_after() {
    let service = start(Duration::ZERO);
    let mut stream = service.connect().await;
    send(&mut stream, "GET /slow/600 HTTP/1.1").await;
    sleep(Duration::from_millis(200)).await;
    let (report, answer) = service
        .stop_while(async {
            let answer = rest(&mut stream).await;
            (answer, Instant::now())
        })
        .await;
    let (answer, at) = answer;
    assert!(answer.ends_with("\r\n\r\ndone"), "{answer}");
    assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    drained(&report);
    assert!(at.elapsed() < Duration::from_secs(1), "{:?}", at.elapsed());
}

#[tokio::test]
async fn four_megabytes_reach_a_slow_reader_to_the_last_byte() {
    let service = start(Duration::ZERO);
    let mut stream = service.connect().await;
    send(&mut stream, "GET /big HTTP/1.1").await;
    sleep(Duration::from_millis(100)).await;
    let (report, length) = service
        .stop_while(async {
            let mut length = 0;
            let mut buffer = vec![0; 64 << 10];
            loop {
                let n = stream.read(&mut buffer).await.unwrap();
                if n == 0 {
                    return length;
                }
                length += n;
                sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    drained(&report);
    assert!(length > BIG, "{length} with the head");
}

#[tokio::test]
async fn while_it_announces_new_connections_are_served_and_told_to_look_elsewhere() {
    let service = start(Duration::from_millis(800));
    let mut old = service.connect().await;
    send(&mut old, "GET / HTTP/1.1").await;
    assert!(!response(&mut old, "hello").await.to_lowercase().contains("connection: close"));
    let (report, ()) = service
        .stop_while(async {
            sleep(Duration::from_millis(100)).await;
            let mut new = service.connect().await;
            for stream in [&mut new, &mut old] {
                send(stream, "GET / HTTP/1.1").await;
                let answer = rest(stream).await;
                assert!(answer.ends_with("hello"), "{answer}");
                assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
            }
        })
        .await;
    drained(&report);
}

#[tokio::test]
async fn a_chunked_upload_that_was_begun_is_received_to_its_end() {
    let service = start(Duration::ZERO);
    let mut stream = service.connect().await;
    let head = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(b"5\r\nhello\r\n").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let (report, answer) = service
        .stop_while(async {
            for _ in 0..10 {
                sleep(Duration::from_millis(30)).await;
                stream.write_all(b"5\r\nhello\r\n").await.unwrap();
            }
            stream.write_all(b"0\r\n\r\n").await.unwrap();
            rest(&mut stream).await
        })
        .await;
    assert!(answer.ends_with("\r\n\r\n55"), "{answer}");
    drained(&report);
}

/// The head of an HTTP/2 connection, and one request answered on it.
pub(super) async fn h2_client(
    address: SocketAddr,
) -> (h2::client::SendRequest<Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (send, connection) = h2::client::handshake(stream).await.unwrap();
    #[expect(clippy::disallowed_methods, reason = "the test awaits it")]
    let driver = tokio::spawn(connection);
    (send, driver)
}

pub(super) async fn h2_get(
    send: &mut h2::client::SendRequest<Bytes>,
    path: &str,
) -> Result<usize, h2::Error> {
    let request = http::Request::get(format!("http://x{path}")).body(()).unwrap();
    let mut ready = send.clone().ready().await?;
    let (response, _) = ready.send_request(request, true)?;
    let mut body = response.await?.into_body();
    let mut length = 0;
    while let Some(chunk) = body.data().await {
        let chunk = chunk?;
        length += chunk.len();
        body.flow_control().release_capacity(chunk.len())?;
    }
    Ok(length)
}

#[tokio::test]
async fn an_idle_h2c_connection_is_said_goodbye_and_holds_nobody() {
    let service = start(Duration::ZERO);
    let (mut send, driver) = h2_client(service.web.local_addr()).await;
    assert_eq!(h2_get(&mut send, "/").await.unwrap(), 5);
    let (report, ended) = service.stop_while(driver).await;
    assert!(ended.unwrap().is_ok(), "a clean end");
    assert!(drained(&report) < Duration::from_secs(3), "{report}");
}

#[tokio::test]
async fn h2c_streams_in_flight_end_whole_and_new_ones_are_refused_by_the_client_itself() {
    let service = start(Duration::ZERO);
    let (mut send, driver) = h2_client(service.web.local_addr()).await;
    assert_eq!(h2_get(&mut send, "/").await.unwrap(), 5);
    let (mut one, mut two) = (send.clone(), send.clone());
    let in_flight = async { tokio::join!(h2_get(&mut one, "/slow/500"), h2_get(&mut two, "/big")) };
    let stop = async {
        sleep(Duration::from_millis(100)).await;
        service
            .stop_while(async {
                sleep(Duration::from_millis(150)).await;
                let late = h2_get(&mut send.clone(), "/").await.unwrap_err();
                assert!(late.is_go_away(), "{late}");
                driver.await.unwrap()
            })
            .await
    };
    let ((slow, big), (report, ended)) = tokio::join!(in_flight, stop);
    assert_eq!(slow.unwrap(), 4);
    assert_eq!(big.unwrap(), BIG);
    assert!(ended.is_ok());
    drained(&report);
}

#[tokio::test]
async fn while_it_announces_h2c_connections_are_answered_once_and_told_to_go() {
    let service = start(Duration::from_millis(800));
    let (mut old, old_driver) = h2_client(service.web.local_addr()).await;
    assert_eq!(h2_get(&mut old, "/").await.unwrap(), 5);
    let (report, ()) = service
        .stop_while(async {
            sleep(Duration::from_millis(150)).await;
            assert!(h2_get(&mut old, "/").await.unwrap_err().is_go_away());
            let (mut new, new_driver) = h2_client(service.web.local_addr()).await;
            assert_eq!(h2_get(&mut new, "/").await.unwrap(), 5, "it is served");
            sleep(Duration::from_millis(50)).await;
            assert!(h2_get(&mut new, "/").await.unwrap_err().is_go_away(), "once");
            drop((old, new));
            old_driver.await.unwrap().unwrap();
            new_driver.await.unwrap().unwrap();
        })
        .await;
    drained(&report);
}

/// What a server answers on a new connection.
async fn says(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    send(&mut stream, "GET / HTTP/1.1\r\nConnection: close").await;
    rest(&mut stream).await
}

#[tokio::test]
async fn a_server_that_closes_last_answers_while_others_drain_and_hooks_run() {
    let service = start(Duration::ZERO);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hook = Waiter::new("last look", move |_deadline| async move {
        let answer = says(address).await;
        if answer.ends_with("hello") { Ok(()) } else { Err(answer) }
    });
    let hook = hook.in_phase(Phase::RELEASE).as_hook(Priority::Cleanup);
    let _hook = service.coordinator.register_waiter(hook).unwrap();
    let admin = Server::new("admin")
        .workers(1)
        .closes_last()
        .serve(service.coordinator.clone(), listener, || {
            App::new().route("/", web::get().to(hello))
        })
        .unwrap();
    let mut slow = service.connect().await;
    send(&mut slow, "GET /slow/600 HTTP/1.1").await;
    sleep(Duration::from_millis(100)).await;
    let (report, ()) = service
        .stop_while(async {
            sleep(Duration::from_millis(200)).await;
            assert!(TcpStream::connect(service.web.local_addr()).await.is_err(), "it drains");
            assert!(says(admin.local_addr()).await.ends_with("hello"));
            assert!(rest(&mut slow).await.ends_with("done"));
        })
        .await;
    drained(&report);
    for name in ["last look", "admin"] {
        assert_eq!(report.waiter(name).unwrap().outcome, Some(Outcome::Done), "{report}");
    }
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
}
