//! Routes: who claims which tasks, who declines one, and what nobody claims.

use sundown_tasks::{Counts, Ending, Finish, NewTask, Route, State, Unserved};

use super::Bench;
use super::support::*;

fn routed(kind: &str, route: &str) -> NewTask {
    NewTask { route: route.to_owned(), ..task(kind) }
}

fn route(kind: &str, name: &str) -> Route {
    Route { kind: kind.to_owned(), name: name.to_owned() }
}

fn unserved(kind: &str, name: &str, tasks: u64) -> Unserved {
    Unserved { route: route(kind, name), tasks }
}

pub(crate) async fn a_task_is_claimed_by_those_who_want_its_route(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let new = enqueue(&store, routed("a", "new")).await;
    let old = enqueue(&store, routed("a", "old")).await;
    let plain = enqueue(&store, task("a")).await;
    let namesake = enqueue(&store, routed("b", "new")).await;
    assert_eq!(get(&other, new).await.route, "new");
    assert_eq!(get(&other, plain).await.route, "");
    let claimed = async |store: &Handle, routes: &[&str]| {
        let wanted = vec![wanted_of("a", routes, 10)];
        let claims = store.claim(wanted, 10, LONG).await.unwrap();
        claims.iter().map(|claim| claim.fence.task).collect::<Vec<_>>()
    };
    assert_eq!(claimed(&store, &["other"]).await, [plain], "one without a route is for everybody");
    assert_eq!(claimed(&store, &[]).await, []);
    assert_eq!(claimed(&other, &["old", "other"]).await, [old]);
    assert_eq!(claimed(&store, &["new"]).await, [new]);
    assert_eq!(state(&store, namesake).await, State::Pending);
}

pub(crate) async fn a_count_is_of_the_kind_whatever_the_routes(bench: &impl Bench) {
    let store = bench.open().await;
    let mut expected = Vec::new();
    for (route, priority) in [("x", 0), ("", 1), ("y", 2), ("x", 2), ("y", 0), ("z", 9), ("x", 1)] {
        let id = enqueue(&store, NewTask { priority, ..routed("a", route) }).await;
        if route != "z" {
            expected.push((std::cmp::Reverse(priority), id));
        }
    }
    expected.sort();
    let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
    let claim = async |count, limit| {
        let wanted = vec![wanted_of("a", &["y", "x"], count)];
        let claims = store.claim(wanted, limit, LONG).await.unwrap();
        claims.iter().map(|claim| claim.fence.task).collect::<Vec<_>>()
    };
    assert_eq!(claim(2, 10).await, expected[..2]);
    assert_eq!(claim(10, 1).await, expected[2..3]);
    assert_eq!(claim(10, 10).await, expected[3..]);
    counts_become(&store, Counts { pending: 1, running: 6, dead: 0 }).await;
}

pub(crate) async fn what_is_declined_waits_and_counts_nothing(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let decline = |again_in| Ending::Declined { reason: "not mine".to_owned(), again_in };
    let short = std::time::Duration::from_millis(300);
    let fence = running(&store, "a").await;
    assert_eq!(finish(&store, fence, decline(short)).await, Finish::Now(State::Pending));
    assert_eq!(finish(&store, fence, decline(short)).await, Finish::Superseded);
    let entry = get(&other, fence.task).await;
    assert_eq!((entry.failures, entry.interruptions, entry.last_event), (0, 0, 0));
    assert_eq!(entry.error.as_deref(), Some("not mine"));
    let second = until("its pause is over", async || {
        claim(&other, "a", 1).await.pop().ok_or("nothing to claim")
    })
    .await;
    assert_eq!((second.failures, second.interruptions), (0, 0));
    // A word of somebody who has lost it changes nothing, not even the reason.
    let late = Ending::Declined { reason: "too late".to_owned(), again_in: short };
    assert_eq!(finish(&store, second.fence, late).await, Finish::Superseded);
    assert_eq!(finish(&other, second.fence, decline(LONG)).await, Finish::Now(State::Pending));
    assert_eq!(get(&store, fence.task).await.error.as_deref(), Some("not mine"));
    assert!(claim(&store, "a", 1).await.is_empty(), "it is left alone");

    let unwanted = running(&store, "b").await;
    store.cancel(unwanted.task).await.unwrap();
    assert_eq!(finish(&store, unwanted, decline(short)).await, Finish::Now(State::Cancelled));
    counts_become(&store, Counts { pending: 1, running: 0, dead: 0 }).await;
}

pub(crate) async fn what_no_process_claims_is_told(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    assert_eq!(store.unserved().await.unwrap(), []);
    for route in ["x", "", "y", "x"] {
        enqueue(&store, routed("a", route)).await;
    }
    enqueue(&store, NewTask { run_at: Some(now() + 3_600_000), ..routed("late", "x") }).await;
    enqueue(&store, routed("b", "x")).await;
    running(&store, "running").await;
    let told = async || other.unserved().await.unwrap();
    let (a, b) = ([unserved("a", "", 1), unserved("a", "x", 2)], unserved("b", "x", 1));
    let y = unserved("a", "y", 1);
    assert_eq!(told().await, [&a[..], &[y.clone(), b.clone()]].concat());
    store.advertise(vec![route("a", ""), route("a", "x"), route("b", "")], LONG).await.unwrap();
    assert_eq!(told().await, [y, b.clone()]);
    other.advertise(vec![route("a", "y"), route("a", "x")], LONG).await.unwrap();
    assert_eq!(told().await, [b]);
    // What is said last holds.
    store.advertise(vec![route("b", "x")], LONG).await.unwrap();
    assert_eq!(told().await, a[..1]);
    store.advertise(Vec::new(), LONG).await.unwrap();
    assert_eq!(told().await, [a[0].clone(), unserved("b", "x", 1)]);
}

pub(crate) async fn what_a_process_claims_ends_with_it(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    enqueue(&store, routed("a", "x")).await;
    let life = std::time::Duration::from_secs(2);
    other.advertise(vec![route("a", "x")], life).await.unwrap();
    assert_eq!(store.unserved().await.unwrap(), []);
    other.close().await.unwrap();
    until("it is missed", async || {
        let missing = store.unserved().await.unwrap();
        if missing == [unserved("a", "x", 1)] { Ok(()) } else { Err(missing) }
    })
    .await;
}
