//! The health API as its callers see it: probes, operators, scripts.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use actix_http::Request;
use actix_web::App;
use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use sundown::{Cause, Coordinator, NoopCoordinator, Report, Verdict, Waiter};
use sundown_health::Health;

fn coordinator() -> Arc<Coordinator> {
    let settings = Coordinator::builder().cap(Duration::from_secs(20)).announce(Duration::ZERO);
    settings.build().unwrap()
}

/// Asks a service with these routes once.
async fn ask(health: &Health, request: Request) -> (u16, String) {
    let app = init_service(App::new().configure(health.routes())).await;
    let response: ServiceResponse = call_service(&app, request).await;
    let status = response.status().as_u16();
    (status, String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

async fn get(health: &Health, path: &str) -> (u16, String) {
    ask(health, TestRequest::get().uri(path).to_request()).await
}

fn answer(status: u16, body: &str) -> (u16, String) {
    (status, body.to_owned())
}

#[tokio::test]
async fn readiness_ends_with_the_cause_and_life_does_not() {
    let coordinator = coordinator();
    let health = Health::new(coordinator.clone());
    assert_eq!(get(&health, "/readyz").await, answer(200, "ready"));
    assert_eq!(get(&health, "/healthz").await, answer(200, "alive"));
    coordinator.initiate(Cause::requested("test"));
    assert_eq!(get(&health, "/readyz").await, answer(503, "shutting down"));
    assert_eq!(get(&health, "/healthz").await, answer(200, "alive"));
}

#[tokio::test]
async fn a_check_that_says_no_or_panics_is_named() {
    let is_well = Arc::new(AtomicBool::new(true));
    let looks = is_well.clone();
    let health = Health::new(coordinator())
        .check("database", || true)
        .check("task service", move || looks.load(Ordering::Relaxed));
    assert_eq!(get(&health, "/readyz").await, answer(200, "ready"));
    is_well.store(false, Ordering::Relaxed);
    assert_eq!(get(&health, "/readyz").await, answer(503, "task service unhealthy"));
    let health = Health::new(coordinator()).check("cache", || panic!("scripted"));
    assert_eq!(get(&health, "/readyz").await, answer(503, "cache unhealthy"));
    assert_eq!(get(&health, "/healthz").await, answer(200, "alive"));
}

#[tokio::test]
async fn a_single_replica_may_stay_ready_while_it_drains() {
    let coordinator = coordinator();
    let health = Health::new(coordinator.clone()).hold_readiness();
    coordinator.initiate(Cause::requested("test"));
    assert_eq!(get(&health, "/readyz").await, answer(200, "ready"));
}

#[tokio::test]
async fn only_the_bearer_of_the_token_may_stop_the_service() {
    let coordinator = coordinator();
    let health = Health::new(coordinator.clone()).token("s3cret");
    let post = || TestRequest::post().uri("/shutdown");
    for wrong in ["", "Bearer", "Bearer s3cre", "Bearer s3crets", "Bearer S3CRET", "Basic s3cret"] {
        let request = post().insert_header(("Authorization", wrong)).to_request();
        assert_eq!(ask(&health, request).await.0, 401, "{wrong:?}");
    }
    assert_eq!(ask(&health, post().to_request()).await.0, 401);
    assert!(!coordinator.is_shutting_down());

    let with_token = || post().insert_header(("Authorization", "Bearer s3cret"));
    let torn = ask(&health, with_token().set_payload("{").to_request()).await;
    assert_eq!(torn.0, 400, "{torn:?}");
    assert!(!coordinator.is_shutting_down(), "a request that is torn stops nothing");

    let reasoned = with_token().set_payload(r#"{"reason": "node drain"}"#).to_request();
    let (status, body) = ask(&health, reasoned).await;
    assert_eq!((status, body.contains(r#""initiated":true"#)), (202, true), "{body}");
    assert_eq!(coordinator.cause(), Some(Cause::requested("node drain")));
    let (status, body) = ask(&health, with_token().to_request()).await;
    assert_eq!((status, body.contains(r#""initiated":false"#)), (202, true), "{body}");
}

#[tokio::test]
async fn without_a_token_nobody_may_and_an_empty_one_is_none() {
    for health in [Health::new(coordinator()), Health::new(coordinator()).token("")] {
        let request = TestRequest::post()
            .uri("/shutdown")
            .insert_header(("Authorization", "Bearer "))
            .to_request();
        let (status, _) = ask(&health, request).await;
        assert!(status == 404 || status == 405, "{status}");
    }
}

#[tokio::test]
async fn the_status_is_the_report_so_far() {
    let coordinator = coordinator();
    let health = Health::new(coordinator.clone());
    coordinator.register_waiter(Waiter::new("tasks", |_| async {})).unwrap();
    let (status, body) = get(&health, "/shutdown").await;
    assert_eq!(status, 200);
    let report = Report::from_json(&body).unwrap();
    assert_eq!(report.verdict, Verdict::Running);
    assert!(report.waiter("tasks").is_some(), "the plan is told before it runs");
    coordinator.initiate(Cause::requested("test"));
    coordinator.run().await;
    let (_, body) = get(&health, "/shutdown").await;
    assert_eq!(Report::from_json(&body).unwrap().verdict, Verdict::Clean);
}

#[tokio::test]
async fn the_live_status_tells_each_change_and_ends_with_the_plan() {
    let coordinator = coordinator();
    let health = Health::new(coordinator.clone());
    let slow = Waiter::new("slow", |_| tokio::time::sleep(Duration::from_millis(500)));
    coordinator.register_waiter(slow).unwrap();
    let request = TestRequest::get()
        .uri("/shutdown")
        .insert_header(("Accept", "text/event-stream"))
        .to_request();
    let stop = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        coordinator.initiate(Cause::requested("test"));
        coordinator.run().await
    };
    let ((status, body), _) = tokio::join!(ask(&health, request), stop);
    assert_eq!(status, 200);
    let reports: Vec<Report> = body
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("event: report\ndata: "))
        .map(|json| Report::from_json(json).unwrap())
        .collect();
    assert!(reports.len() >= 3, "{}", reports.len());
    assert_eq!(reports[0].cause, None);
    let runs = |report: &Report| report.waiter("slow").unwrap().start.is_some();
    assert!(reports.iter().any(|report| runs(report) && report.verdict == Verdict::Running));
    assert_eq!(reports.last().unwrap().verdict, Verdict::Clean);
    assert!(body.ends_with("\n\nretry: 1000\n\n"), "{body}");
}

/// An answer's status, its `Allow`, and its body.
async fn asked(health: &Health, method: Method, path: &str) -> (u16, Option<String>, String) {
    let app = init_service(App::new().configure(health.routes())).await;
    let request = TestRequest::with_uri(path).method(method).to_request();
    let response: ServiceResponse = call_service(&app, request).await;
    let allow = response.headers().get("Allow").map(|allow| allow.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    (status, allow, String::from_utf8(read_body(response).await.to_vec()).unwrap())
}

#[tokio::test]
async fn head_is_answered_as_get_and_other_methods_are_told_what_is_allowed() {
    let open = Health::new(coordinator()).token("s3cret");
    let closed = Health::new(coordinator());
    for (health, path, allows) in [
        (&open, "/healthz", "GET, HEAD"),
        (&open, "/readyz", "GET, HEAD"),
        (&open, "/shutdown", "GET, HEAD, POST"),
        (&closed, "/shutdown", "GET, HEAD"),
    ] {
        // Without the body: that is left out when it goes over the wire.
        assert_eq!(asked(health, Method::HEAD, path).await.0, 200, "{path}");
        let (status, allow, _) = asked(health, Method::DELETE, path).await;
        assert_eq!((status, allow.as_deref()), (405, Some(allows)), "{path}");
    }
    let ill = open.check("task service", || false);
    assert_eq!(asked(&ill, Method::HEAD, "/readyz").await.0, 503);
}

#[tokio::test]
async fn a_head_for_events_does_not_wait_for_them() {
    let health = Health::new(coordinator());
    let request = TestRequest::with_uri("/shutdown")
        .method(Method::HEAD)
        .insert_header(("Accept", "text/event-stream"))
        .to_request();
    let answer = tokio::time::timeout(Duration::from_secs(5), ask(&health, request)).await;
    assert_eq!(answer.unwrap(), (200, String::new()));
}

#[tokio::test]
async fn it_works_in_testing_mode_too() {
    let health = Health::new(Arc::new(NoopCoordinator::new())).token("s3cret");
    assert_eq!(get(&health, "/readyz").await, answer(200, "ready"));
    let request = TestRequest::post()
        .uri("/shutdown")
        .insert_header(("Authorization", "Bearer s3cret"))
        .to_request();
    let (status, body) = ask(&health, request).await;
    assert_eq!((status, body.contains(r#""initiated":false"#)), (202, true), "{body}");
    assert_eq!(get(&health, "/readyz").await, answer(200, "ready"));
}
