//! Tasks are listed.

use sundown_tasks::{Ending, Filter, State};

use super::Bench;
use super::support::*;

fn all() -> Filter {
    Filter { limit: 100, ..Filter::default() }
}

pub(crate) async fn the_newest_first(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    assert!(list(&store, all()).await.is_empty());
    let mut ids = Vec::new();
    for kind in ["a", "b", "a"] {
        ids.insert(0, enqueue(&store, task(kind)).await);
    }
    assert_eq!(list(&other, all()).await, ids);
    assert!(list(&other, Filter { limit: 0, ..all() }).await.is_empty());
    let listed = other.list(all()).await.unwrap();
    let got = get(&other, ids[1]).await;
    let told = |task| serde_json::to_string(task).unwrap();
    assert_eq!(told(&listed[1]), told(&got), "a list shows what a look at one shows");
}

pub(crate) async fn by_state_and_kind(bench: &impl Bench) {
    let store = bench.open().await;
    let mut expected: Vec<(State, &str, _)> = Vec::new();
    for round in 0..3 {
        for kind in ["a", "b", "c"] {
            for state in State::ALL {
                let mut new = task(kind);
                // Claimed before what waits.
                (new.max_attempts, new.priority) = (1, i16::from(state != State::Pending));
                let id = enqueue(&store, new).await;
                let ending = match state {
                    State::Pending | State::Running | State::Cancelled => None,
                    State::Succeeded => Some(succeeded()),
                    State::Failed => Some(Ending::FailedForGood { error: String::new() }),
                    State::Dead => Some(failed(LONG)),
                };
                if state == State::Cancelled {
                    store.cancel(id).await.unwrap();
                } else if state != State::Pending {
                    let fence = claim_one(&store, kind).await.fence;
                    assert_eq!(fence.task, id, "{round}");
                    if let Some(ending) = ending {
                        finish(&store, fence, ending).await;
                    }
                }
                expected.insert(0, (state, kind, id));
            }
        }
    }
    for state in State::ALL.into_iter().map(Some).chain([None]) {
        for kind in [Some("a"), Some("b"), Some("c"), Some("d"), None] {
            let filter = Filter { state, kind: kind.map(str::to_owned), ..all() };
            let fits = |(s, k, _): &&(State, &str, _)| {
                state.is_none_or(|state| state == *s) && kind.is_none_or(|kind| kind == *k)
            };
            let expected: Vec<_> = expected.iter().filter(fits).map(|(_, _, id)| *id).collect();
            assert_eq!(list(&store, filter.clone()).await, expected, "{filter:?}");
            let short = Filter { limit: 2, before: expected.first().copied(), ..filter };
            let expected: Vec<_> = expected.iter().skip(1).take(2).copied().collect();
            assert_eq!(list(&store, short.clone()).await, expected, "{short:?}");
        }
    }
}

pub(crate) async fn pages_are_stable(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let mut ids = Vec::new();
    for n in 0..25 {
        ids.insert(0, enqueue(&store, task(["a", "b"][n % 2])).await);
    }
    let (mut read, mut before) = (Vec::new(), None);
    loop {
        let page = list(&store, Filter { before, limit: 10, ..Filter::default() }).await;
        let Some(last) = page.last() else { break };
        before = Some(*last);
        read.extend(page);
        // What comes meanwhile is newer than every page that follows.
        enqueue(&other, task("a")).await;
    }
    assert_eq!(read, ids);
}

pub(crate) async fn a_page_ends_when_it_is_heavy(bench: &impl Bench) {
    let store = bench.open().await;
    let heavy = format!("\"{}\"", "x".repeat(9_998));
    let mut ids = Vec::new();
    for n in 0..5 {
        let input = json(if n == 2 { "1" } else { &heavy });
        ids.insert(0, enqueue(&store, sundown_tasks::NewTask { input, ..task("a") }).await);
    }
    // Its output weighs as well.
    let fence = store.claim(vec![wanted("a", 5)], 5, LONG).await.unwrap()[2].fence;
    finish(&store, fence, Ending::Succeeded(json(&heavy))).await;
    for (bytes, count) in
        [(0, 0), (1, 1), (10_000, 1), (10_001, 2), (20_000, 2), (20_001, 3), (1 << 30, 5)]
    {
        for filter in [all(), Filter { kind: Some("a".to_owned()), ..all() }] {
            let page = list(&store, Filter { bytes: Some(bytes), ..filter }).await;
            assert_eq!(page, ids[..count], "{bytes} bytes");
        }
    }
    let (mut read, mut before) = (Vec::new(), None);
    loop {
        let page = list(&store, Filter { before, bytes: Some(15_000), ..all() }).await;
        let Some(last) = page.last() else { break };
        before = Some(*last);
        read.extend(page);
    }
    assert_eq!(read, ids);
}
