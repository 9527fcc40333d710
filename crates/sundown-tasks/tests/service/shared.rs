//! What only a store has to show that other machines share.

use std::time::Duration;

use serde_json::json;
use sundown::Cause;
use sundown_tasks::State;

use super::desk::{Place, request, settings, start, start_with};
use super::gate::Gate;

#[tokio::test]
async fn what_comes_from_outside_while_a_replica_stops_is_done_by_another() {
    let place = Place::schema();
    let (busy, free) = (Gate::new(), Gate::new());
    let cap = Duration::from_secs(20);
    let stops = start_with(&place, vec![busy.kind()], settings().concurrency(1), cap).await;
    stops.hand_in("gate", json!(null)).await;
    busy.begun(1).await;
    stops.coordinator.initiate(Cause::requested("test"));
    let error = stops.service.start_task(request("gate", json!(1))).await.unwrap_err();
    assert_eq!(error.name(), "shutting_down", "the application itself is stopping");
    let taken = stops.service.hand_in(request("gate", json!(2))).await.unwrap();
    let batch = stops.service.hand_in_batch(vec![request("gate", json!(3))]).await.unwrap();
    let other = start(&place, vec![free.kind()]).await;
    free.open();
    for task in [taken.id, batch[0].as_ref().unwrap().id] {
        assert_eq!(other.reaches(task, State::Succeeded).await.attempt, 1);
    }
    assert_eq!(busy.seen().begun, 1, "and not by the one that stops");
    busy.open();
    let report = stops.coordinator.run().await;
    assert!(report.is_clean(), "{report}");
    other.stop().await;
}
