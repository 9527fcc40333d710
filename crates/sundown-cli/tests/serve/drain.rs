//! Stopped in the middle of everything, it serves what it has begun to the last byte.

use std::time::{Duration, Instant};

use sundown_drill::process::Signal;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::http::{Client, get};
use crate::service::{Scratch, files_below, last_word, launch, serving, start};
use crate::visit::Visit;

/// Clients of these kinds visit; once all of them are on their way, and so much later, the service
/// gets a SIGTERM.
async fn stopped_under(visits: &[Visit], later: Duration, flags: &str) {
    let scratch = Scratch::new();
    let mut service = start(&scratch, flags);
    let mut clients = JoinSet::new();
    let mut begun = Vec::new();
    for visit in visits {
        let (tell, told) = oneshot::channel();
        begun.push(told);
        clients.spawn(visit.run(service.web, tell));
    }
    for told in begun {
        // One that failed before says so in its own words.
        let _ = told.await;
    }
    sleep(Duration::from_millis(30) + later).await;
    service.signal(Signal::Term);
    let results = clients.join_all().await;
    let exit = service.ends_with(0);
    for result in results {
        assert_eq!(result, Ok(()), "after {later:?}\n{}", exit.stderr);
    }
    assert_eq!(last_word(&exit)["sundown"], "clean");
    assert_eq!(files_below(scratch.0.join("tmp").as_path()), 0, "temporary files are left");
}

macro_rules! each_is_served_to_the_end {
    ($($name:ident: $visit:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            stopped_under(&[Visit::$visit; 4], Duration::ZERO, "").await;
        }
    )*};
}

each_is_served_to_the_end! {
    idle_connections_are_closed: Idle
    an_answer_on_a_used_connection_arrives: Busy
    a_slow_reader_gets_its_four_megabytes: SlowReader
    an_upload_in_chunks_is_taken_whole: ChunkedUpload
    an_upload_of_known_length_is_taken_whole: SizedUpload
    event_streams_end_after_a_whole_event: Events
    websockets_are_said_goodbye: Socket
    streams_of_http2_end_whole: H2
}

#[tokio::test(flavor = "multi_thread")]
async fn at_random_moments_everybody_is_served_to_the_end() {
    let rounds = if std::env::var_os("XTASK_FULL").is_some() { 60 } else { 6 };
    for seed in 0..rounds {
        let began = Instant::now();
        let mut rng = fastrand::Rng::with_seed(seed);
        let visits: Vec<Visit> = (0..24).map(|_| rng.choice(Visit::ALL).unwrap()).collect();
        let later = Duration::from_millis(rng.u64(0..700));
        let announce = rng.choice([0, 50, 300]).unwrap();
        println!("seed {seed}: {later:?}, announce {announce} ms");
        stopped_under(&visits, later, &format!("--shutdown-announce {announce}ms")).await;
        println!("{:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_announces_new_connections_are_served_and_asked_to_close() {
    let scratch = Scratch::new();
    let mut service = start(&scratch, "--shutdown-announce 800ms");
    let mut kept = Client::connect(service.web).await.unwrap();
    assert!(!kept.get("/").await.unwrap().closes());
    assert_eq!(get(service.admin, "/readyz").await.unwrap().status, 200);

    service.signal(Signal::Term);
    let began = Instant::now();
    sleep(Duration::from_millis(200)).await;
    let ready = get(service.admin, "/readyz").await.unwrap();
    assert_eq!((ready.status, &*ready.text()), (503, "shutting down"));
    assert_eq!(get(service.admin, "/healthz").await.unwrap().status, 200);
    let answer = get(service.web, "/try/slow/900").await.unwrap();
    assert!(answer.status == 200 && answer.closes(), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(10));
    assert_eq!(kept.rest().await.len(), 0, "an idle connection is closed when it drains");
    service.ends_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_it_drains_the_public_port_is_closed_and_the_admin_port_open() {
    let scratch = Scratch::new();
    let mut service = start(&scratch, "");
    let mut slow = Client::connect(service.web).await.unwrap();
    slow.ask("GET /try/slow/1500", "").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    service.signal(Signal::Term);
    sleep(Duration::from_millis(400)).await;
    assert!(Client::connect(service.web).await.is_err(), "it takes no more connections");
    assert_eq!(get(service.admin, "/healthz").await.unwrap().status, 200);
    let values = get(service.admin, "/metrics").await.unwrap().text();
    assert!(values.contains("application_shutting_down 1\n"), "{values}");
    assert!(values.contains("sundown_in_flight_at_signal{server=\"web\"} 1\n"), "{values}");
    let status = get(service.admin, "/shutdown").await.unwrap().text();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    let waiters = status["phases"][1]["waiters"].as_array().unwrap();
    assert!(waiters.iter().any(|waiter| waiter["name"] == "web"), "{status}");
    assert_eq!(slow.answer(Duration::ZERO).await.unwrap().text(), "that took 1500 ms\n");
    service.ends_with(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_cuts_the_drain_short_and_says_who_was_cut() {
    let scratch = Scratch::new();
    let mut service = start(&scratch, "");
    let mut slow = Client::connect(service.web).await.unwrap();
    slow.ask("GET /try/slow/60000", "").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    service.signal(Signal::Term);
    sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    service.signal(Signal::Term);
    assert_eq!(slow.rest().await.len(), 0, "cut, not answered in part");
    let exit = service.ends_with(3);
    assert!(began.elapsed() < Duration::from_secs(5), "it did not wait for the minute");
    let word = last_word(&exit);
    assert_eq!(word["trouble"][0]["name"], "web", "{word}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_signal_ends_it_at_once() {
    let scratch = Scratch::new();
    // Something that even the second signal waits for: a request to the admin listener that is
    // still being sent holds its hook, which has the whole time of `release`.
    let flags = "--shutdown-release 20s --web-stall-timeout 60s --web-head-timeout 60s";
    let launch = launch(&scratch, flags).env("SUNDOWN_ADMIN_TOKEN", "battery-staple");
    let mut service = serving(launch.spawn().unwrap());
    let mut sending = Client::connect(service.admin).await.unwrap();
    let bearer = "Authorization: Bearer battery-staple\r\nContent-Length: 100\r\n";
    sending.ask("POST /shutdown", bearer).await.unwrap();
    sending.send(b"{").await.unwrap();
    sleep(Duration::from_millis(200)).await;
    service.signal(Signal::Term);
    sleep(Duration::from_millis(200)).await;
    service.signal(Signal::Int);
    sleep(Duration::from_millis(1000)).await;
    assert!(is_running(service.process.id()), "the second signal waits for `release`");
    let began = Instant::now();
    service.signal(Signal::Quit);
    let exit = service.ends_with(1);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(exit.stderr.contains("\"verdict\":\"forced\""), "{}", exit.stderr);
}

/// Whether it has not ended, not even as one that nobody has waited for.
fn is_running(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_cap_it_is_gone_and_names_who_was_waited_for() {
    let scratch = Scratch::new();
    let flags = "--shutdown-timeout 3s --shutdown-flush 500ms --shutdown-release 500ms";
    let mut service = start(&scratch, flags);
    let mut slow = Client::connect(service.web).await.unwrap();
    slow.ask("GET /try/slow/60000", "").await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    service.signal(Signal::Term);
    let exit = service.ends_with(3);
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let word = last_word(&exit);
    assert_eq!(word["trouble"][0]["name"], "web", "{word}");
    assert_eq!(slow.rest().await.len(), 0);
}
