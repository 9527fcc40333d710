//! Taking tasks in, and refusing them in words.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use serde_json::json;
use sundown::Cause;
use sundown_tasks::{Change, Kind, Refused, State};
use tokio::time::sleep;

use super::desk::{Place, request, settings, sleeper, start, start_with, until};
use super::gate::Gate;

pub(crate) async fn a_task_is_answered_with_its_id_and_its_stream_and_is_done(place: Place) {
    let replica = start(&place, vec![sleeper()]).await;
    let started = replica.service.start_task(request("sleep", json!(1))).await.unwrap();
    assert!(started.is_new);
    assert_eq!(started.stream_url, format!("/tasks/{}/events", started.id));
    let entry = replica.reaches(started.id, State::Succeeded).await;
    assert_eq!(entry.output.unwrap().get(), r#"{"attempt":1}"#);
    assert!(replica.stop().await.is_clean());
}

pub(crate) async fn what_cannot_be_done_is_refused_with_the_reason(place: Place) {
    let replica = start(&place, vec![sleeper()]).await;
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
    let outside = replica.service.hand_in(request("sleep", json!(1))).await;
    match place {
        Place::File(_) => {
            let name = outside.unwrap_err().name();
            assert_eq!(name, "shutting_down", "nobody else runs what is in this file");
        }
        #[cfg(feature = "postgres")]
        Place::Schema(_) => assert!(outside.is_ok(), "others run it"),
    }
    assert!(replica.coordinator.run().await.is_clean());
}

pub(crate) async fn the_same_key_is_the_same_task(place: Place) {
    let replica = start(&place, vec![sleeper()]).await;
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

pub(crate) async fn a_full_queue_refuses_and_has_room_again(place: Place) {
    let settings = settings().concurrency(1).queue_limit(3);
    let replica = start_with(&place, vec![sleeper()], settings, Duration::from_secs(20)).await;
    let running = replica.hand_in("sleep", json!(60_000)).await;
    // From then on it takes none of those that wait.
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

pub(crate) async fn nothing_runs_before_its_time(place: Place) {
    let replica = start(&place, vec![sleeper()]).await;
    #[expect(clippy::disallowed_methods, reason = "`run_at` is a time of day")]
    let at = |time| request("sleep", json!(1)).run_at(SystemTime::now() + time);
    let ask = async |request| replica.service.start_task(request).await.unwrap().id;
    let much_later = ask(at(Duration::from_secs(3600))).await;
    let soon = ask(at(Duration::from_millis(300))).await;
    let entry = replica.reaches(soon, State::Succeeded).await;
    assert!(entry.started_at.unwrap() >= entry.run_at, "{entry:?}");
    let now = replica.hand_in("sleep", json!(1)).await;
    replica.reaches(now, State::Succeeded).await;
    let entry = replica.service.get(much_later).await.unwrap().unwrap();
    assert_eq!((entry.state, entry.attempt), (State::Pending, 0));
    replica.stop().await;
}

pub(crate) async fn the_urgent_are_first(place: Place) {
    let gate = Gate::new();
    let order = Arc::new(Mutex::new(Vec::new()));
    let list = order.clone();
    let lists = Kind::blocking("list", move |name: String, _| {
        list.lock().unwrap().push(name);
        Ok(())
    });
    let settings = settings().concurrency(1);
    let cap = Duration::from_secs(20);
    let replica = start_with(&place, vec![gate.kind(), lists], settings, cap).await;
    replica.hand_in("gate", json!(null)).await;
    gate.begun(1).await;
    let asked = [("later", -1), ("first", 0), ("urgent", 9), ("second", 0), ("sooner", 2)];
    let asked = asked.map(|(name, priority)| request("list", json!(name)).priority(priority));
    let answers = replica.service.start_batch(asked.into()).await.unwrap();
    gate.open();
    for answer in answers {
        replica.reaches(answer.unwrap().id, State::Succeeded).await;
    }
    assert_eq!(*order.lock().unwrap(), ["urgent", "sooner", "first", "second", "later"]);
    replica.stop().await;
}

pub(crate) async fn what_is_over_is_forgotten_after_its_time(place: Place) {
    let kept = start(&place, vec![sleeper()]).await;
    let task = kept.hand_in("sleep", json!(1)).await;
    kept.reaches(task, State::Succeeded).await;
    sleep(Duration::from_secs(1)).await;
    assert!(kept.service.get(task).await.unwrap().is_some(), "it is kept for a week");
    let settings = settings().retention(Duration::from_millis(1));
    let forgets = start_with(&place, vec![], settings, Duration::from_secs(20)).await;
    until("it is forgotten", async || kept.service.get(task).await.unwrap().is_none()).await;
    kept.stop().await;
    forgets.stop().await;
}

pub(crate) async fn two_kinds_of_one_name_are_a_mistake_of_the_program(place: Place) {
    let coordinator = sundown::Coordinator::builder().build().unwrap();
    let kinds: Vec<Kind> = vec![sleeper(), sleeper()];
    let error =
        sundown_tasks::TaskService::start(coordinator, place.store().await, kinds, settings());
    assert!(error.unwrap_err().to_string().contains("`sleep` is there twice"));
}
