//! The whole table: every standing that can be reached, and everything that can happen to it.

use std::time::Duration;

use sundown_tasks::{Change, Ending, Event, Fence, Finish, Standing, State};

use super::Bench;
use super::support::*;

/// The histories whose ends are the standings. Together they reach every state, with and without
/// failures and interruptions before, wanted and unwanted.
const HISTORIES: &[&[Event]] = &[
    &[],
    &[Event::Claimed],
    &[Event::Claimed, Event::Cancelled],
    &[Event::Claimed, Event::Failed],
    &[Event::Claimed, Event::Failed, Event::Claimed],
    &[Event::Claimed, Event::Failed, Event::Claimed, Event::Cancelled],
    &[Event::Claimed, Event::Interrupted],
    &[Event::Claimed, Event::Interrupted, Event::Claimed],
    &[Event::Claimed, Event::Interrupted, Event::Claimed, Event::Cancelled],
    &[Event::Claimed, Event::Interrupted, Event::Claimed, Event::Interrupted, Event::Claimed],
    &[Event::Claimed, Event::Returned],
    &[Event::Claimed, Event::Succeeded],
    &[Event::Claimed, Event::Cancelled, Event::Succeeded],
    &[Event::Claimed, Event::FailedForGood],
    &[Event::Cancelled],
    &[Event::Claimed, Event::Stopped],
    &[Event::Claimed, Event::Cancelled, Event::Failed],
    &[Event::Claimed, Event::Failed, Event::Claimed, Event::Failed],
    &[Event::Claimed, Event::FailedForGood, Event::Requeued],
    &[Event::Claimed, Event::Cancelled, Event::Stopped, Event::Requeued, Event::Claimed],
];

pub(crate) async fn the_whole_table(bench: &impl Bench) {
    let store = bench.open().await;
    let mut cases = 0;
    let mut reached = std::collections::HashSet::new();
    for (number, history) in HISTORIES.iter().enumerate() {
        for (event, last) in Event::ALL.into_iter().zip(0..) {
            let kind = format!("case {number} {last}");
            let mut subject = Subject::new(&store, &kind).await;
            for &before in *history {
                subject.suffers(before).await;
            }
            reached.insert((subject.standing.state, subject.standing.is_unwanted));
            subject.suffers(event).await;
            cases += 1;
        }
    }
    assert_eq!(cases, HISTORIES.len() * Event::ALL.len());
    for state in State::ALL {
        assert!(reached.contains(&(state, false)), "{state:?} was never reached");
    }
    assert!(reached.contains(&(State::Running, true)));
}

/// A task, and where it should stand.
struct Subject<'a> {
    store: &'a Handle,
    kind: &'a str,
    fence: Fence,
    standing: Standing,
}

impl<'a> Subject<'a> {
    async fn new(store: &'a Handle, kind: &'a str) -> Self {
        let mut new = task(kind);
        (new.max_attempts, new.max_interruptions) = (2, 1);
        let task = enqueue(store, new).await;
        Subject { store, kind, fence: Fence { task, attempt: 0 }, standing: Standing::new(2, 1) }
    }

    /// Lets it happen in the store, and demands what the table says.
    async fn suffers(&mut self, event: Event) {
        let expected = self.standing.next(event);
        let context = format!("{event:?} after {:?}", self.standing);
        match event {
            Event::Claimed => {
                let claims = claim(self.store, self.kind, 10).await;
                assert_eq!(claims.len(), usize::from(expected.is_ok()), "{context}");
                self.fence = claims.first().map_or(self.fence, |claim| claim.fence);
            }
            Event::Cancelled => {
                let change = self.store.cancel(self.fence.task).await.unwrap();
                assert_eq!(change, self.change(expected), "{context}");
            }
            Event::Requeued => {
                let change = self.store.requeue(self.fence.task).await.unwrap();
                assert_eq!(change, self.change(expected), "{context}");
            }
            Event::Returned
            | Event::Succeeded
            | Event::Failed
            | Event::FailedForGood
            | Event::Interrupted
            | Event::Stopped => {
                let finished = finish(self.store, self.fence, ending(event)).await;
                let expected = expected.map_or(Finish::Superseded, |to| Finish::Now(to.state));
                assert_eq!(finished, expected, "{context}");
            }
        }
        self.standing = expected.unwrap_or(self.standing);
        let task = get(self.store, self.fence.task).await;
        assert_eq!(seen(&task), visible(self.standing), "{context}");
        assert_eq!(task.attempt, self.fence.attempt, "{context}");
        assert_eq!(task.ended_at.is_some(), self.standing.state.is_final(), "{context}");
    }

    fn change(&self, expected: Result<Standing, sundown_tasks::Impossible>) -> Change {
        expected.map_or(Change::Impossible(self.standing.state), |to| Change::Now(to.state))
    }
}

fn ending(event: Event) -> Ending {
    match event {
        Event::Returned => Ending::Returned,
        Event::Succeeded => succeeded(),
        Event::Failed => failed(Duration::ZERO),
        Event::FailedForGood => Ending::FailedForGood { error: "never".to_owned() },
        Event::Interrupted => interrupted(),
        Event::Stopped => Ending::Stopped,
        Event::Claimed | Event::Cancelled | Event::Requeued => panic!("{event:?} ends nothing"),
    }
}
