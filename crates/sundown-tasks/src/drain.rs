//! The service's part in the shutdown: wait for what runs, hand back what does not end in time.

use std::cmp::Reverse;
use std::fmt::Write as _;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sundown::{
    Deadline, HandedBack, Pending, PendingItem, Phase, PlanError, Priority, ShutdownCoordinator,
    Waiter,
};
use tokio::time::sleep;
use tracing::error;

use crate::failures::Ended;
use crate::metrics;
use crate::service::Service;
use crate::store::{Ending, StoreError};
use crate::{Fence, TaskId};

/// Kept back at the end of the drain for those who obey at the last moment.
const LAST: Duration = Duration::from_millis(50);
/// The least time that handing back needs.
const LEAST: Duration = Duration::from_millis(200);
/// The pause before the store is asked again after it could not answer.
const PAUSE: Duration = Duration::from_millis(50);
/// How many tasks are named in the report.
const NAMED: usize = 20;

/// Who takes part: their names, phases and least times.
pub(crate) fn outline(name: &str) -> [(String, Phase, Duration); 3] {
    [
        (name.to_owned(), Phase::DRAIN, Duration::ZERO),
        (format!("{name} hand-back"), Phase::FLUSH, LEAST),
        (format!("{name} store"), Phase::RELEASE, Duration::ZERO),
    ]
}

/// Registers them.
pub(crate) fn join(
    coordinator: &dyn ShutdownCoordinator,
    service: &Arc<Service>,
) -> Result<(), PlanError> {
    let [drains, hands_back, closes] = outline(&service.settings.name);
    let (draining, giving, store) = (service.clone(), service.clone(), service.store.clone());
    let asked = service.clone();
    let drains =
        Waiter::new(drains.0, move |deadline| async move { drain(&draining, deadline).await })
            .pending(move || pending(&asked));
    let least = hands_back.2;
    let hands_back =
        Waiter::new(
            hands_back.0,
            move |deadline| async move { hand_back(&giving, deadline).await },
        );
    let closes = Waiter::new(closes.0, move |_deadline| async move { store.close().await });
    for part in
        [drains, hands_back.in_phase(Phase::FLUSH).least(least), closes.as_hook(Priority::Normal)]
    {
        coordinator.register_waiter(part)?;
    }
    Ok(())
}

/// The tasks of this process, the oldest first.
fn pending(service: &Service) -> Pending {
    let mut tasks = service.attempts.list();
    tasks.sort_by_key(|(_, _, age)| Reverse(*age));
    let item = |(fence, kind, age): &(Fence, String, Duration)| PendingItem {
        what: format!("task {} {kind}, attempt {}", fence.task, fence.attempt),
        age: *age,
    };
    Pending { total: tasks.len(), oldest: tasks.iter().take(10).map(item).collect() }
}

/// Waits until nothing is held any more. A little before the end those that still run are told to
/// stop where they are; what remains then is the hand-back's.
async fn drain(service: &Service, deadline: Deadline) -> HandedBack {
    let reserve = service.settings.reserve.min(deadline.left() / 5);
    let wrap_up = deadline.minus(reserve);
    // A second shutdown of one service there is not.
    let _ = service.drain_deadline.set(wrap_up);
    if wrap_up.bound(service.attempts.none_left()).await.is_none() {
        service.attempts.cancel_all();
        let _ = deadline.minus(LAST).bound(service.attempts.none_left()).await;
    }
    let account = service.account.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let note = match account.ended.len() {
        0 => "none ended meanwhile".to_owned(),
        count => format!("{count} ended: {}", listed(&account.ended)),
    };
    HandedBack::default().note(note)
}

/// Gives back, in one step, whatever has not ended, so that others go on from the last checkpoints.
async fn hand_back(service: &Service, deadline: Deadline) -> Result<HandedBack, String> {
    let given = service.attempts.give_up();
    let endings: Vec<(Fence, Ending)> = given
        .iter()
        .map(|fence| (*fence, Ending::Interrupted { reason: "handed back at shutdown".to_owned() }))
        .collect();
    let written = async {
        while !endings.is_empty() {
            match service.store.finish(endings.clone()).await {
                Ok(finished) => {
                    for (ended, finish) in endings.iter().map(Ended::of).zip(finished) {
                        let failure = ended.failure(finish, |of| service.attempts.kind_of(of));
                        failure.into_iter().for_each(|it| service.keeper.failures().add(it));
                    }
                    service.attempts.forget(&given);
                    break;
                }
                Err(error @ StoreError::Closed) => return Err(error),
                Err(error @ StoreError::Broken { .. }) => {
                    // One of them spoils it; the keeper finds out which.
                    error!(%error, "cannot hand back in one step; in several now");
                    service.attempts.owe(endings);
                    break;
                }
                Err(StoreError::Unavailable { .. }) => sleep(PAUSE).await,
            }
        }
        // Those whose code had ended before are being written down by the keeper.
        service.attempts.none_left().await;
        service.keeper.failures().tell();
        Ok(())
    };
    let left = || {
        let left: Vec<TaskId> =
            service.attempts.fences().into_iter().map(|fence| fence.task).collect();
        format!(
            "{} tasks could not be handed back, and begin again when their lease has run out: {}",
            left.len(),
            listed(&left)
        )
    };
    match deadline.minus(LAST).bound(written).await {
        Some(Ok(())) => {}
        Some(Err(error)) => return Err(format!("{}: {error}", left())),
        None => return Err(left()),
    }
    let mut account = service.account.lock().unwrap_or_else(PoisonError::into_inner).clone();
    account.given_back.extend(given.iter().map(|fence| fence.task));
    metrics::handed_back(account.given_back.len());
    Ok(match account.given_back.len() {
        0 => HandedBack::default(),
        count => HandedBack::new(count as u64).note(listed(&account.given_back)),
    })
}

fn listed(tasks: &[TaskId]) -> String {
    let mut list = String::new();
    for (index, task) in tasks.iter().take(NAMED).enumerate() {
        let _ = write!(list, "{}{task}", if index == 0 { "" } else { ", " });
    }
    let more = tasks.len().saturating_sub(NAMED);
    if more > 0 {
        let _ = write!(list, " and {more} more");
    }
    list
}
