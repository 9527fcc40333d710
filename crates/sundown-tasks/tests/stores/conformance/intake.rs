//! Tasks come in.

use sundown_tasks::{Enqueued, State};
use tokio::task::JoinSet;

use super::Bench;
use super::support::*;

pub(crate) async fn what_is_taken_in_can_be_read(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let before = now();
    let mut new = task("größe/✓");
    new.input = json(r#"{"b":1,"a":[null,1.5,"x"]}"#);
    new.key = Some("order 7 — größe".to_owned());
    new.priority = -3;
    let id = enqueue(&store, new).await;
    let task = get(&other, id).await;
    assert_eq!((task.id, task.kind.as_str(), task.state), (id, "größe/✓", State::Pending));
    assert_eq!(task.key.as_deref(), Some("order 7 — größe"));
    assert_eq!((task.priority, task.attempt, task.max_attempts), (-3, 0, 3));
    assert_eq!((task.failures, task.interruptions, task.is_unwanted), (0, 0, false));
    let input: serde_json::Value = serde_json::from_str(task.input.get()).unwrap();
    assert_eq!(input, serde_json::json!({"a": [null, 1.5, "x"], "b": 1}));
    assert!(task.output.is_none() && task.error.is_none() && task.checkpoint.is_none());
    assert_eq!((task.last_event, task.started_at, task.ended_at), (0, None, None));
    assert!((before - 1..=now() + 1).contains(&task.created_at), "{}", task.created_at);
    assert!(task.run_at <= now() + 1);
    assert!(store.get(sundown_tasks::TaskId(id.0 + 1)).await.unwrap().is_none());
}

pub(crate) async fn a_key_belongs_to_one_task(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let keyed = |kind: &str, input: &str| {
        let mut task = task(kind);
        (task.key, task.input) = (Some("k".to_owned()), json(input));
        task
    };
    let id = enqueue(&store, keyed("a", r#"{"x": 1}"#)).await;
    let again = async |store: &Handle, task| store.enqueue(vec![task], 0).await.unwrap()[0];
    assert_eq!(again(&store, keyed("a", r#"{"x": 1}"#)).await, Enqueued::Known(id));
    assert_eq!(again(&other, keyed("a", r#"{"x":1}"#)).await, Enqueued::Known(id));
    assert_eq!(again(&other, keyed("b", r#"{"x": 1}"#)).await, Enqueued::KeyTaken(id));
    assert_eq!(again(&store, keyed("a", r#"{"x": 2}"#)).await, Enqueued::KeyTaken(id));
    assert_eq!(again(&store, keyed("a", r#"{"x": 1.0}"#)).await, Enqueued::KeyTaken(id));
    let claim = claim_one(&store, "a").await;
    finish(&store, claim.fence, succeeded()).await;
    assert_eq!(again(&store, keyed("a", r#"{"x": 1}"#)).await, Enqueued::Known(id));
}

pub(crate) async fn a_key_is_known_within_one_batch(bench: &impl Bench) {
    let store = bench.open().await;
    let mut keyed = task("a");
    keyed.key = Some("k".to_owned());
    let mut taken = keyed.clone();
    taken.kind = "b".to_owned();
    let batch = vec![task("a"), keyed.clone(), keyed, taken, task("a")];
    let answers = store.enqueue(batch, u64::MAX).await.unwrap();
    let [Enqueued::New(a), Enqueued::New(b), Enqueued::Known(c), Enqueued::KeyTaken(d), last] =
        answers[..]
    else {
        panic!("{answers:?}")
    };
    let Enqueued::New(e) = last else { panic!("{last:?}") };
    assert!(a < b && b < e, "older tasks have lower numbers: {answers:?}");
    assert_eq!((b, b), (c, d));
}

pub(crate) async fn racing_duplicates_are_one_task(bench: &impl Bench) {
    let handles = [bench.open().await, bench.open().await];
    let mut racers = JoinSet::new();
    for racer in 0..64 {
        let store = handles[racer % 2].clone();
        let mut keyed = task("a");
        keyed.key = Some(format!("k{}", racer % 4));
        racers.spawn(async move { store.enqueue(vec![keyed], u64::MAX).await.unwrap()[0] });
    }
    let answers = racers.join_all().await;
    let new: Vec<_> = answers
        .iter()
        .filter_map(|a| if let Enqueued::New(id) = a { Some(*id) } else { None })
        .collect();
    assert_eq!(new.len(), 4, "{answers:?}");
    for answer in answers {
        assert!(matches!(answer, Enqueued::New(id) | Enqueued::Known(id) if new.contains(&id)));
    }
}

pub(crate) async fn the_queue_has_a_limit(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let mut keyed = task("a");
    keyed.key = Some("k".to_owned());
    let batch = vec![task("a"), keyed.clone(), task("a"), task("a")];
    let answers = store.enqueue(batch, 3).await.unwrap();
    let [Enqueued::New(_), Enqueued::New(known), Enqueued::New(_), Enqueued::Full] = answers[..]
    else {
        panic!("{answers:?}")
    };
    let answers = other.enqueue(vec![task("b"), keyed], 3).await.unwrap();
    assert_eq!(answers, [Enqueued::Full, Enqueued::Known(known)]);
    // What runs does not wait.
    claim_one(&other, "a").await;
    let answers = store.enqueue(vec![task("b"), task("b")], 3).await.unwrap();
    assert!(matches!(answers[..], [Enqueued::New(_), Enqueued::Full]), "{answers:?}");
}

pub(crate) async fn a_key_is_free_again_after_its_task(bench: &impl Bench) {
    let store = bench.open().await;
    let mut keyed = task("a");
    keyed.key = Some("k".to_owned());
    let first = enqueue(&store, keyed.clone()).await;
    store.cancel(first).await.unwrap();
    store.discard(first).await.unwrap();
    let second = enqueue(&store, keyed).await;
    assert!(second > first, "a number is never used again");
}

pub(crate) async fn long_inputs_survive(bench: &impl Bench) {
    let store = bench.open().await;
    for length in [2000, 2100, 300_000] {
        let mut new = task("a");
        new.input = json(&format!("\"{}\"", "ü".repeat(length / 2)));
        new.key = Some(length.to_string());
        let id = enqueue(&store, new.clone()).await;
        let claim = claim_one(&store, "a").await;
        assert_eq!(claim.input.get(), new.input.get());
        assert_eq!(get(&store, id).await.input.get(), new.input.get());
        let known = store.enqueue(vec![new], u64::MAX).await.unwrap();
        assert_eq!(known, [Enqueued::Known(id)]);
    }
}

pub(crate) async fn nothing_asked_is_nothing_done(bench: &impl Bench) {
    let store = bench.open().await;
    assert_eq!(store.enqueue(vec![], 0).await.unwrap(), []);
    assert!(store.claim(vec![], 5, LONG).await.unwrap().is_empty());
    assert_eq!(store.renew(vec![], LONG).await.unwrap(), []);
    assert_eq!(store.finish(vec![]).await.unwrap(), []);
    assert_eq!(store.progress(vec![]).await.unwrap(), []);
    assert_eq!(store.rescue(10).await.unwrap(), []);
}
