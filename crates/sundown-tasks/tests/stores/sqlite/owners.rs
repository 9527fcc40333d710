//! Owners: who is gone for certain, and whose leases must run out.

use std::fs;
use std::time::Duration;

use rusqlite::Connection;
use sundown_tasks::{Counts, Finish, SqliteStore, State};

use super::Scratch;
use crate::conformance::Bench;
use crate::conformance::support::*;

/// What lies in the directory of the owners.
fn files(scratch: &Scratch) -> Vec<String> {
    let entries = fs::read_dir(scratch.path("tasks.db-owners")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn who_closes_leaves_nothing_behind() {
    let scratch = Scratch::create("leaves");
    let store = scratch.open().await;
    let fence = running(&store, "a").await;
    assert_eq!(files(&scratch), [store.incarnation().to_string()]);
    finish(&store, fence, succeeded()).await;
    store.close().await.unwrap();
    assert_eq!(files(&scratch), [] as [String; 0]);
    assert!(!scratch.path("tasks.db-wal").exists(), "the last one tidies up");
    let raw = Connection::open(scratch.database()).unwrap();
    let owners: i64 = raw.query_row("SELECT count(*) FROM owner", [], |row| row.get(0)).unwrap();
    assert_eq!(owners, 0);
}

#[tokio::test]
async fn claims_of_who_closed_are_rescued_at_once() {
    let scratch = Scratch::create("closed-claims");
    let store = scratch.open().await;
    let fence = running(&store, "a").await;
    running(&store, "b").await;
    store.close().await.unwrap();
    let other = scratch.open().await;
    // A part of them leaves the proof where it is.
    assert_eq!(other.rescue(1).await.unwrap().len(), 1);
    assert_eq!(files(&scratch).len(), 2);
    assert_eq!(other.rescue(10).await.unwrap().len(), 1);
    assert_eq!(files(&scratch), [other.incarnation().to_string()]);
    assert_eq!(state(&other, fence.task).await, State::Pending);
    counts_become(&other, Counts { pending: 2, running: 0, dead: 0 }).await;
}

#[tokio::test]
async fn dropped_without_a_word_it_does_what_was_asked() {
    let scratch = Scratch::create("dropped");
    let store = scratch.open().await;
    let fence = running(&store, "a").await;
    let asked = store.enqueue(vec![task("b")], u64::MAX);
    // Asked, and not waited for.
    let _ = tokio::time::timeout(Duration::ZERO, asked).await;
    drop(store);
    let other = scratch.open().await;
    let rescued = until("the lock is given up", async || {
        other.rescue(10).await.unwrap().pop().ok_or("nothing to rescue")
    })
    .await;
    assert_eq!(rescued.fence, fence);
    claim_one(&other, "b").await;
}

#[tokio::test]
async fn the_living_are_not_rescued_and_their_files_stay() {
    let scratch = Scratch::create("living");
    let (store, other) = (scratch.open().await, scratch.open().await);
    let fence = running(&store, "a").await;
    for _ in 0..20 {
        assert_eq!(other.rescue(10).await.unwrap(), []);
        assert_eq!(store.rescue(10).await.unwrap(), []);
    }
    drop(scratch.open().await);
    assert!(files(&scratch).len() >= 2);
    assert_eq!(finish(&store, fence, succeeded()).await, Finish::Now(State::Succeeded));
}

#[tokio::test]
async fn a_missing_file_proves_nothing() {
    let scratch = Scratch::create("missing");
    let (store, other) = (scratch.open().await, scratch.open().await);
    let fence = running(&store, "a").await;
    fs::remove_file(scratch.path("tasks.db-owners").join(store.incarnation().to_string())).unwrap();
    assert_eq!(other.rescue(10).await.unwrap(), [], "it is leased still");
    store.renew(vec![fence], SHORT).await.unwrap();
    until("the lease is over", async || {
        other.rescue(10).await.unwrap().pop().ok_or("nothing to rescue")
    })
    .await;
    // It lives all the same, and may begin again.
    let again = claim_one(&store, "a").await.fence;
    assert_eq!(again.attempt, 2);
    assert_eq!(finish(&store, fence, succeeded()).await, Finish::Superseded);
    assert_eq!(finish(&store, again, succeeded()).await, Finish::Now(State::Succeeded));
    counts_become(&other, Counts::default()).await;
}

#[tokio::test]
async fn after_another_boot_every_lease_is_over() {
    let scratch = Scratch::create("boot");
    let (store, other) = (scratch.open().await, scratch.open().await);
    let fence = running(&store, "a").await;
    assert_eq!(other.rescue(10).await.unwrap(), []);
    let raw = Connection::open(scratch.database()).unwrap();
    raw.busy_timeout(PATIENCE).unwrap();
    let sql = "UPDATE owner SET boot = 'before' WHERE incarnation = ?1";
    assert_eq!(raw.execute(sql, [store.incarnation().to_string()]).unwrap(), 1);
    let rescued = other.rescue(10).await.unwrap();
    assert_eq!(rescued.iter().map(|rescued| rescued.fence).collect::<Vec<_>>(), [fence]);
    // Struck out by mistake, as here, it would still be refused, and counted right.
    assert_eq!(finish(&store, fence, succeeded()).await, Finish::Superseded);
    let again = claim_one(&store, "a").await.fence;
    finish(&store, again, succeeded()).await;
    counts_become(&other, Counts::default()).await;
}

/// The wall clock cannot be set in a test; but that no lease is in its numbers can be seen.
#[tokio::test]
async fn leases_are_not_of_the_wall_clock() {
    let scratch = Scratch::create("clock");
    let store = scratch.open().await;
    let since_boot = || {
        let text = fs::read_to_string("/proc/uptime").unwrap();
        text.split(' ').next().unwrap().parse::<f64>().unwrap() * 1000.0
    };
    let before = since_boot();
    running(&store, "a").await;
    let raw = Connection::open(scratch.database()).unwrap();
    let sql = "SELECT lease_until FROM task";
    let until: f64 = raw.query_row(sql, [], |row| row.get(0)).unwrap();
    let lease = LONG.as_secs_f64() * 1000.0;
    let range = before + lease - 50.0..=since_boot() + lease + 50.0;
    assert!(range.contains(&until), "{until} is not in {range:?}");
}

#[tokio::test]
async fn strays_are_swept_and_strangers_left() {
    let scratch = Scratch::create("strays");
    let directory = scratch.path("tasks.db-owners");
    fs::create_dir_all(&directory).unwrap();
    let stray = "0123456789abcdef0123456789abcdef";
    fs::write(directory.join(stray), "").unwrap();
    fs::write(directory.join("notes"), "").unwrap();
    let store = scratch.open().await;
    let mut expected = vec![store.incarnation().to_string(), "notes".to_owned()];
    expected.sort();
    assert_eq!(files(&scratch), expected);
}

/// A copy of all files, as a crash would leave them: the commits are in the log alone.
#[tokio::test]
async fn what_a_crash_leaves_in_the_log_is_there_again() {
    let (scratch, copy) = (Scratch::create("log"), Scratch::create("log-copy"));
    let store = scratch.open().await;
    store.enqueue(vec![task("a"); 100], u64::MAX).await.unwrap();
    let fence = claim_one(&store, "a").await.fence;
    tell(&store, fence, "1").await;
    for name in ["tasks.db", "tasks.db-wal"] {
        fs::copy(scratch.path(name), copy.path(name)).unwrap();
    }
    // A commit that was cut off in the middle does not count.
    let log = copy.path("tasks.db-wal");
    let mut torn = fs::read(&log).unwrap();
    let half = torn[torn.len() - 2000..].to_vec();
    torn.extend(half);
    fs::write(&log, torn).unwrap();
    let after = copy.open().await;
    counts_become(&after, Counts { pending: 99, running: 1, dead: 0 }).await;
    assert_eq!(get(&after, fence.task).await.last_event, 1);
    assert_eq!(claim(&after, "a", 1000).await.len(), 99);
}

#[tokio::test]
async fn memory_is_a_file_name_like_any_other() {
    let scratch = Scratch::create("names");
    for name in [":memory:", "file:x?mode=memory", "ü b.db"] {
        let settings = || sundown_tasks::SqliteSettings::new(scratch.path(name));
        let store: Handle = std::sync::Arc::new(SqliteStore::open(settings()).unwrap());
        enqueue(&store, task("a")).await;
        store.close().await.unwrap();
        let again: Handle = std::sync::Arc::new(SqliteStore::open(settings()).unwrap());
        claim_one(&again, "a").await;
    }
}
