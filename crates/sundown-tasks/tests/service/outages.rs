//! Stores that are slow, away, or refuse: whatever ended is written, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use sundown_tasks::{Ending, Fence, State, TaskId};
use tokio::time::sleep;

use super::desk::{Place, Replica, request, settings, sleeper, start_on, until};
use super::faulty::{Asked, Fate, Faulty, away, broken};

const CAP: Duration = Duration::from_secs(20);

/// Takes in so many that have nothing to do.
async fn fill(replica: &Replica, count: usize) -> Vec<TaskId> {
    let requests = (0..count).map(|_| request("sleep", json!(0))).collect();
    let answers = replica.service.start_batch(requests).await.unwrap();
    answers.into_iter().map(|answer| answer.unwrap().id).collect()
}

async fn is_idle(replica: &Replica) -> bool {
    let counts = replica.service.counts().await.unwrap();
    counts.pending + counts.running == 0
}

pub(crate) async fn no_end_is_lost_and_what_is_unwritten_is_bounded_however_slow_the_store(
    place: Place,
) {
    let is_stuck = Arc::new(AtomicBool::new(true));
    let stuck = is_stuck.clone();
    let store = Faulty::before(place.store().await, move |asked| match asked {
        Asked::Finish(_) if stuck.load(Ordering::SeqCst) => away(),
        Asked::Finish(_) => Fate::Late(Duration::from_millis(20)),
        _ => Fate::Done,
    });
    let settings = settings().concurrency(8).lease(Duration::from_secs(60));
    let replica = start_on(store, vec![sleeper()], settings, CAP);
    for _ in 0..10 {
        fill(&replica, 1000).await;
    }
    let (mut most, mut since) = (0, Instant::now());
    until("no more is claimed", async || {
        let active = replica.service.active();
        if active > most {
            (most, since) = (active, Instant::now());
        }
        most > 2048 && since.elapsed() > Duration::from_secs(2)
    })
    .await;
    // Those that run, are claimed ahead, and fill a few requests.
    assert!(most <= 8 + 2048 + 2048, "{most}");
    is_stuck.store(false, Ordering::SeqCst);
    until("all are done", async || is_idle(&replica).await).await;
    let report = replica.stop().await;
    assert!(report.is_clean(), "{report}");
}

pub(crate) async fn an_end_that_cannot_be_written_keeps_no_other_waiting(place: Place) {
    let bad = TaskId(25);
    let store = Faulty::before(place.store().await, move |asked| match asked {
        Asked::Finish(endings) => {
            let spoils = |(fence, ending): &(Fence, Ending)| {
                fence.task == bad && matches!(ending, Ending::Succeeded(_))
            };
            if endings.iter().any(spoils) { broken() } else { Fate::Done }
        }
        _ => Fate::Done,
    });
    let replica = start_on(store, vec![sleeper()], settings(), CAP);
    let tasks = fill(&replica, 50).await;
    assert!(tasks.contains(&bad), "{tasks:?}");
    for task in tasks {
        let expected = if task == bad { State::Failed } else { State::Succeeded };
        let entry = replica.reaches(task, expected).await;
        if task == bad {
            let error = entry.error.unwrap();
            assert!(error.starts_with("its end could not be written: "), "{error}");
        }
    }
    assert!(replica.service.is_healthy(), "the store is well");
    let report = replica.stop().await;
    assert!(report.is_clean(), "{report}");
}

pub(crate) async fn ends_are_written_when_the_store_is_back(place: Place) {
    let is_away = Arc::new(AtomicBool::new(true));
    let now = is_away.clone();
    let store = Faulty::before(place.store().await, move |asked| match asked {
        Asked::Finish(_) | Asked::Renew if now.load(Ordering::SeqCst) => away(),
        _ => Fate::Done,
    });
    let settings = settings().lease(Duration::from_secs(60));
    let replica = start_on(store, vec![sleeper()], settings, CAP);
    let tasks = fill(&replica, 20).await;
    until("it is ill", async || !replica.service.is_healthy()).await;
    sleep(Duration::from_secs(2)).await;
    let counts = replica.service.counts().await.unwrap();
    assert_eq!(counts.pending + counts.running, 20, "nothing can be written: {counts:?}");
    is_away.store(false, Ordering::SeqCst);
    for task in tasks {
        assert_eq!(replica.reaches(task, State::Succeeded).await.attempt, 1);
    }
    replica.stop().await;
}
