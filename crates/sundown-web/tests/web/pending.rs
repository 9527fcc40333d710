//! Who is waited for, by request: while the server drains, and when they are cut.

use sundown::ShutdownCoordinator as _;

use super::*;

#[tokio::test]
async fn requests_that_are_waited_for_are_named_while_it_drains_and_when_they_are_cut() {
    let service = start(Duration::ZERO);
    let mut stream = service.connect().await;
    let peer = stream.local_addr().unwrap();
    send(&mut stream, "GET /slow/60000?token=secret HTTP/1.1").await;
    let (client, _driver) = drain::h2_client(service.web.local_addr()).await;
    let mut ready = client.ready().await.unwrap();
    let request = http::Request::get("http://x/slow/60001").body(()).unwrap();
    let _answer = ready.send_request(request, true).unwrap();
    while service.web.in_flight() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    service.coordinator.initiate(Cause::requested("test"));
    let coordinator = service.coordinator.clone();
    let stop = coordinator.wait_for_shutdown(Some(Duration::from_secs(12)));
    let look = async {
        loop {
            sleep(Duration::from_millis(20)).await;
            let report = service.coordinator.report();
            let pending = report.waiter("web").and_then(|web| web.pending.clone());
            if let Some(pending) = pending.filter(|pending| pending.total > 0) {
                return pending;
            }
        }
    };
    let (report, pending) = tokio::join!(stop, timeout(PATIENCE, look));
    let pending = pending.unwrap();
    assert_eq!(pending.total, 2, "{pending:?}");
    let expected = format!("GET /slow/60000 from {peer}");
    assert!(pending.oldest.iter().any(|item| item.what == expected), "{pending:?}");
    assert!(pending.oldest.iter().any(|item| item.what.starts_with("GET /slow/60001 from ")));
    let web = report.waiter("web").unwrap();
    assert_eq!(web.outcome, Some(Outcome::Failed), "{report}");
    let detail = web.detail.as_deref().unwrap();
    assert!(detail.starts_with("2 connections were cut, 2 answers not complete: "), "{detail}");
    assert!(detail.contains(&expected) && !detail.contains("secret"), "{detail}");
}
