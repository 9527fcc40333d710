//! Following a task, over the end of the replica that runs it.

use std::time::Duration;

use serde_json::json;
use sundown_tasks::{Heard, Kind, State, Task, TaskContext, TaskError, TaskService, What};
use tokio::time::{sleep, timeout};

use super::desk::{PATIENCE, Place, settings, start, start_on};

/// Tells every number up to its input.
struct Tells;

impl Task for Tells {
    const KIND: &'static str = "tell";
    type Input = u64;
    type Output = ();

    async fn run(&self, to: u64, context: TaskContext) -> Result<(), TaskError> {
        for number in context.cursor("told").unwrap_or(0)..to {
            sleep(Duration::from_millis(5)).await;
            context.checkpoint_and_tell("told", &(number + 1), &number).await?;
            if context.is_wrapping_up() {
                return Err(TaskError::unfinished());
            }
        }
        Ok(())
    }
}

/// Everything from behind a position, up to `most` events or the end of the task.
async fn hear(
    service: &TaskService,
    task: sundown_tasks::TaskId,
    from: u64,
    most: usize,
) -> (Vec<(u64, String)>, Option<State>) {
    let mut follower = service.follow(task, from);
    let mut heard = Vec::new();
    while heard.len() < most {
        match timeout(PATIENCE, follower.next()).await.unwrap().unwrap() {
            Some(Heard::Event(event)) => heard.push((event.seq, format!("{:?}", event.what))),
            Some(Heard::Over(state)) => return (heard, Some(state)),
            Some(Heard::Reset(next)) => panic!("nothing is forgotten, and it says {next}"),
            None => panic!("the task is there"),
        }
    }
    (heard, None)
}

pub(crate) async fn what_is_heard_over_a_restart_is_the_log_and_nothing_else(place: Place) {
    let first = start(&place, vec![Kind::new(Tells)]).await;
    let task = first.hand_in("tell", json!(60)).await;
    let (mut heard, _) = hear(&first.service, task, 0, 20).await;
    let (report, ()) = tokio::join!(first.stop(), async {});
    assert!(report.is_clean(), "{report}");

    let second = start(&place, vec![Kind::new(Tells)]).await;
    let position = heard.last().unwrap().0;
    let (rest, over) = hear(&second.service, task, position, usize::MAX).await;
    heard.extend(rest);
    assert_eq!(over, Some(State::Succeeded));

    let log = place.store().await.events(task, 0, 1000).await.unwrap().unwrap();
    let log: Vec<_> =
        log.events.iter().map(|event| (event.seq, format!("{:?}", event.what))).collect();
    assert_eq!(heard, log);
    let told = log.iter().filter(|(_, what)| what.starts_with("Progress")).count();
    assert_eq!(told, 60, "every number once: {log:?}");
    assert!(log.iter().any(|(_, what)| what.starts_with("Interrupted")));
    second.stop().await;
}

pub(crate) async fn a_position_that_was_never_reached_is_answered_with_a_reset(place: Place) {
    let replica = start(&place, vec![Kind::new(Tells)]).await;
    let task = replica.hand_in("tell", json!(3)).await;
    replica.reaches(task, State::Succeeded).await;
    let mut ahead = replica.service.follow(task, 77);
    let Some(Heard::Reset(next)) = ahead.next().await.unwrap() else { panic!("77 was never told") };
    assert_eq!(next, 1);
    let mut seen = 0;
    while let Some(heard) = ahead.next().await.unwrap() {
        match heard {
            Heard::Event(event) => {
                assert!(matches!(event.what, What::Progress(_)));
                seen += 1;
            }
            Heard::Over(state) => assert_eq!(state, State::Succeeded),
            Heard::Reset(_) => panic!("only once"),
        }
    }
    assert_eq!(seen, 3);
    assert!(replica.service.follow(sundown_tasks::TaskId(9999), 0).next().await.unwrap().is_none());
    replica.stop().await;
}

pub(crate) async fn a_position_that_is_forgotten_is_answered_with_a_reset(place: Place) {
    let cap = Duration::from_secs(20);
    let store = place.store_keeping(5).await;
    let replica = start_on(store, vec![Kind::new(Tells)], settings(), cap);
    let task = replica.hand_in("tell", json!(100)).await;
    replica.reaches(task, State::Succeeded).await;
    let mut late = replica.service.follow(task, 1);
    let Some(Heard::Reset(next)) = late.next().await.unwrap() else { panic!("2 is forgotten") };
    assert!((3..=96).contains(&next), "{next}");
    let mut seen = Vec::new();
    while let Some(heard) = late.next().await.unwrap() {
        match heard {
            Heard::Event(event) => seen.push(event.seq),
            Heard::Over(state) => assert_eq!(state, State::Succeeded),
            Heard::Reset(_) => panic!("only once"),
        }
    }
    assert_eq!(seen, (next..=100).collect::<Vec<u64>>());
    replica.stop().await;
}
