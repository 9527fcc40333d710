//! What is told of a task.

use std::time::Duration;

use sundown_tasks::{Events, Fence, Mark, Progress, State, TaskId, What};

use super::Bench;
use super::support::*;

async fn events(store: &Handle, fence: Fence, after: u64) -> Events {
    store.events(fence.task, after, 10_000).await.unwrap().expect("the task is there")
}

fn numbers(events: &Events) -> Vec<u64> {
    events.events.iter().map(|event| event.seq).collect()
}

/// Each in one word.
fn words(events: &Events) -> Vec<String> {
    let word = |what: &What| match what {
        What::Progress(json) => json.get().to_owned(),
        What::Failed(_) => "failed".to_owned(),
        What::Interrupted(_) => "interrupted".to_owned(),
        What::Requeued => "requeued".to_owned(),
    };
    events.events.iter().map(|event| format!("{} {}", event.attempt, word(&event.what))).collect()
}

pub(crate) async fn they_are_counted_from_one(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let fence = running(&store, "a").await;
    let none = events(&store, fence, 0).await;
    assert_eq!((none.events.len(), none.first_kept, none.last), (0, 1, 0));
    let before = now();
    let news =
        (1..=5).map(|n| Progress { fence, event: Some(json(&n.to_string())), checkpoint: None });
    let told = store.progress(news.collect()).await.unwrap();
    assert_eq!(told, (1..=5).map(Some).collect::<Vec<_>>());
    let some = events(&other, fence, 2).await;
    assert_eq!(words(&some), ["1 3", "1 4", "1 5"]);
    assert_eq!((numbers(&some), some.first_kept, some.last), (vec![3, 4, 5], 1, 5));
    assert_eq!(some.state, State::Running);
    assert!((before - 1..=now() + 1).contains(&some.events[0].at));
    assert!(events(&other, fence, 5).await.events.is_empty());
    assert!(events(&other, fence, u64::MAX).await.events.is_empty());
    finish(&store, fence, succeeded()).await;
    let over = events(&other, fence, 5).await;
    assert_eq!((over.state, over.last), (State::Succeeded, 5));
    assert_eq!(get(&other, fence.task).await.last_event, 5);
}

pub(crate) async fn checkpoints_come_with_progress(bench: &impl Bench) {
    let store = bench.open().await;
    let fence = running(&store, "a").await;
    let at = |step: &str, cursor| Some(checkpoint(step, cursor));
    let news = vec![
        Progress { fence, event: Some(json("1")), checkpoint: at("download", 1) },
        Progress { fence, event: None, checkpoint: at("unpack", 7) },
        Progress { fence, event: Some(json("2")), checkpoint: None },
    ];
    assert_eq!(store.progress(news).await.unwrap(), [Some(1), Some(1), Some(2)]);
    assert_eq!(get(&store, fence.task).await.checkpoint, at("unpack", 7));
    let null = Some(sundown_tasks::Checkpoint { step: String::new(), cursor: ().into() });
    let news = vec![Progress { fence, event: None, checkpoint: null.clone() }];
    assert_eq!(store.progress(news).await.unwrap(), [Some(2)]);
    assert_eq!(get(&store, fence.task).await.checkpoint, null);
    assert_eq!(words(&events(&store, fence, 0).await), ["1 1", "1 2"]);
}

pub(crate) async fn what_happened_is_told(bench: &impl Bench) {
    let store = bench.open().await;
    let first = running(&store, "a").await;
    assert_eq!(tell(&store, first, "10").await, Some(1));
    finish(&store, first, failed(Duration::ZERO)).await;
    let second = claim_one(&store, "a").await.fence;
    finish(&store, second, interrupted()).await;
    let third = store.claim(vec![wanted("a", 1)], 1, Duration::ZERO).await.unwrap()[0].fence;
    store.rescue(10).await.unwrap();
    let fourth = claim_one(&store, "a").await.fence;
    let ending = sundown_tasks::Ending::FailedForGood { error: "never".to_owned() };
    finish(&store, fourth, ending).await;
    store.requeue(fourth.task).await.unwrap();
    let fifth = claim_one(&store, "a").await.fence;
    assert_eq!((third.attempt, fifth.attempt), (3, 5));
    assert_eq!(tell(&store, fifth, "20").await, Some(7));
    finish(&store, fifth, sundown_tasks::Ending::Returned).await;
    let all = events(&store, first, 0).await;
    let expected =
        ["1 10", "1 failed", "2 interrupted", "3 interrupted", "4 failed", "4 requeued", "5 20"];
    assert_eq!(words(&all), expected);
    assert_eq!(numbers(&all), (1..=7).collect::<Vec<_>>());
    let What::Failed(error) = &all.events[4].what else { panic!("{all:?}") };
    assert_eq!(error, "never");
    let What::Interrupted(reason) = &all.events[2].what else { panic!("{all:?}") };
    assert_eq!(reason, "a restart");
}

pub(crate) async fn old_ones_are_forgotten(bench: &impl Bench) {
    let store = bench.open_keeping(10).await;
    let fence = running(&store, "a").await;
    for n in 1..=100 {
        assert_eq!(tell(&store, fence, &n.to_string()).await, Some(n));
        let kept = events(&store, fence, 0).await;
        assert_eq!(kept.last, n);
        assert_eq!(numbers(&kept), (kept.first_kept..=n).collect::<Vec<_>>());
        let count = n + 1 - kept.first_kept;
        assert!(count >= n.min(10), "{count} of {n} are kept");
        assert!(count <= 20, "{count} of {n} are kept still");
    }
    let kept = events(&store, fence, 99).await;
    assert_eq!(words(&kept), ["1 100"]);
    assert!(kept.first_kept > 80, "whoever asks for what comes after 5 sees that some are gone");
}

pub(crate) async fn they_come_in_pages(bench: &impl Bench) {
    let store = bench.open().await;
    let fence = running(&store, "a").await;
    for n in 1..=25 {
        tell(&store, fence, &n.to_string()).await;
    }
    let (mut after, mut read) = (0, Vec::new());
    loop {
        let page = store.events(fence.task, after, 10).await.unwrap().unwrap();
        assert!(page.events.len() <= 10);
        assert_eq!(page.last, 25);
        let Some(last) = page.events.last() else { break };
        after = last.seq;
        read.extend(numbers(&page));
    }
    assert_eq!(read, (1..=25).collect::<Vec<_>>());
}

pub(crate) async fn an_unknown_task_has_none(bench: &impl Bench) {
    let store = bench.open().await;
    assert!(store.events(TaskId(77), 0, 10).await.unwrap().is_none());
    let fence = Fence { task: TaskId(77), attempt: 1 };
    assert_eq!(tell(&store, fence, "1").await, None);
    let gone = running(&store, "a").await;
    tell(&store, gone, "1").await;
    finish(&store, gone, succeeded()).await;
    store.discard(gone.task).await.unwrap();
    assert!(store.events(gone.task, 0, 10).await.unwrap().is_none());
}

pub(crate) async fn two_tellers_leave_no_gap(bench: &impl Bench) {
    let store = bench.open().await;
    let fence = running(&store, "a").await;
    let mut tellers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let store = store.clone();
        tellers.spawn(async move {
            let mut told = Vec::new();
            for _ in 0..25 {
                told.push(tell(&store, fence, "0").await.unwrap());
            }
            told
        });
    }
    let mut told: Vec<_> = tellers.join_all().await.concat();
    told.sort_unstable();
    assert_eq!(told, (1..=100).collect::<Vec<_>>());
    assert_eq!(numbers(&events(&store, fence, 0).await), told);
}

pub(crate) async fn marks_are_where_logs_end(bench: &impl Bench) {
    let (store, other) = (bench.open().await, bench.open().await);
    let (told, over) = (running(&store, "a").await, running(&store, "a").await);
    tell(&store, told, "1").await;
    tell(&store, told, "2").await;
    finish(&store, over, succeeded()).await;
    let asked = vec![over.task, TaskId(77), told.task, over.task];
    let over = Some(Mark { last: 0, state: State::Succeeded });
    let told = Some(Mark { last: 2, state: State::Running });
    assert_eq!(other.marks(asked).await.unwrap(), [over, None, told, over]);
    assert_eq!(other.marks(Vec::new()).await.unwrap(), []);
}

pub(crate) async fn many_who_read_at_once_each_get_their_own(bench: &impl Bench) {
    let store = bench.open().await;
    let fences = [running(&store, "a").await, running(&store, "a").await];
    for n in 1..=6 {
        tell(&store, fences[n % 2], &n.to_string()).await;
    }
    let mut readers = tokio::task::JoinSet::new();
    for reader in 0..60 {
        let (store, task, after) = (store.clone(), fences[reader % 2].task, reader as u64 % 5);
        readers.spawn(async move { (reader, store.events(task, after, 2).await.unwrap()) });
    }
    while let Some(read) = readers.join_next().await {
        let (reader, page) = read.unwrap();
        let (page, after) = (page.unwrap(), reader as u64 % 5);
        assert_eq!(page.last, 3);
        assert_eq!(numbers(&page), (after + 1..=3).take(2).collect::<Vec<_>>(), "{reader}");
        let first = if reader % 2 == 0 { 2 } else { 1 };
        let expected: Vec<_> = (after..3).take(2).map(|n| format!("1 {}", first + 2 * n)).collect();
        assert_eq!(words(&page), expected, "{reader}");
    }
    let unknown = store.events(TaskId(77), 0, 10);
    let (unknown, known) = tokio::join!(unknown, store.events(fences[0].task, 3, 10));
    assert!(unknown.unwrap().is_none() && known.unwrap().unwrap().events.is_empty());
}
