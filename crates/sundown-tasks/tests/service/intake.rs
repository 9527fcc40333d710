//! Taking tasks in, and refusing them in words.

use std::time::{Duration, SystemTime};

use serde_json::json;

use sundown::Cause;
use sundown_tasks::{Change, Kind, Refused, State};

use super::desk::{Place, request, settings, sleeper, start, start_with};

#[tokio::test]
async fn a_task_is_answered_with_its_id_and_its_stream_and_is_done() {
    let place = Place::new();
    let replica = start(&place, vec![sleeper()]);
    let started = replica.service.start_task(request("sleep", json!(1))).await.unwrap();
    assert!(started.is_new);
    assert_eq!(started.stream_url, format!("/tasks/{}/events", started.id));
    let entry = replica.reaches(started.id, State::Succeeded).await;
    assert_eq!(entry.output.unwrap().get(), r#"{"attempt":1}"#);
    assert!(replica.stop().await.is_clean());
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_the_reason() {
    let place = Place::new();
    let replica = start(&place, vec![sleeper()]);
    let refused = |kind: &'static str, input| {
        let service = replica.service.clone();
        async move { service.start_task(request(kind, input)).await.unwrap_err() }
    };
    let error = refused("slepe", json!(1)).await;
    assert_eq!(error.to_string(), "there is no kind `slepe` (there are: sleep)");
    let error = refused("sleep", json!("long")).await;
    assert!(matches!(error, Refused::InvalidInput { .. }), "{error}");
    let key = replica.service.start_task(request("sleep", json!(1)).key("")).await;
    assert!(matches!(key, Err(Refused::BadKey)));

    replica.coordinator.initiate(Cause::requested("test"));
    let error = refused("sleep", json!(1)).await;
    assert_eq!(error.to_string(), "service is shutting down");
    let outside = replica.service.hand_in(request("sleep", json!(1))).await.unwrap_err();
    assert_eq!(outside.name(), "shutting_down", "nobody else runs what is in this file");
    assert!(replica.coordinator.run().await.is_clean());
}

#[tokio::test]
async fn the_same_key_is_the_same_task() {
    let place = Place::new();
    let replica = start(&place, vec![sleeper()]);
    let ask = |input| replica.service.start_task(request("sleep", input).key("order-7"));
    let first = ask(json!(1)).await.unwrap();
    let again = ask(json!(1)).await.unwrap();
    assert_eq!((again.id, again.is_new), (first.id, false));
    let other = ask(json!(2)).await.unwrap_err();
    assert!(matches!(other, Refused::KeyTaken { task } if task == first.id), "{other}");
    replica.reaches(first.id, State::Succeeded).await;
    assert_eq!(ask(json!(1)).await.unwrap().id, first.id, "also when it is over");
    replica.stop().await;
}

#[tokio::test]
async fn a_full_queue_refuses_and_has_room_again() {
    let place = Place::new();
    let settings = settings().concurrency(1).queue_limit(3);
    let replica = start_with(&place, vec![sleeper()], settings, Duration::from_secs(20));
    let running = replica.hand_in("sleep", json!(60_000)).await;
    replica.reaches(running, State::Running).await;
    let batch = (0..5).map(|_| request("sleep", json!(1))).collect();
    let answers = replica.service.start_batch(batch).await.unwrap();
    let taken = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(taken, 3, "{answers:?}");
    assert!(matches!(answers[4], Err(Refused::QueueFull { limit: 3 })));
    let first = answers[0].as_ref().unwrap().id;
    assert_eq!(replica.service.cancel(first).await.unwrap(), Change::Now(State::Cancelled));
    replica.service.start_task(request("sleep", json!(1))).await.unwrap();
    assert_eq!(replica.service.cancel(running).await.unwrap(), Change::Now(State::Running));
    replica.reaches(running, State::Cancelled).await;
    replica.stop().await;
}

#[tokio::test]
async fn nothing_runs_before_its_time() {
    let place = Place::new();
    let replica = start(&place, vec![sleeper()]);
    #[expect(clippy::disallowed_methods, reason = "`run_at` is a time of day")]
    let at = SystemTime::now() + Duration::from_millis(400);
    let later = replica.service.start_task(request("sleep", json!(1)).run_at(at)).await.unwrap().id;
    let now = replica.hand_in("sleep", json!(1)).await;
    replica.reaches(now, State::Succeeded).await;
    let entry = replica.service.get(later).await.unwrap().unwrap();
    assert_eq!(entry.state, State::Pending);
    let entry = replica.reaches(later, State::Succeeded).await;
    assert!(entry.started_at.unwrap() >= entry.run_at, "{entry:?}");
    replica.stop().await;
}

#[tokio::test]
async fn two_kinds_of_one_name_are_a_mistake_of_the_program() {
    let place = Place::new();
    let coordinator = sundown::Coordinator::builder().build().unwrap();
    let kinds: Vec<Kind> = vec![sleeper(), sleeper()];
    let error = sundown_tasks::TaskService::start(coordinator, place.store(), kinds, settings());
    assert!(error.unwrap_err().to_string().contains("`sleep` is there twice"));
}
